using LongTake.Models;

namespace LongTake.Bench;

/// <summary>
/// A transformer of Wan's shape with about 100 million random parameters, in bfloat16, beside the same written in PyTorch on the same
/// libtorch: one forward over 8,192 tokens; and that with the decoding of latents at Wan's widths.
/// </summary>
internal static class Wan100M
{
    public static IEnumerable<Row> Rows()
    {
        const int latents = 32, side = 32;   // patches of 1x2x2: 32 x 16 x 16 tokens
        const int decoded = 3, small = 8;
        var c = new WanConfig { Dim = 768, FfnDim = 3072, Heads = 12, Layers = 10, TextDim = 512, TextLength = 128 };
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var g = new Generator(1);
        using var weights = Weights.Create(new Rng(1), Dtype.BF16);
        using var python = Python.Start("wan.py", c.Dim, c.FfnDim, c.Heads, c.Layers, c.TextDim, c.TextLength, latents, side);
        var wan = new WanTransformer(weights, c);
        var (x, t, text) = (g.Normal(1, c.InChannels, latents, side, side), Full([1], 500), g.Normal(1, c.TextLength, c.TextDim));
        var vaeConfig = new WanVaeConfig();
        using var vaeWeights = Weights.Create(new Rng(2), Dtype.BF16);
        using var vaePython = Python.Start("wan_vae.py", vaeConfig.Dim, vaeConfig.ZDim, string.Join(',', vaeConfig.DimMult), vaeConfig.ResBlocks,
            string.Join(',', vaeConfig.TemporalDownsample.Select(d => d ? 1 : 0)), decoded, small, small);
        var (vae, z) = (new WanVae(vaeWeights, vaeConfig), g.Normal(1, vaeConfig.ZDim, decoded, small, small));
        var forward = Turns.Of(() => wan.Forward(x, t, text));
        var decode = Turns.Of(() => vae.Decode(z, WanVaeConfig.Chunk(small, small)));
        var s = Turns.Run(3, python is null ? [forward, decode, Limits.Product()]
            : [forward, decode, Limits.Product(), python.Of("forward"), vaePython!.Of("bfloat16")]);
        double tokens = latents * side * side / 4, d = c.Dim;
        var flops = c.Layers * (4 * tokens * tokens * d + 2 * tokens * (6 * d * d + 2 * d * c.FfnDim) + 4 * tokens * c.TextLength * d) / 1e9;
        var floor = flops / Limits.Work * Turns.Median(s[2]);
        var note = $"{weights.Count / 1e6:0} M parameters, {tokens:#,0} tokens, {flops:#,0} GFLOP; {(python is null ? Python.Absent : "floor: all of it at the rate of matrix products")}";
        yield return Row.Seconds("wan100m.forward", s[0], s.ElementAtOrDefault(3), "PyTorch, bfloat16") with { Least = 1.5, Floor = floor, Note = note };
        double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (p, q) => p + q)];
        yield return Row.Seconds("wan100m.forward and decode", Sum(s[0], s[1]), python is null ? null : Sum(s[3], s[4]), "PyTorch, bfloat16") with
        {
            Note = $"the forward, and decoding of {vaeConfig.Frames(decoded)} frames of {8 * small}x{8 * small} at Wan's widths",
        };
    }
}
