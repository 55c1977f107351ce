using System.Diagnostics;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Bench.Gpu;

/// <summary>
/// The bundled miniature on the device beside the CPU: a minute of video of the same noise, and ten iterations of its
/// training.
/// </summary>
internal static class GpuVideo
{
    private const int Iterations = 10;

    /// <summary>Latents and pictures of a minute, in float32 and bfloat16.</summary>
    public static JsonObject Video(GpuOptions o)
    {
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(o.Model);
        var request = new VideoRequest
        {
            Prompt = "a traveller in a red coat and a top hat walks",
            Network = Network.DmHead,
            Frames = files.Config.Frames(files.Config.VideoLatents),
            Seed = 1,
        };
        var result = new JsonObject();
        Tensor? first = null;
        foreach (
            var (name, device, type) in (ReadOnlySpan<(string, string, ScalarType)>)
                [
                    ("cpu float32", "cpu", ScalarType.Float32),
                    ("cpu bfloat16", "cpu", ScalarType.BFloat16),
                    ("device float32", o.Device, ScalarType.Float32),
                    ("device bfloat16", o.Device, ScalarType.BFloat16),
                ]
        )
        {
            using var model = new VideoGenerator(files, request, type, device);
            if (device != "cpu")
                using (model.Sample(request)) { } // a warm-up
            var watch = Stopwatch.StartNew();
            var latents = model.Sample(request);
            var sampled = watch.Elapsed.TotalSeconds;
            // The CPU's video is compared by its latents; only the device's is decoded and shown.
            var frames = name.StartsWith("cpu", StringComparison.Ordinal) ? [] : model.Decode(latents).ToList();
            first ??= latents;
            result[name] = new JsonObject
            {
                ["sampleSeconds"] = sampled,
                ["decodeSeconds"] = watch.Elapsed.TotalSeconds - sampled,
                ["frames"] = frames.Count,
                ["relativeToFloat32OnCpu"] = ((latents - first).norm() / first.norm()).item<float>(),
            };
            if (o.Pictures is null || frames.Count == 0)
                continue;
            Directory.CreateDirectory(o.Pictures);
            Png.Write(
                Path.Combine(o.Pictures, name.Replace(' ', '-') + ".png"),
                [.. frames.Where(f => f.Index % 20 == 0).Select(f => f.Rgb)],
                files.Config.Width,
                files.Config.Height,
                10
            );
        }
        // Rounding alone moves a video: on the device no more than on the CPU, with a margin.
        double Away(string name) => result[name]!["relativeToFloat32OnCpu"]!.GetValue<float>();
        result["right"] = Away("device float32") < 0.02 && Away("device bfloat16") < 2 * Away("cpu bfloat16") + 0.02;
        return result;
    }

    /// <summary>Losses of ten iterations of the bundled recipe's last stage on videos of noise, on both.</summary>
    public static JsonObject Train(GpuOptions o)
    {
        var (here, there) = (Losses(o, "cpu"), Losses(o, o.Device));
        double Apart(int i) => Math.Abs(there.Losses[i] - here.Losses[i]) / Math.Max(0.01, Math.Abs(here.Losses[i]));
        var worst = Enumerable.Range(0, here.Losses.Length).Max(Apart);
        return new()
        {
            ["cpu"] = new JsonArray([.. here.Losses.Select(l => (JsonNode)l)]),
            ["onDevice"] = new JsonArray([.. there.Losses.Select(l => (JsonNode)l)]),
            ["cpuSeconds"] = here.Seconds,
            ["deviceSeconds"] = there.Seconds,
            ["apart"] = worst,
            ["right"] = worst < 0.05,
        };
    }

    private static (double[] Losses, double Seconds) Losses(GpuOptions o, string device)
    {
        var c = new MmmConfig
        {
            Windows = 8,
            CriticWindows = 8,
            Guidance = 1,
            MatchingShift = 5,
            Anchor = 0.5,
            LocalCaptions = true,
            CriticFirst = 0,
        };
        var folder = Directory.CreateTempSubdirectory("longtake-gpu-").FullName;
        try
        {
            using var scope = torch.NewDisposeScope();
            var model = ModelFolder.Create(
                Path.Combine(folder, "model"),
                ModelFolder.Open(o.Model).Config,
                ModelFolder.Open(o.Model),
                ModelFolder.Student
            );
            using var data = MmmStep.Noise(model.Config, Path.Combine(folder, "set"));
            var stage = new Stage
            {
                From = model,
                Config = model.Config,
                Optimiser = new OptimiserConfig { Lr = 2e-4, Beta1 = 0.5 },
                Data = data,
                Init = new Rng(1),
                Run = folder,
                Video = (_, _) => [],
                Tokenizer = () => model.TokenizerFile,
                Device = device,
            };
            using var method = Mmm.Entry.Build(stage, c);
            var optimisers = method.Updates.Select(u => new Optimiser(u.Name, u.Parameters, u.Optimiser)).ToArray();
            var losses = new List<double>();
            var watch = Stopwatch.StartNew();
            for (var i = 0; i < Iterations; i++)
            {
                method.Begin();
                for (var which = 0; which < optimisers.Length; which++)
                {
                    losses.Add(method.Updates[which].Descend(new Rng(i, which), 1)["loss"]);
                    optimisers[which].Step(1, 1 / Math.Max(1, optimisers[which].GradientNorm()));
                    optimisers[which].ZeroGrad();
                }
            }
            foreach (var optimiser in optimisers)
                optimiser.Dispose();
            return ([.. losses], watch.Elapsed.TotalSeconds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
