using System.Runtime.Intrinsics.X86;
using LongTake.Models;

namespace LongTake.Planning;

/// <summary>Bytes of tensors of the autoencoder beside its weights: convolutions' packed weights and the cache, which stay, and what comes and goes.</summary>
internal readonly record struct VaeBytes(double Packed, double Cache, double Working)
{
    public double Total => Packed + Cache + Working;
}

/// <summary>
/// Memory of decoding pictures of [height, width] latent pixels in numbers of <paramref name="compute"/> bytes: on so many
/// <paramref name="threads"/> of a CPU by the layers of native/conv.cpp, or (0) by libtorch's, as on a GPU.
/// </summary>
internal sealed class VaeMemory(WanVaeConfig c, double height, double width, double compute, int threads)
{
    private const double Float = 4, Points = 36, Skew = 80, Few = 16, FewPanel = 4;   // of native/conv.h and conv_kernel.cpp
    private static readonly bool wide = Avx512BW.IsSupported;
    private static readonly double lanes = wide ? 16 : 8, panel = wide ? 48 : 16, grain = wide ? 8 : 6;

    /// <summary>A film, some latents a pass (<see cref="WanVaeConfig.Chunk"/>), as bytes of pixels.</summary>
    public VaeBytes Film(double latents)
    {
        var chunk = Math.Min(latents, WanVaeConfig.Chunk((long)height, (long)width));
        var most = Pass(default, 1, chunk, first: true, keep: true, out var after);
        if (latents > chunk) most = Larger(most, Pass(after, 1, Math.Min(chunk, latents - chunk), first: false, keep: true, out after));
        // Clamped frames, four steps to numbers up to 255 and the bytes.
        return Larger(most, after with { Working = Pixels(latents > chunk ? chunk * c.TemporalStride : c.Frames((long)chunk)) * (5 * Float + 1) });
    }

    /// <summary>Videos of so many latents in one pass, which needs no cache.</summary>
    public VaeBytes Whole(double samples, double latents) => Pass(default, samples, latents, first: true, keep: false, out _);

    /// <summary>Packed weights of one half: Winograd's 36 points of each 3x3 kernel in float32, channels padded to vectors; strided layers are libtorch's.</summary>
    public double Packed(bool decode) => VaeLayer.All(c, decode).Sum(Packed);

    private double Pixels(double frames) => 3 * frames * height * width * c.SpatialStride * c.SpatialStride;

    private static VaeBytes Larger(VaeBytes a, VaeBytes b) => a.Total >= b.Total ? a : b;

    // Layer by layer from what earlier passes left.
    private VaeBytes Pass(VaeBytes start, double samples, double latents, bool first, bool keep, out VaeBytes after)
    {
        var native = threads > 0;
        var (packed, cache, most) = (start.Packed, start.Cache, default(VaeBytes));
        // Latents scaled and shifted in float32, both steps, as numbers of the products, and through the first convolution.
        var held = samples * c.ZDim * latents * height * width * (2 * Float + (compute == Float ? 1 : 2) * compute);
        foreach (var layer in VaeLayer.All(c, decode: true))
        {
            var frames = samples * (first ? 1 + (latents - 1) * layer.Frames : latents * layer.Frames);
            if (native && start.Packed == 0) packed += Packed(layer);
            if (keep && start.Cache == 0) cache += Kept(layer);
            most = Larger(most, new(packed, cache, held + (native ? Native(layer, samples, frames / samples, first, keep) : Libtorchs(layer, frames))));
        }
        most = Larger(most, new(packed, cache, held + samples * Pixels(first ? c.Frames((long)latents) : latents * c.TemporalStride) * (compute + 2 * Float)));
        after = new(packed, cache, 0);
        return most;
    }

    // Two frames before each convolution that looks back.
    private double Kept(VaeLayer layer) => 2 * layer.Pixels(height, width) * compute * layer.Kind switch
    {
        VaeKind.Conv when layer.Time > 1 => layer.Inner,
        VaeKind.Block => layer.Inner + layer.Outer,
        VaeKind.Up when layer.Temporal => layer.Inner,
        _ => 0,
    };

    private static double Packed(VaeLayer l)
    {
        static double Of(double inner, double outer, double taps, bool space) => Float * taps * (AreFew(inner, outer)
            ? (space ? 9 : 1) * inner * AttentionMemory.Up(outer, FewPanel)
            : (space ? Points : 1) * AttentionMemory.Up(inner, lanes) * AttentionMemory.Up(outer, lanes));
        return l.Kind switch
        {
            VaeKind.Conv => Of(l.Inner, l.Outer, l.Time, l.Space > 1),
            VaeKind.Block => Of(l.Inner, l.Outer, 3, true) + Of(l.Outer, l.Outer, 3, true) + (l.Inner == l.Outer ? 0 : Of(l.Inner, l.Outer, 1, false)),
            VaeKind.Attention => Of(l.Inner, 3 * l.Inner, 1, false) + Of(l.Inner, l.Inner, 1, false),
            VaeKind.Up => Of(l.Inner, l.Outer, 1, true) + (l.Temporal ? Of(l.Inner, 2 * l.Inner, 3, false) : 0),
            _ => 0,
        };
    }

