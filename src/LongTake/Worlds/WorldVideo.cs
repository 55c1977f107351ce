namespace LongTake.Worlds;

/// <summary>A video of a world: how it is called, and its pictures.</summary>
/// <param name="World">The world.</param>
/// <param name="Caption">Caption of the whole.</param>
/// <param name="Local">Caption of the moment around a world frame; empty where the world has none.</param>
/// <param name="Paint">Paints one world frame into [side, side, 3] bytes.</param>
public sealed record WorldVideo(World World, string Caption, Func<int, string> Local, WorldVideo.Painter Paint)
{
    /// <summary>Paints a frame into bytes.</summary>
    public delegate void Painter(int frame, Span<byte> rgb);

    /// <summary>
    /// Every <paramref name="stride"/>-th frame from <paramref name="first"/> on: bytes [frames, side, side, 3].
    /// </summary>
    public byte[] Frames(int first, int frames, int stride)
    {
        var video = new byte[frames * World.FrameBytes];
        for (var i = 0; i < frames; i++)
            Paint(first + i * stride, video.AsSpan(i * World.FrameBytes, World.FrameBytes));
        return video;
    }
}
