using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Rotary positions: pair i of a head, channels 2 i and 2 i + 1, is a complex number that is turned by an angle of the
/// token, re' = re cos - im sin, im' = re sin + im cos. Tables hold the angles of one head, or of all heads of a token.
/// </summary>
internal readonly unsafe struct Turns
{
    private readonly float* cos,
        sin;
    private readonly long period,
        angles;

    /// <summary>Channels that a row of the tables is for: a head, or all; 0 without tables.</summary>
    public readonly long Span;

    /// <summary>Tables in order, float32, or none.</summary>
    public Turns(Tensor x, Tensor? cos, Tensor? sin)
    {
        if (cos is null || sin is null)
            return;
        this.cos = (float*)TensorMemory.Pointer(cos);
        this.sin = (float*)TensorMemory.Pointer(sin);
        period = x.size(-2);
        angles = cos.numel() / period;
        Span = 2 * angles;
    }

    /// <summary>Fails for tables that are not for x [.., N, heads d].</summary>
    /// <exception cref="ArgumentException">They are not.</exception>
    public static void Check(Tensor x, Tensor cos, Tensor sin)
    {
        var (half, tokens, width) = (cos.size(-1), x.dim() > 1 ? x.size(-2) : 0, x.size(-1));
        var fits = tokens > 0 && half > 0 && width % (2 * half) == 0 && cos.shape.SequenceEqual(sin.shape);
        var heads = fits ? cos.numel() / (half * tokens) : 0;
        if (fits && cos.numel() == half * tokens * heads && (heads == 1 || heads == width / (2 * half)))
            return;
        throw new ArgumentException(
            $"tables [{Graph.Sizes(cos)}], [{Graph.Sizes(sin)}] do not fit tokens [{Graph.Sizes(x)}]"
        );
    }

    /// <summary>Cosines of a token, from the channel on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Cos(long token) => cos + token % period * angles;

    /// <summary>Sines of a token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Sin(long token) => sin + token % period * angles;
}
