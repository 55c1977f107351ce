using System.Collections.Concurrent;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Cli;
using LongTake.Tests.Video;
using LongTake.Video;

namespace LongTake.Tests.Data;

/// <summary>Small videos and a small model for the builder.</summary>
internal static class Videos
{
    // Each video is made once: a writer starts four programs. They all stand still or drift, so two frames tell them.
    private static readonly ConcurrentDictionary<(double, int, int, int, int), Lazy<byte[]>> made = new();

    /// <summary>
    /// Writes a video of so many seconds at 16 frames a second; `time` tells which frame of an endless drift is shown.
    /// </summary>
    public static string Write(string path, double seconds, Func<int, int> time, int width = 48, int height = 32)
    {
        var key = (seconds, time(0), time(1), width, height);
        var bytes = made.GetOrAdd(key, _ => new(() => Make(seconds, time, width, height)));
        File.WriteAllBytes(path, bytes.Value);
        return path;
    }

    private static byte[] Make(double seconds, Func<int, int> time, int width, int height)
    {
        using var place = new Frames();
        using (var writer = new VideoWriter(place["video.mp4"], width, height, 16))
        {
            for (var t = 0; t < seconds * 16; t++)
                writer.Write(Frames.Drifting(time(t), width, height));
            writer.Complete();
        }
        return File.ReadAllBytes(place["video.mp4"]);
    }

    /// <summary>takes of 12 s, a clip of 6 s, a still of 12 s.</summary>
    public static void Folder(CommandLine program, int takes)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Directory.CreateDirectory(program["videos"]);
        for (var n = 0; n < takes; n++)
            Write(program[$"videos/take{n}.mp4"], 12, t => t + 400 * n);
        File.WriteAllText(program["videos/take0.txt"], "a lone walker\n");
        Write(program["videos/brief.mp4"], 6, t => t + 7000);
        Write(program["videos/still.mp4"], 12, _ => 0);
    }

    /// <summary>A model with a tiny autoencoder, 8 frames a second, 32x32.</summary>
    public static ModelFolder Model(string path)
    {
        using var scope = torch.NewDisposeScope();
        var config = new ModelConfig
        {
            ClipLatents = 5,
            VideoLatents = 25,
            Vae = new()
            {
                Dim = 4,
                ZDim = 4,
                DimMult = [1, 1, 1],
                ResBlocks = 1,
                TemporalDownsample = [true, true],
                Mean = [],
                Std = [],
            },
        };
        using var weights = Weights.Create(new Rng(1));
        _ = config.Model.Autoencoder(weights);
        var model = ModelFolder.Create(path, config);
        model.Save(ModelFolder.Vae, weights);
        return model;
    }
}
