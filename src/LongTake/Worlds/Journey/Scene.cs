using System.Runtime.InteropServices;

namespace LongTake.Worlds.Journey;

/// <summary>
/// Draws the world "There and back". A picture is a pure function of a take and a frame. Layers are painted back to
/// front with hard edges; each is a function of the position alone, so the way back shows what the way there showed.
/// </summary>
public static class Scene
{
    /// <summary>Width and height of a picture, and its bytes.</summary>
    public const int Side = 64,
        FrameBytes = Side * Side * 3;

    /// <summary>Column in which the traveller walks, and the rows where the land and the ground begin.</summary>
    internal const int Centre = Side / 2,
        Horizon = 43,
        GroundTop = 47;

    /// <summary>Paints one frame: 64 x 64 x 3 bytes, RGB, row by row.</summary>
    public static void Render(JourneyTake take, int frame, Span<byte> rgb)
    {
        if (rgb.Length != FrameBytes)
            throw new ArgumentException($"a frame is {FrameBytes} bytes, given {rgb.Length}");
        var canvas = MemoryMarshal.Cast<byte, Pixel>(rgb);
        var (light, position) = (new Light(take.HourAt(frame)), take.Position(frame));
        Span<Pixel> far = stackalloc Pixel[Palette.Size],
            near = stackalloc Pixel[Palette.Size];
        Palette.Fill(far, light.Tint, light.Dark);
        Palette.Fill(near, light.Near, light.Dark);
        Heavens.Paint(canvas, light);
        Heavens.Clouds(canvas, far, light, take, position);
        Skyline.Paint(canvas, light, take, position);
        Hills.Paint(canvas, light, take, position);
        foreach (var landmark in take.Landmarks)
            LandmarkArt.Paint(canvas, near, light, landmark, position);
        Ground.Paint(canvas, light, take, position);
        Roadside.Paint(canvas, far, take, position);
        Companion.Paint(canvas, near, light, take, frame);
        Hiker.Paint(canvas, near, light, take, frame);
        if (take.Gap > 0)
            Footage.Spoil(canvas, take, frame);
    }

    /// <summary>Consecutive frames: bytes [frames, 64, 64, 3].</summary>
    public static byte[] Video(JourneyTake take, int first, int frames)
    {
        var video = new byte[frames * FrameBytes];
        for (var i = 0; i < frames; i++)
            Render(take, first + i, video.AsSpan(i * FrameBytes, FrameBytes));
        return video;
    }

    /// <summary>The whole video.</summary>
    public static byte[] Video(JourneyTake take) => Video(take, 0, take.Frames);
}
