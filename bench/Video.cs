using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// The bundled checkpoint's minute: sampling in few steps beside 50 guided ones and beside the same without kernels of
/// ours, and a whole video from prompt to closed file.
/// </summary>
internal static class Video
{
    public static IEnumerable<Row> Rows()
    {
        using var files = ModelFiles.Open(Traveller);
        var c = files.Config;
        using var scope = torch.NewDisposeScope();
        var request = Request(c, c.VideoLatents);
        using VideoGenerator model = new(files, request),
            bytes = new(files, request with { Int8 = true });
        var guided = request with { Sampler = Sampler.Euler, Steps = 50, Guidance = 3 };
        var sample = Turns.Of(() => model.Sample(request), 0.5);
        var s = Turns.Run(
            3,
            sample,
            Turns.Of(() => model.Sample(guided)),
            Turns.Of(() => bytes.Sample(request)),
            Limits.Product(),
            Plain.Of(sample, ProductKind.BFloat16),
            Plain.Of(sample, ProductKind.Float32)
        );
        var flops = Flops(c, c.VideoLatents);
        yield return Row.Seconds("video.vs-cfg50", s[0], s[1], "50 Euler steps with guidance") with
        {
            Floor = flops / 1e9 / Limits.Work * Turns.Median(s[3]),
            Note =
                $"sampling of one minute, without decoding; {flops / 1e9:0} GFLOP in the blocks; 4 calls "
                + $"beside 100, so 25 less "
                + "what a step has beside its call",
        };
        var (peer, type) = Plain.Faster(s[4], s[5]);
        yield return Row.Seconds("video.sample", s[0], peer, $"{Plain.Name}, products in {type}") with
        {
            Note = "one minute",
        };
        yield return Row.Seconds("video.sample, --int8", s[2], s[0], "without --int8") with
        {
            Note = "bytes save memory, not time",
        };
        var path = Path.Combine(Path.GetTempPath(), $"longtake-bench-{Environment.ProcessId}.mp4");
        try
        {
            VideoResult? video = null;
            var make = Turns.Of(() => video = model.Save(request, path), 1);
            var t = Turns.Run(3, make, Plain.Of(make, ProductKind.BFloat16));
            yield return Row.Seconds("video.seconds", t[0], t[1], Plain.Name) with
            {
                Limit = 15,
                Note = $"prompt to closed mp4, {video!.Frames} frames of {c.Width}x{c.Height}",
            };
        }
        finally
        {
            File.Delete(path);
            File.Delete(Path.ChangeExtension(path, null) + ".latents.safetensors");
        }
    }

    public static VideoRequest Request(ModelConfig c, int latents) =>
        new()
        {
            Prompt = "a traveller in a red coat and a top hat walks",
            Frames = c.Frames(latents),
            Network = Network.DmHead,
        };

    /// <summary>The bundled model's folder.</summary>
    public static string Traveller => Path.Combine(Path.GetDirectoryName(Results.Path())!, "..", "models", "traveller");

    /// <summary>FLOPs of the blocks in all few steps.</summary>
    public static double Flops(ModelConfig c, int latents)
    {
        var places =
            (double)(c.Height / c.Vae.SpatialStride / c.Wan.PatchSize[1])
            * (c.Width / c.Vae.SpatialStride / c.Wan.PatchSize[2]);
        var tokens = latents * places;
        var calls = c.Model.Attention.Calls(1, latents, places);
        var seen = calls.Sum(call => call.Heads * call.Tokens) / c.Wan.Heads;
        return c.FewSteps.Length
            * c.Wan.Layers
            * (
                4 * tokens * seen * c.Wan.Dim
                + 2 * tokens * (6.0 * c.Wan.Dim * c.Wan.Dim + 2.0 * c.Wan.Dim * c.Wan.FfnDim)
            );
    }
}
