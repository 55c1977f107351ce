using LongTake.Checkpoints;
using LongTake.Models;

namespace LongTake.Bench;

/// <summary>
/// Streaming decoding by the causal autoencoder, at Wan 2.1's widths and the miniature's, beside the same network as one writes it
/// in PyTorch, latent by latent, in either of its types; ours is bfloat16 and in the passes that films are decoded in.
/// </summary>
internal static class VaeDecode
{
    public static IEnumerable<Row> Rows()
    {
        foreach (var row in Rows("Wan's widths, 64x64, 9 frames", new WanVaeConfig(), 3, 8, 8)) yield return row;
        using var files = ModelFiles.Open(Film.Traveller);
        foreach (var row in Rows("the miniature's, 32x32, 121 frames", files.Config.Vae with { LinearGrid = null }, 31, 4, 4)) yield return row;
    }

    private static IEnumerable<Row> Rows(string name, WanVaeConfig c, int latents, int height, int width)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var g = new Generator(1);
        using var weights = Weights.Create(new Rng(1), Dtype.BF16);
        using var python = Python.Start("wan_vae.py", c.Dim, c.ZDim, string.Join(',', c.DimMult), c.ResBlocks,
            string.Join(',', c.TemporalDownsample.Select(t => t ? 1 : 0)), latents, height, width);
        var vae = new WanVae(weights, c);
        var z = g.Normal(1, c.ZDim, latents, height, width);
        var ours = Turns.Of(() => vae.Decode(z, WanVaeConfig.Chunk(height, width)));
        var flops = Flops(c, latents, height, width) / 1e9;
        var s = Turns.Run(3, python is null ? [ours] : [ours, python.Of("float32"), python.Of("bfloat16")]);
        var note = $"{flops:0} GFLOP as direct convolutions, {flops / Turns.Median(s[0]):0} GFLOP/s";
        if (python is null) yield return Row.Seconds($"vae.decode, {name}", s[0], null, null) with { Note = $"{note}; {Python.Absent}" };
        else
        {
            yield return Row.Seconds($"vae.decode, {name}", s[0], s[1], "PyTorch, float32") with { Least = 4, Note = note };
            yield return Row.Seconds($"vae.decode against bfloat16, {name}", s[0], s[2], "PyTorch, bfloat16") with { Note = note };
        }
    }

    /// <summary>FLOPs of the decoder's convolutions.</summary>
    public static double Flops(WanVaeConfig c, int latents, int height, int width)
    {
        double total = 0, frames = latents, area = (double)height * width, dim = c.Dim * c.DimMult[^1];
        void Conv(double inner, double outer, double kernel) => total += 2 * frames * area * inner * outer * kernel;
        Conv(c.ZDim, dim, 27);
        for (var i = 0; i < 4; i++) Conv(dim, dim, 27);
        Conv(dim, 4 * dim, 1);
        total += 4 * frames * area * area * dim;
        for (var stage = c.DimMult.Length - 1; stage >= 0; stage--)
        {
            double wanted = c.Dim * c.DimMult[stage];
            for (var block = 0; block <= c.ResBlocks; block++, dim = wanted)
            {
                Conv(dim, wanted, 27);
                Conv(wanted, wanted, 27);
                if (dim != wanted) Conv(dim, wanted, 1);
            }
            if (stage == 0) break;
            if (c.TemporalDownsample[stage - 1])
            {
                Conv(dim, 2 * dim, 3);
                frames = 2 * frames - 1;
            }
            area *= 4;
            Conv(dim, dim / 2, 9);
            dim /= 2;
        }
        Conv(dim, 3, 27);
        return total;
    }
}
