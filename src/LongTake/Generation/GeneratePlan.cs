using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Generation;

/// <summary>What a video takes, from the model's config and the request alone.</summary>
public static class GeneratePlan
{
    private const double Float = 4;

    /// <summary>
    /// The plan of a request, computed in numbers of so many bytes.
    /// </summary>
    public static Plan Of(ResolvedRequest r, double compute = 2, int threads = 0)
    {
        Fitting.RequireFormulas(r.Model);
        var (c, latents, head) = (r.Model, r.Latents, r.HasHeads);
        var network = head ? Counts.Student(c, r.FmSteps > 0 ? null : r.Head) : Counts.Transformer(c);
        var (vae, text) = (Counts.Vae(c), Counts.Text(c.Text));
        double height = c.Height / c.Vae.SpatialStride,
            width = c.Width / c.Vae.SpatialStride,
            shape = c.Vae.ZDim * height * width * Float;

        var rolled = r.RolledOut;
        double length = rolled ? c.ClipLatents : latents,
            guided = r.Guidance == 1 ? 1 : 2;
        var forward = Flops.Wan(c.Wan, 1, length, height, width);
        var memory = new WanMemory(c.Wan, c.Model.Attention, compute, compute, threads);
        var sequence = Sequence.Of(c, 1, length);
        double sampling = r.Steps * guided * forward.Total,
            working = memory.Forward(sequence),
            caches = 0;
        if (rolled)
        {
            var overlap = Math.Min(RollOut.Overlap, c.ClipLatents - 1);
            sampling *= 1 + Math.Ceiling((latents - c.ClipLatents) / (double)(c.ClipLatents - overlap));
        }
        else if (r.Sampler == Sampler.Causal)
        {
            var how = r.Causal();
            var block = Sequence.Of(c, 1, how.BlockFrames);
            var one = Flops.Wan(c.Wan, 1, how.BlockFrames, height, width);
            double seen = 0;
            for (var at = 0; at < latents; at += how.BlockFrames)
                seen += Math.Min(how.Capacity, at + how.BlockFrames) / (double)how.BlockFrames;
            forward = one with { Attention = one.Attention * seen * how.BlockFrames / latents };
            sampling =
                (how.Timesteps.Length + 1)
                * (seen * one.Attention + latents / (double)how.BlockFrames * (one.Total - one.Attention));
            caches = 2 * c.Wan.Layers * how.Capacity * block.Places * c.Wan.Dim * compute;
            working = memory.Forward(block) + 2 * how.Capacity * block.Places * c.Wan.Dim * compute;
        }
        if (r.Int8)
            working += Widened(c.Wan, compute);
        var decoding = new VaeMemory(c.Vae, height, width, compute, threads).Video(latents);
        var encoder = text < TextCache.Large ? Float : compute;
        Amount weights = new("weights", compute * (network + vae) + (r.Int8 ? AsBytes(c.Wan, compute) : 0)),
            videos =
                new(
                    "latents",
                    (r.Guidance == 1 ? 5 : 8) * shape * latents
                        // texts, and their keys and values in every block
                        + 2 * guided * c.Wan.TextLength * (c.Wan.TextDim * Float + c.Wan.Layers * c.Wan.Dim * compute)
                );
        var frames = c.Frames(latents);
        return new(
            "generate",
            $"{frames / c.Fps:0.#} s at {c.Width}x{c.Height}: {latents} latents, {sequence.Each:#,0} tokens a "
                + $"call, {r.Sampler} with {r.Steps} steps{(guided > 1 ? " and guidance" : "")}, {r.Network}",
            [new(head ? "student" : "transformer", network), new("autoencoder", vae), new("text encoder", text)],
            forward.Parts,
            [
                new(
                    "texts",
                    [new("weights", encoder * text), new("working", TextWorking(c.Text, c.Wan.TextLength, encoder))],
                    guided * Flops.Text(c.Text, c.Wan.TextLength)
                ),
                new("sampling", [weights, videos, new("KV cache", caches), new("activations", working)], sampling),
                new(
                    "decoding",
                    [
                        weights,
                        new("latents", shape * latents),
                        new("decoder cache", decoding.Cache),
                        new("activations", decoding.Working),
                    ],
                    Flops.Vae(c.Vae, true, latents, height, width)
                ),
            ],
            [
                new("encoded texts", guided * c.Wan.TextLength * c.Wan.TextDim * encoder),
                new("latents of the video", shape * latents),
            ]
        );
    }

    // What the blocks' matrices take more as bytes with a float32 scale for each output, which is less.
    private static double AsBytes(WanConfig c, double compute)
    {
        double Of(double inputs, double outputs) => outputs * (inputs + Float) - inputs * outputs * compute;
        return c.Layers * ((c.ClipDim > 0 ? 10 : 8) * Of(c.Dim, c.Dim) + Of(c.Dim, c.FfnDim) + Of(c.FfnDim, c.Dim));
    }

    // One matrix at a time is widened: its bytes as float32, scaled, and in the type of the products.
    private static double Widened(WanConfig c, double compute) =>
        (2 * Float + (compute < Float ? compute : 0)) * c.Dim * Math.Max(c.Dim, (double)c.FfnDim);

    // One layer at a time: streams, the feed-forward layer, scores in float32 twice.
    internal static double TextWorking(UmT5Config c, double length, double bytes) =>
        length * (8.0 * c.Dim + 6.0 * c.DimAttention + 4.0 * c.DimFeedForward) * bytes
        + 4 * Float * c.Heads * length * length;

    /// <summary>Ways to make the video in less memory.</summary>
    public static IEnumerable<Alternative> Alternatives(ResolvedRequest r, double compute)
    {
        var c = r.Model;
        if (compute > 2)
            yield return new("bf16", Of(r, 2));
        foreach (var (width, height) in Fitting.Smaller(c, c.Width, c.Height))
            yield return new(
                $"size {width}x{height}",
                Of(r with { Model = c with { Width = width, Height = height } }, compute)
            );
        for (var latents = r.Latents * 3 / 4; latents >= c.ClipLatents; latents = latents * 3 / 4)
            yield return new($"{c.Frames(latents)} frames", Of(r with { Frames = c.Frames(latents) }, compute));
    }
}
