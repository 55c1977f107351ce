using LongTake.Models.Text;

namespace LongTake.Models.Wan;

/// <summary>
/// Bytes of tensors of the autoencoder beside its weights: the cache, which stays, and what comes and goes.
/// </summary>
internal readonly record struct VaeBytes(double Cache, double Working)
{
    public double Total => Cache + Working;
}

/// <summary>
/// Memory of decoding pictures of [height, width] latent pixels in numbers of <paramref name="compute"/> bytes: on so
/// many <paramref name="threads"/> of a CPU, where convolutions are libtorch's with their channels last in memory and
/// norms are kernels, or (0) on a GPU by libtorch's operators.
/// </summary>
internal sealed class VaeMemory(WanVaeConfig c, double height, double width, double compute, int threads)
{
    private const double Float = 4;

    /// <summary>A video, some latents a pass (<see cref="VideoAutoencoder.Chunk"/>), as bytes of pixels.</summary>
    public VaeBytes Video(double latents)
    {
        var chunk = Math.Min(latents, VideoAutoencoder.Chunk((long)height, (long)width));
        var most = Pass(default, 1, chunk, first: true, keep: true, out var after);
        if (latents > chunk)
            most = Larger(most, Pass(after, 1, Math.Min(chunk, latents - chunk), first: false, keep: true, out after));
        // Clamped frames, four steps to numbers up to 255 and the bytes.
        return Larger(
            most,
            after with
            {
                Working = Pixels(latents > chunk ? chunk * c.TemporalStride : c.Frames((long)chunk)) * (5 * Float + 1),
            }
        );
    }

    /// <summary>Videos of so many latents in one pass, which needs no cache.</summary>
    public VaeBytes Whole(double samples, double latents) =>
        Pass(default, samples, latents, first: true, keep: false, out _);

    private double Pixels(double frames) => 3 * frames * height * width * c.SpatialStride * c.SpatialStride;

    private static VaeBytes Larger(VaeBytes a, VaeBytes b) => a.Total >= b.Total ? a : b;

    // Layer by layer from what earlier passes left.
    private VaeBytes Pass(VaeBytes start, double samples, double latents, bool first, bool keep, out VaeBytes after)
    {
        var (cache, most) = (start.Cache, default(VaeBytes));
        // Latents scaled and shifted in float32, both steps, as numbers of the products, and through the first
        // convolution.
        var held = samples * c.ZDim * latents * height * width * (2 * Float + (compute == Float ? 1 : 2) * compute);
        foreach (var layer in VaeLayer.All(c, decode: true))
        {
            var frames = samples * (first ? 1 + (latents - 1) * layer.Frames : latents * layer.Frames);
            if (keep && start.Cache == 0)
                cache += Kept(layer);
            most = Larger(
                most,
                new(
                    cache,
                    held
                        + (
                            threads > 0
                                ? ChannelsLast(layer, samples, frames / samples, first)
                                : Composed(layer, frames)
                        )
                )
            );
        }
        most = Larger(
            most,
            new(
                cache,
                held
                    + samples
                        * Pixels(first ? c.Frames((long)latents) : latents * c.TemporalStride)
                        * (compute + 2 * Float)
            )
        );
        after = new(cache, 0);
        return most;
    }

    // Two frames before each convolution that looks back.
    private double Kept(VaeLayer layer) =>
        2
        * layer.Pixels(height, width)
        * compute
        * layer.Kind switch
        {
            VaeKind.Conv when layer.Time > 1 => layer.Inner,
            VaeKind.Block => layer.Inner + layer.Outer,
            VaeKind.Up when layer.Temporal => layer.Inner,
            _ => 0,
        };

    // What WanVaeLayers hold at a time on a CPU. A layer holds its input; a convolution that looks back sees a copy of
    // it with two frames before.
    private double ChannelsLast(VaeLayer l, double samples, double each, bool first)
    {
        var one = samples * l.Pixels(height, width) * compute;
        double input = l.Inner * each * one,
            output = l.Outer * each * one,
            before = 2 * l.Inner * one;
        // The weight with its channels last, and as oneDNN orders it.
        double Weight(double inner, double outer, double taps) => 2 * compute * inner * outer * taps;
        switch (l.Kind)
        {
            case VaeKind.Conv: // the last one's input is normalised
                return (l.Outer == 3 ? 2 : 1) * input
                    + (l.Time > 1 ? input + before : 0)
                    + output
                    + Weight(l.Inner, l.Outer, l.Time * l.Space * l.Space);
            case VaeKind.Block:
                // Input, its norm, its copy, the first result; then input, copy, norm, shortcut, the norm's copy,
                // result and sum.
                var (copy, second) = (input + before, output + 2 * l.Outer * one);
                return Math.Max(
                    2 * input + copy + output + Weight(l.Inner, l.Outer, 27),
                    input
                        + copy
                        + output
                        + (l.Inner == l.Outer ? 0 : output)
                        + second
                        + Math.Max(output + Weight(l.Outer, l.Outer, 27), 2 * output)
                );
            case VaeKind.Attention: // input, norm, three projections, result, projection, sum
                var heads = samples * each;
                var (pixels, sums) = (l.Pixels(height, width), 2 * Float * heads * l.Pixels(height, width));
                return 8 * input
                    + sums
                    + new AttentionMemory(l.Inner, threads).Forward(heads, pixels, pixels)
                    + Weight(l.Inner, l.Inner, 1);
            default:
                var (doubled, made, count) = (0.0, 0.0, each);
                if (l.Temporal && !(first && each == 1))
                {
                    var single = first ? 1 : 0;
                    count = 2 * each - single;
                    doubled = count * l.Inner * one;
                    // The later frames with two before; pairs of frames, and these in order; the first frame joined to
                    // them.
                    made = (each - single + 2) * l.Inner * one + 4 * (each - single) * l.Inner * one + single * doubled;
                }
                // Four phases of the result, two lines of two, the result; before that the input with its channels
                // last.
                var result = 4 * count * l.Outer * one;
                return input + made + Math.Max(3 * result, result + doubled + Weight(l.Inner, 4 * l.Outer, 4));
        }
    }

    // Of libtorch's own operators: norm and activation make five of their input; the convolution joins it with the two
    // frames before.
    private double Composed(VaeLayer l, double frames)
    {
        var pixels = l.Pixels(height, width);
        double one = pixels * compute,
            input = l.Inner * frames * one,
            output = l.Outer * frames * one,
            two = 2 * one;
        return l.Kind switch
        {
            VaeKind.Conv => 7 * input + two * l.Inner + output,
            VaeKind.Block => 7 * input + two * l.Inner + 8 * output + two * l.Outer + (l.Inner == l.Outer ? 0 : output),
            VaeKind.Attention => 12 * input + 2 * frames * pixels * pixels * compute,
            _ => l.Temporal
                ? input + input + two * l.Inner + 4 * input + 12 * input + 8 * output
                : input + 6 * input + 4 * output,
        };
    }
}
