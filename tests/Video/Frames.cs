using System.Diagnostics;

namespace LongTake.Tests.Video;

/// <summary>Made-up frames, and a folder for a test that goes away with it.</summary>
sealed class Frames : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("longtake-media-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>A smooth picture of colours that drifts with time: [height, width, 3].</summary>
    public static byte[] Drifting(int t, int width, int height)
    {
        var frame = new byte[width * height * 3];
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        for (var c = 0; c < 3; c++)
            frame[(y * width + x) * 3 + c] = (byte)(
                128 + 80 * Math.Sin((x + t * 0.7) * 0.15 + c) * Math.Cos((y - t * 0.3) * 0.12 + c)
            );
        return frame;
    }

    /// <summary>Peak signal-to-noise ratio of bytes, in dB.</summary>
    public static double Psnr(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        return 10 * Math.Log10(255 * 255 / Math.Max(1e-9, sum / a.Length));
    }

    /// <summary>Runs ffmpeg with its outputs in this folder; quiet, and over what is there.</summary>
    public void Ffmpeg(string arguments)
    {
        Skip.If(NoFfmpeg(), "no ffmpeg");
        var program = LongTake.Video.Ffmpeg.Locate("ffmpeg");
        using var child = Process.Start(
            new ProcessStartInfo(program, $"-nostdin -v error -y {arguments}") { WorkingDirectory = Folder }
        )!;
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, arguments);
    }

    public static bool NoFfmpeg()
    {
        try
        {
            LongTake.Video.Ffmpeg.Locate("ffmpeg");
            return false;
        }
        catch (UserException)
        {
            return true;
        }
    }
}
