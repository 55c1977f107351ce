using LongTake.Models.Text;

namespace LongTake.Models.Wan;

/// <summary>What a layer of the autoencoder does.</summary>
internal enum VaeKind
{
    Conv,
    Block,
    Attention,
    Down,
    Up,
}

/// <summary>
/// A layer of <see cref="WanVae"/>: channels in and out, kernel in time and space, and how much finer than the latents
/// its input is, in space and (frames after the first a latent) in time.
/// </summary>
internal sealed record VaeLayer(
    VaeKind Kind,
    double Inner,
    double Outer,
    double Time,
    double Space,
    double Finer,
    double Frames,
    bool Temporal = false
)
{
    /// <summary>The layers of one half, in order.</summary>
    public static IReadOnlyList<VaeLayer> All(WanVaeConfig c, bool decode)
    {
        var layers = new List<VaeLayer>();
        double finer = decode ? 1 : c.SpatialStride,
            frames = decode ? 1 : c.TemporalStride,
            widest = c.Dim * c.DimMult[^1];
        void Add(VaeKind kind, double inner, double outer, double time = 3, double space = 3, bool temporal = false) =>
            layers.Add(new(kind, inner, outer, time, space, finer, frames, temporal));
        void Middle()
        {
            Add(VaeKind.Block, widest, widest);
            Add(VaeKind.Attention, widest, widest);
            Add(VaeKind.Block, widest, widest);
        }
        if (decode)
        {
            Add(VaeKind.Conv, c.ZDim, c.ZDim, 1, 1);
            Add(VaeKind.Conv, c.ZDim, widest);
            Middle();
            var width = widest;
            for (var stage = c.DimMult.Length - 1; stage >= 0; stage--)
            {
                double wanted = c.Dim * c.DimMult[stage];
                for (var block = 0; block <= c.ResBlocks; block++, width = wanted)
                    Add(VaeKind.Block, width, wanted);
                if (stage == 0)
                    break;
                var temporal = c.TemporalDownsample[stage - 1];
                Add(VaeKind.Up, width, width / 2, temporal: temporal);
                (finer, frames, width) = (finer * 2, temporal ? frames * 2 : frames, width / 2);
            }
            Add(VaeKind.Conv, width, 3);
        }
        else
        {
            Add(VaeKind.Conv, 3, c.Dim);
            double width = c.Dim;
            for (var stage = 0; stage < c.DimMult.Length; stage++)
            {
                double wanted = c.Dim * c.DimMult[stage];
                for (var block = 0; block < c.ResBlocks; block++, width = wanted)
                    Add(VaeKind.Block, width, wanted);
                if (stage >= c.TemporalDownsample.Length)
                    continue;
                var temporal = c.TemporalDownsample[stage];
                Add(VaeKind.Down, width, width, temporal: temporal);
                (finer, frames) = (finer / 2, temporal ? frames / 2 : frames);
            }
            Middle();
            Add(VaeKind.Conv, width, 2 * c.ZDim);
            Add(VaeKind.Conv, 2 * c.ZDim, 2 * c.ZDim, 1, 1);
        }
        return layers;
    }

    /// <summary>Pixels of one frame of its input, for latents of [height, width].</summary>
    public double Pixels(double height, double width) => height * width * Finer * Finer;

    /// <summary>Operations over a video of so many latents.</summary>
    public double Flops(WanVaeConfig c, double latents, double height, double width)
    {
        var (pixels, count) = (Pixels(height, width), 1 + (latents - 1) * Frames);
        double Conv(double inner, double outer, double taps, double at) => 2 * inner * outer * taps * at;
        return Kind switch
        {
            VaeKind.Conv => Conv(Inner, Outer, Time * Space * Space, count * pixels),
            VaeKind.Block => Conv(Inner, Outer, 27, count * pixels)
                + Conv(Outer, Outer, 27, count * pixels)
                + (Inner == Outer ? 0 : Conv(Inner, Outer, 1, count * pixels)),
            VaeKind.Attention => count * (Conv(Inner, 4 * Inner, 1, pixels) + 4 * pixels * pixels * Inner),
            VaeKind.Down => Conv(Inner, Inner, 9, count * pixels / 4)
                + (Temporal ? Conv(Inner, Inner, 3, (count - 1) / 2 * pixels / 4) : 0),
            _ => Conv(Inner, Outer, 9, (Temporal ? 2 * count - 1 : count) * 4 * pixels)
                + (Temporal ? Conv(Inner, 2 * Inner, 3, (count - 1) * pixels) : 0),
        };
    }
}