    // What WanVaeLayers hold at a time: each layer its input, and what it makes of it.
    private double Native(VaeLayer l, double samples, double each, bool first, bool keep)
    {
        var pixels = l.Pixels(height, width);
        double frames = samples * each, one = pixels * compute, input = l.Inner * frames * one, output = l.Outer * frames * one;
        double Conv(double inner, double outer, double taps, double space, double count, double finer = 1) => Math.Max(
            Scratch(samples, count, height * l.Finer * finer, width * l.Finer * finer, inner, outer, taps, space > 1), keep && taps > 1 ? 2 * inner * one : 0);
        switch (l.Kind)
        {
            case VaeKind.Conv:   // the first ones' input is held anyway, the last one's is normalised
                return (l.Outer == 3 ? 2 * input : 0) + output + Conv(l.Inner, l.Outer, l.Time, l.Space, each);
            case VaeKind.Block:
                return Math.Max(2 * input + output + Conv(l.Inner, l.Outer, 3, 3, each),
                    input + 2 * output + (l.Inner == l.Outer ? 0 : output) + Conv(l.Outer, l.Outer, 3, 3, each));
            case VaeKind.Attention:
                var attention = new AttentionMemory(l.Inner, compute, threads).Forward(frames, pixels, pixels) + Float * frames * pixels;
                return Math.Max(6 * input + attention, 7 * input + Conv(l.Inner, l.Inner, 1, 1, each));
            default:
                var (doubled, count) = (input, each);
                double made = 0;
                if (l.Temporal && !(first && each == 1))
                {
                    var single = first ? 1 : 0;
                    count = 2 * each - single;
                    doubled = count * samples * l.Inner * one;
                    // The later frames of several samples are copied to lie together; pairs; the first frame joined to them.
                    made = 2 * (each - single) * samples * l.Inner * one + single * doubled;
                }
                var pairs = made > 0 ? Conv(l.Inner, 2 * l.Inner, 3, 1, each) + (samples > 1 ? input : 0) : 0;
                return Math.Max(input + made - (first && made > 0 ? doubled : 0) + pairs, input + made + 2 * doubled + Conv(l.Inner, l.Outer, 1, 3, count, 2));
        }
    }

    private double Scratch(double samples, double frames, double high, double across, double inner, double outer, double taps, bool space)
    {
        if (AreFew(inner, outer)) return ScratchOfFew(samples, frames, high, across, inner, taps, space) + Float * AttentionMemory.Up(outer, FewPanel);
        double tiles = space ? Math.Ceiling(high / 4) * Math.Ceiling(across / 4) : high * across, group = Math.Min(frames, 8);
        double block = Math.Min(AttentionMemory.Up(Math.Floor(128 / group), 8), AttentionMemory.Up(tiles, 8)), rows = AttentionMemory.Up(group * block, grain);
        double whole = samples * Math.Ceiling(frames / group) * Math.Ceiling(tiles / block), panels = Math.Ceiling(AttentionMemory.Up(outer, lanes) / panel);
        var tasks = whole < 4 * threads ? whole * Math.Min(panels, Math.Ceiling(4 * threads / whole)) : whole;
        var bytes = Float * (space ? Points : 1) * ((rows + (taps - 1) * block) * AttentionMemory.Up(inner, lanes) + rows * panel + 2 * Skew) + 64;
        return Math.Min(threads, tasks) * bytes + Float * AttentionMemory.Up(outer, lanes);
    }

    // native/conv_few.h, cut by conv.cpp's cut_few.
    private double ScratchOfFew(double samples, double frames, double high, double across, double inner, double taps, bool space)
    {
        double border = space ? 2 : 0, pitch = across + border, numbers = 1 << 16;
        double rows = Math.Min(high, Math.Max(1, Math.Floor(numbers / (inner * pitch * taps)) - border)), plane = (rows + border) * pitch;
        double group = Math.Min(frames, Math.Max(1, Math.Floor(numbers / (inner * plane)) - taps + 1)), length = AttentionMemory.Up(group * plane, 4 * lanes);
        double tasks = samples * Math.Ceiling(high / rows) * Math.Ceiling(frames / group);
        return Math.Min(threads, tasks) * (Float * (AttentionMemory.Up(inner * (length + (taps - 1) * plane + border * (pitch + 1)), lanes) + FewPanel * length + lanes) + 64);
    }

    private static bool AreFew(double inner, double outer) => inner <= Few && outer <= Few;

    // Of libtorch's own operators: norm and activation make five of their input; the convolution joins it with the two frames before.
    private double Libtorchs(VaeLayer l, double frames)
    {
        var pixels = l.Pixels(height, width);
        double one = pixels * compute, input = l.Inner * frames * one, output = l.Outer * frames * one, two = 2 * one;
        return l.Kind switch
        {
            VaeKind.Conv => 7 * input + two * l.Inner + output,
            VaeKind.Block => 7 * input + two * l.Inner + 8 * output + two * l.Outer + (l.Inner == l.Outer ? 0 : output),
            VaeKind.Attention => 12 * input + 2 * frames * pixels * pixels * compute,
            _ => l.Temporal ? input + input + two * l.Inner + 4 * input + 12 * input + 8 * output : input + 6 * input + 4 * output,
        };
    }
}
