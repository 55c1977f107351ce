using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>The Euclidean norm of many tensors together, such as all gradients of a model, in one loop.</summary>
internal static class NormKernel
{
    /// <summary>
    /// Square root of the sum of the squares of all numbers; float32 on the CPU in order is read in place.
    /// </summary>
    public static double Norm(IReadOnlyList<Tensor> tensors)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var chunks = new Chunks(1);
        foreach (var tensor in tensors)
            chunks.Add(Chunks.Takes(tensor) ? tensor : tensor.to(ScalarType.Float32).contiguous());
        var squares = new double[chunks.Count];
        chunks.Run(new SquareTasks(chunks, squares));
        return Math.Sqrt(squares.Sum());
    }

    private readonly unsafe struct SquareTasks(Chunks chunks, double[] squares) : ITasks
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var (from, count) = (0, chunks[task].Count);
            var x = chunks.At(task, 0);
            var (a, b, c, d) = (TFloats.All(0), TFloats.All(0), TFloats.All(0), TFloats.All(0));
            for (; from + 4 * TFloats.Width <= count; from += 4 * TFloats.Width)
            {
                a = Squared(x + from, a);
                b = Squared(x + from + TFloats.Width, b);
                c = Squared(x + from + 2 * TFloats.Width, c);
                d = Squared(x + from + 3 * TFloats.Width, d);
            }
            var rest = 0f;
            for (; from < count; from++)
                rest += x[from] * x[from];
            squares[task] = (double)TFloats.Sum(a) + TFloats.Sum(b) + TFloats.Sum(c) + TFloats.Sum(d) + rest;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TFloats Squared<TFloats>(float* x, TFloats sum)
            where TFloats : unmanaged, IFloats<TFloats>
        {
            var v = TFloats.Load(x);
            return TFloats.Fma(v, v, sum);
        }
    }
}
