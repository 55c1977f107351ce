using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Bench;

/// <summary>
/// Streaming decoding by the causal autoencoder in the passes that videos are decoded in, at Wan 2.1's widths and the
/// miniature's, beside the same without kernels of ours in the faster type.
/// </summary>
internal static class VaeDecode
{
    public static IEnumerable<Row> Rows()
    {
        foreach (var row in Rows("Wan's widths, 64x64, 9 frames", new WanVaeConfig(), 3, 8, 8))
            yield return row;
        using var files = ModelFiles.Open(Video.Traveller);
        foreach (var row in Rows("the miniature's, 32x32, 121 frames", files.Config.Vae, 31, 4, 4))
            yield return row;
    }

    private static IEnumerable<Row> Rows(string name, WanVaeConfig c, int latents, int height, int width)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator(1);
        using var weights = Weights.Create(new Rng(1), ScalarType.BFloat16);
        using var wide = Weights.Create(new Rng(1));
        using var python = Python.Start(
            "wan_vae.py",
            c.Dim,
            c.ZDim,
            string.Join(',', c.DimMult),
            c.ResBlocks,
            string.Join(',', c.TemporalDownsample.Select(t => t ? 1 : 0)),
            latents,
            height,
            width
        );
        var (vae, exact) = (new WanVae(weights, c), new WanVae(wide, c, ScalarType.Float32));
        var z = torch.randn([1, c.ZDim, latents, height, width], generator: g);
        var chunk = VideoAutoencoder.Chunk(height, width);
        var ours = Turns.Of(() => vae.Decode(z, chunk));
        var (plain16, plain32) = (
            Turns.Of(Plain.Of(() => vae.Decode(z, chunk))),
            Turns.Of(Plain.Of(() => exact.Decode(z, chunk)))
        );
        var flops = Flops(c, latents, height, width) / 1e9;
        var s = Turns.Run(
            5,
            python is null ? [ours, plain16, plain32] : [ours, plain16, plain32, python.Of("bfloat16")]
        );
        var (peer, type) = Plain.Faster(s[1], s[2]);
        yield return Row.Seconds($"vae.decode, {name}", s[0], peer, $"{Plain.Name}, {type}") with
        {
            Note = $"{flops:0.0} GFLOP as direct convolutions, {flops / Turns.Median(s[0]):0} GFLOP/s",
        };
        if (python is not null)
            yield return Row.Seconds($"vae.decode against Python, {name}", s[0], s[3], $"{Python.Name}, bfloat16");
    }

    /// <summary>FLOPs of the decoder's convolutions.</summary>
    public static double Flops(WanVaeConfig c, int latents, int height, int width)
    {
        double total = 0,
            frames = latents,
            area = (double)height * width,
            dim = c.Dim * c.DimMult[^1];
        void Conv(double inner, double outer, double kernel) => total += 2 * frames * area * inner * outer * kernel;
        Conv(c.ZDim, dim, 27);
        for (var i = 0; i < 4; i++)
            Conv(dim, dim, 27);
        Conv(dim, 4 * dim, 1);
        total += 4 * frames * area * area * dim;
        for (var stage = c.DimMult.Length - 1; stage >= 0; stage--)
        {
            double wanted = c.Dim * c.DimMult[stage];
            for (var block = 0; block <= c.ResBlocks; block++, dim = wanted)
            {
                Conv(dim, wanted, 27);
                Conv(wanted, wanted, 27);
                if (dim != wanted)
                    Conv(dim, wanted, 1);
            }
            if (stage == 0)
                break;
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
