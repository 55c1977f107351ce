using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Bench;

/// <summary>
/// A transformer of Wan's shape with about 100 million random parameters, in bfloat16: one forward over 8,192 tokens,
/// beside the same without kernels of ours in the faster type.
/// </summary>
internal static class Wan100M
{
    public static IEnumerable<Row> Rows()
    {
        const int latents = 32,
            side = 32; // patches of 1x2x2: 32 x 16 x 16 tokens
        var c = new WanConfig
        {
            Dim = 768,
            FfnDim = 3072,
            Heads = 12,
            Layers = 10,
            TextDim = 512,
            TextLength = 128,
        };
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator(1);
        using var python = Python.Start(
            "wan.py",
            c.Dim,
            c.FfnDim,
            c.Heads,
            c.Layers,
            c.TextDim,
            c.TextLength,
            latents,
            side
        );
        var x = torch.randn([1, c.InChannels, latents, side, side], generator: g);
        var (t, text) = (torch.full([1], 500), torch.randn([1, c.TextLength, c.TextDim], generator: g));

        // The type is chosen by two blocks, because the slower of two forwards takes a minute.
        var few = c with { Layers = 2 };
        using Weights few16 = Weights.Create(new Rng(1), ScalarType.BFloat16),
            few32 = Weights.Create(new Rng(1));
        var (two16, two32) = (new WanTransformer(few16, few), new WanTransformer(few32, few, ScalarType.Float32));
        var tried = Turns.Alone
            ?
            [
                [0],
                [1],
            ]
            : Turns.Run(
                1,
                Turns.Of(Plain.Of(() => two16.Forward(x, t, text))),
                Turns.Of(Plain.Of(() => two32.Forward(x, t, text)))
            );
        var type = tried[0][0] <= tried[1][0] ? ScalarType.BFloat16 : ScalarType.Float32;

        using Weights weights = Weights.Create(new Rng(1), ScalarType.BFloat16),
            stored = Weights.Create(new Rng(1), type);
        var (wan, plain) = (new WanTransformer(weights, c), new WanTransformer(stored, c, type));
        var forward = Turns.Of(() => wan.Forward(x, t, text));
        var peer = Turns.Of(Plain.Of(() => plain.Forward(x, t, text)));
        var s = Turns.Run(
            Turns.Alone ? 1 : 3,
            python is null ? [forward, Limits.Product(), peer] : [forward, Limits.Product(), peer, python.Of("forward")]
        );
        double tokens = latents * side * side / 4,
            d = c.Dim;
        var block =
            4 * tokens * tokens * d + 2 * tokens * (6 * d * d + 2 * d * c.FfnDim) + 4 * tokens * c.TextLength * d;
        var flops = c.Layers * block / 1e9;
        yield return Row.Seconds(
            "wan100m.forward",
            s[0],
            s[2],
            $"{Plain.Name}, {type.ToString().ToLowerInvariant()}"
        ) with
        {
            Floor = flops / Limits.Work * Turns.Median(s[1]),
            Note =
                $"{weights.Count / 1e6:0} M parameters, {tokens:#,0} tokens, {flops:#,0} GFLOP; floor: all of "
                + $"it at the rate "
                + "of matrix products",
        };
        if (python is not null)
            yield return Row.Seconds("wan100m.forward against Python", s[0], s[3], $"{Python.Name}, bfloat16");
    }
}
