using System.Diagnostics;
using LongTake.Kernels;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

/// <summary>The kernel beside float64 with written-out scores.</summary>
[Collection("Alone")] // thread counts, scopes and peak memory belong to the whole process
public partial class AttentionKernelTests
{
    private static readonly ScalarType[] types = [ScalarType.Float32, ScalarType.BFloat16];
    private static readonly Simd[] widths = [Simd.Scalar, Simd.V256, Simd.V512];

    // Relative errors (2-norms) of results and gradients: a few roundings of 2^-9, or of 2^-24 over some hundred terms.
    private static double Allowed(ScalarType type) => type == ScalarType.BFloat16 ? 8e-3 : 3e-6;

    private static Tensor[] Inputs(int seed, long b, long n, long m, long heads, long d, ScalarType type)
    {
        using var g = new torch.Generator((ulong)((ulong)seed));
        Tensor Normal(long tokens) => randn([b, tokens, heads, d], ScalarType.Float32, generator: g);
        return [(Normal(n) * 2).to(type), Normal(m).to(type), Normal(m).to(type), Normal(n).to(type)];
    }

    // True where a key is seen: [B or 1, 1, N, M].
    private static Tensor Seen((Tensor From, Tensor Until) mask, long queries)
    {
        var query = arange(queries, ScalarType.Int32).reshape(1, 1, queries, 1);
        var (from, until) = (mask.From.unsqueeze(1).unsqueeze(1), mask.Until.unsqueeze(1).unsqueeze(1));
        return query.ge(from).logical_and(query.lt(until));
    }

    private static Tensor Exact(Tensor q, Tensor k, Tensor v, (Tensor, Tensor)? mask = null)
    {
        var scores = matmul(q.transpose(1, 2), k.permute(0, 2, 3, 1)) / Math.Sqrt(q.shape[3]);
        if (mask is { } given)
        {
            var hidden = Seen(given, q.shape[1]).logical_not();
            var shares = scores.masked_fill(hidden, -1e30).softmax(-1).masked_fill(hidden, 0);
            return matmul(shares, v.transpose(1, 2)).transpose(1, 2);
        }
        return matmul(scores.softmax(-1), v.transpose(1, 2)).transpose(1, 2);
    }

    private static Tensor ExactAxial(Tensor q, Tensor k, Tensor v, long frames)
    {
        var (b, n, heads, d) = (q.shape[0], q.shape[1], q.shape[2], q.shape[3]);
        var (places, half) = (n / frames, heads / 2);
        Tensor Part(Tensor x, long from, long count) => x.narrow(2, from, count).reshape(b, frames, places, count, d);
        Tensor Time(Tensor x) => Part(x, 0, half).transpose(1, 2).reshape(b * places, frames, half, d);
        Tensor Space(Tensor x) => Part(x, half, heads - half).reshape(b * frames, places, heads - half, d);
        var time = Exact(Time(q), Time(k), Time(v)).reshape(b, places, frames, half, d);
        var along = time.transpose(1, 2).reshape(b, n, half, d);
        var within = Exact(Space(q), Space(k), Space(v)).reshape(b, n, heads - half, d);
        return cat([along, within], 2);
    }

    // Value and the gradients of q, k and v; inputs holds q, k, v and the gradient of the value.
    private static Tensor[] Run(
        Func<Tensor, Tensor, Tensor, Tensor> attention,
        Tensor[] inputs,
        Func<Tensor, Tensor>? view = null
    )
    {
        var leaves = inputs[..3].Select(x => x.detach().clone().requires_grad_()).ToArray();
        var seen = leaves.Select(x => view is null ? x : view(x)).ToArray();
        var value = attention(seen[0], seen[1], seen[2]);
        (value * inputs[3]).sum().backward();
        return [value.detach(), .. leaves.Select(x => x.grad!)];
    }

    // With one key dq is 0.
    private static double Error(Tensor exact, Tensor ours) =>
        (exact - ours.to(ScalarType.Float64)).norm().item<double>() / Math.Max(exact.norm().item<double>(), 1e-3);

    private static void Compare(Tensor[] exact, Tensor[] ours, ScalarType type, string what)
    {
        foreach (var (e, o, name) in exact.Zip(ours, (string[])["value", "dq", "dk", "dv"]))
        {
            Assert.Equal(type, o.dtype);
            Assert.Equal(e.shape, o.shape);
            var error = Error(e, o);
            Assert.True(error <= Allowed(type), $"{name}, {what}, {type}: relative error {error:g3}");
        }
    }

    private static void Near(Tensor[] inputs, (Tensor From, Tensor Until)? mask = null)
    {
        var exact = Run((q, k, v) => Exact(q, k, v, mask), [.. inputs.Select(x => x.to(ScalarType.Float64))]);
        foreach (var simd in widths)
        {
            var ours = Run((q, k, v) => AttentionKernel.Full(q, k, v, mask?.From, mask?.Until, simd), inputs);
            Compare(exact, ours, inputs[0].dtype, simd.ToString());
        }
    }

    private static bool Bits(Tensor a, Tensor b) => a.eq(b).all().item<bool>();

    private static void Same(Tensor[] a, Tensor[] b)
    {
        foreach (var (x, y) in a.Zip(b))
            Assert.True(Bits(x, y));
    }

    // Frames of tokens: a query sees its own, the window - 1 before it and the first sinks; the queries are the last
    // of the keys.
    private static (Tensor, Tensor) BlockCausal(long queries, long keys, int tokens, int window, int sinks)
    {
        var (from, until) = (new int[keys], new int[keys]);
        for (long key = 0; key < keys; key++)
        {
            var (block, first) = (key / tokens, keys - queries);
            from[key] = (int)Math.Max(0, block * tokens - first);
            var end = (block + window) * tokens - first;
            until[key] = block < sinks ? int.MaxValue : (int)Math.Clamp(end, 0, int.MaxValue);
        }
        return (tensor(from).reshape(1, keys), tensor(until).reshape(1, keys));
    }

