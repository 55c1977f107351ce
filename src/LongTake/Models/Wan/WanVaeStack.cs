using LongTake.Kernels;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>One half of the autoencoder: a convolution, the blocks of all stages, a head.</summary>
internal sealed class VaeStack
{
    private readonly CausalConv first,
        last;
    private readonly PixelNorm norm;
    private readonly List<Func<Tensor, AutoencoderCache?, Tensor>> layers;

    private VaeStack(
        Weights w,
        long inner,
        long begin,
        List<Func<Tensor, AutoencoderCache?, Tensor>> layers,
        long end,
        long outer,
        bool zero = false
    )
    {
        this.layers = layers;
        first = new(w / "conv1", inner, begin);
        norm = new(w / "head" / 0, end);
        last = new(w / "head" / 2, end, outer, zero: zero);
        Dtype = w.Tensors[0].dtype;
    }

    public ScalarType Dtype { get; }

    public static VaeStack Encoder(Weights w, WanVaeConfig c)
    {
        var layers = new List<Func<Tensor, AutoencoderCache?, Tensor>>();
        var at = w / "downsamples";
        long width = c.Dim;
        for (var stage = 0; stage < c.DimMult.Length; stage++)
        {
            long wanted = c.Dim * c.DimMult[stage];
            for (var block = 0; block < c.ResBlocks; block++, width = wanted)
                layers.Add(new VaeBlock(at / layers.Count, width, wanted).Forward);
            if (stage < c.TemporalDownsample.Length)
                layers.Add(new Downsample(at / layers.Count, width, c.TemporalDownsample[stage]).Forward);
        }
        layers.AddRange(Middle(w / "middle", width));
        return new(w, 3, c.Dim, layers, width, 2 * c.ZDim);
    }

    public static VaeStack Decoder(Weights w, WanVaeConfig c, bool startAtZero)
    {
        var layers = new List<Func<Tensor, AutoencoderCache?, Tensor>>();
        var at = w / "upsamples";
        long begin = c.Dim * c.DimMult[^1],
            width = begin;
        for (var stage = c.DimMult.Length - 1; stage >= 0; stage--)
        {
            long wanted = c.Dim * c.DimMult[stage];
            for (var block = 0; block <= c.ResBlocks; block++, width = wanted)
                layers.Add(new VaeBlock(at / layers.Count, width, wanted).Forward);
            if (stage == 0)
                break;
            layers.Add(new Upsample(at / layers.Count, width, c.TemporalDownsample[stage - 1]).Forward);
            width /= 2;
        }
        return new(w, c.ZDim, begin, [.. Middle(w / "middle", begin), .. layers], width, 3, zero: startAtZero);
    }

    private static Func<Tensor, AutoencoderCache?, Tensor>[] Middle(Weights w, long width)
    {
        var attention = new FrameAttention(w / 1, width);
        return
        [
            new VaeBlock(w / 0, width, width).Forward,
            (x, _) => attention.Forward(x),
            new VaeBlock(w / 2, width, width).Forward,
        ];
    }

    public Tensor Forward(Tensor x, AutoencoderCache? cache)
    {
        using var scope = torch.NewDisposeScope();
        var h = first.Forward(x, cache);
        foreach (var layer in layers)
        {
            var next = layer(h, cache);
            h.Dispose(); // the graph, if there is one, holds what it needs
            h = next;
        }
        var y = last.Forward(norm.Activated(h), cache);
        if (cache is not null)
            cache.First = false;
        return y.MoveToOuterDisposeScope();
    }
}