    public static TheoryData<long, long, long, long, long> Shapes =>
        new()
        {
            { 1, 7, 10, 3, 4 },
            { 2, 100, 300, 2, 24 },
            { 1, 300, 97, 1, 7 },
            { 2, 145, 145, 3, 8 },
            { 1, 48, 24, 1, 12 },
            { 1, 289, 290, 2, 128 },
            { 1, 97, 145, 1, 96 },
            { 1, 500, 77, 6, 64 },
            { 1, 1, 200, 2, 32 },
            { 1, 40, 1, 2, 16 },
            { 3, 8, 8, 2, 48 },
            { 2, 21, 21, 3, 48 },
            { 1, 1001, 32, 2, 20 },
            { 2, 50, 2, 1, 128 },
            { 1, 3, 30, 1, 7 },
            { 1, 1, 1, 1, 1 },
            { 2, 8, 8, 2, 64 },
            { 1, 5, 200, 2, 40 },
            { 3, 8, 24, 1, 32 }, // and so have few queries
        };

    [Theory, MemberData(nameof(Shapes))]
    public void ValuesAndGradientsAreThoseOfFloat64(long b, long n, long m, long heads, long d)
    {
        using var scope = NewDisposeScope();
        foreach (var type in types)
            Near(Inputs(1, b, n, m, heads, d, type));
    }

    [Theory]
    [InlineData(400, 400, 20, 1 << 20, 0)]
    [InlineData(400, 400, 16, 3, 2)] // a window and sinks: blocks between them are skipped
    [InlineData(64, 400, 16, 4, 1)] // a chunk after cached keys
    [InlineData(130, 130, 1, 1 << 20, 0)] // causal by token
    [InlineData(24, 24, 3, 2, 1)]
    public void AWindowWithSinksIsThatOfTheWrittenOutMask(long n, long m, int tokens, int window, int sinks)
    {
        using var scope = NewDisposeScope();
        foreach (var type in types)
            Near(Inputs(2, 1, n, m, 2, 64, type), BlockCausal(n, m, tokens, window, sinks));
    }

    [Theory]
    [InlineData(200, 150)]
    [InlineData(40, 30)]
    public void SamplesOfDifferentLengthsSeeTheirOwnKeysAndNoneGivesZero(int keys, long queries)
    {
        using var scope = NewDisposeScope();
        var until = new int[3 * keys];
        until.AsSpan(0, keys).Fill(int.MaxValue);
        until.AsSpan(keys, 33).Fill(int.MaxValue); // the third sample sees nothing
        var mask = (zeros([3, keys], ScalarType.Int32), tensor(until).reshape(3, keys));
        foreach (var type in types)
        {
            Near(Inputs(3, 3, queries, keys, 2, 64, type), mask);
            var inputs = Inputs(4, 3, queries, keys, 2, 64, type);
            foreach (var result in Run((q, k, v) => AttentionKernel.Full(q, k, v, mask.Item1, mask.Item2), inputs))
                Assert.Equal(0, result[2].abs().max().to(ScalarType.Float32).item<float>());
        }
    }

    [Theory]
    [InlineData(2, 7, 4, 4, 48)]
    [InlineData(1, 50, 8, 3, 16)]
    [InlineData(2, 5, 40, 2, 24)]
    [InlineData(1, 4, 6, 1, 8)]
    [InlineData(1, 2, 200, 2, 48)]
    public void BothAxesAreTheAttentionOfTheirParts(long b, long frames, long places, long heads, long d)
    {
        using var scope = NewDisposeScope();
        foreach (var type in types)
        {
            var inputs = Inputs(10, b, frames * places, frames * places, heads, d, type);
            Tensor Wanted(Tensor q, Tensor k, Tensor v) =>
                heads == 1 ? ExactOneHead(q, k, v, frames) : ExactAxial(q, k, v, frames);
            var exact = Run(Wanted, [.. inputs.Select(x => x.to(ScalarType.Float64))]);
            foreach (var simd in widths)
            {
                var ours = Run((q, k, v) => AttentionKernel.Axial(q, k, v, (int)frames, simd), inputs);
                Compare(exact, ours, type, simd.ToString());
            }
        }
    }

    private static Tensor ExactOneHead(Tensor q, Tensor k, Tensor v, long frames)
    {
        Tensor Space(Tensor x) => x.reshape(x.shape[0] * frames, x.shape[1] / frames, 1, x.shape[3]);
        return Exact(Space(q), Space(k), Space(v)).reshape(q.shape);
    }

    [Theory]
    [InlineData(150, 64)]
    [InlineData(8, 48)]
    [InlineData(16, 32)]
    public void ViewsGiveTheBytesOfCopies(long tokens, long d)
    {
        using var scope = NewDisposeScope();
        foreach (var type in types)
        {
            var inputs = Inputs(5, 2, tokens, tokens, 3, d, type);
            var plain = Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs);
            foreach (
                var view in (Func<Tensor, Tensor>[])
                    [
                        x => x.transpose(1, 2).contiguous().transpose(1, 2), // heads before tokens
                        x => x.transpose(1, 3).contiguous().transpose(1, 3), // the features not contiguous
                        x => stack([x, x * 0, x], 2).select(2, 2),
                    ]
            ) // a slice of q, k and v in one tensor
                Same(plain, Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs, view));
        }
    }
}
