using System.Diagnostics;
using LongTake.Kernels;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

public partial class AttentionKernelTests
{
    [Fact]
    public void TheNumberOfThreadsChangesNoBit()
    {
        using var scope = NewDisposeScope();
        try
        {
            foreach (var type in types)
            foreach (var (b, n, m) in ((long, long, long)[])[(1, 700, 900), (1, 700, 30), (100, 8, 8)])
            {
                var inputs = Inputs(6, b, n, m, 3, 64, type);
                var runs = ((int[])[1, 2, 5])
                    .Select(threads =>
                    {
                        Workers.Count = threads;
                        return Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs);
                    })
                    .ToArray();
                Same(runs[0], runs[1]);
                Same(runs[0], runs[2]);
            }
        }
        finally
        {
            Workers.Count = 0;
        }
    }

    [Fact]
    public void NarrowAndWideVectorsDifferByRoundingsAlone()
    {
        using var scope = NewDisposeScope();
        var inputs = Inputs(11, 1, 60, 70, 2, 48, ScalarType.Float32);
        var wide = Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs);
        foreach (var simd in widths)
        foreach (var (a, b) in wide.Zip(Run((q, k, v) => AttentionKernel.Full(q, k, v, null, null, simd), inputs)))
            Assert.InRange(Error(a.to(ScalarType.Float64), b), 0, 1e-6);
    }

    [Fact]
    public void WithoutGradientsTheValueIsTheSame()
    {
        using var scope = NewDisposeScope();
        var inputs = Inputs(12, 2, 50, 60, 2, 32, ScalarType.Float32);
        var value = Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs)[0];
        Assert.True(Bits(value, AttentionKernel.Full(inputs[0], inputs[1], inputs[2])));
        using var none = no_grad();
        var leaf = inputs[0].clone().requires_grad_();
        var other = AttentionKernel.Full(leaf, inputs[1], inputs[2]);
        Assert.False(other.requires_grad);
        Assert.True(Bits(value, other));
    }

    [Fact]
    public void ThousandsOfCallsLeaveNothingBehind()
    {
        var inputs = Inputs(13, 2, 64, 64, 2, 32, ScalarType.Float32); // 32 KB each
        var mask = BlockCausal(64, 64, 8, 3, 1);
        void Once(bool gradients)
        {
            using var scope = NewDisposeScope();
            using var none = gradients ? null : no_grad();
            var leaves = inputs[..3].Select(x => x.detach().requires_grad_(gradients)).ToArray();
            var value = AttentionKernel.Full(leaves[0], leaves[1], leaves[2], mask.Item1, mask.Item2);
            if (gradients)
                value.backward([inputs[3]]);
        }
        void Unused()
        {
            using var scope = NewDisposeScope();
            var leaf = inputs[0].detach().requires_grad_();
            var value = AttentionKernel.Full(leaf, inputs[1], inputs[2]); // its graph is dropped
            (leaf * 2).sum().backward();
        }
        void Many(int times)
        {
            for (var i = 0; i < times; i++)
            {
                Once(true);
                Once(false);
                Unused();
            }
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        long Resident()
        {
            using var process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
        Many(500);
        var (memory, live) = (Resident(), Tensor.TotalCount);
        Many(3500); // 10,500 calls; one tensor a call would be over 300 MB
        Assert.InRange(Resident() - memory, long.MinValue, 30L << 20);
        Assert.InRange(Tensor.TotalCount - live, long.MinValue, 10);
    }

    [Fact]
    public void GradientsComeThroughRecomputeAndSums()
    {
        using var scope = NewDisposeScope();
        var inputs = Inputs(14, 1, 40, 40, 2, 16, ScalarType.Float32);
        var once = Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs);
        // The same leaf as queries, keys and values: three gradients into one.
        var leaf = inputs[0].clone().requires_grad_();
        AttentionKernel.Full(leaf, leaf, leaf).backward([inputs[3]]);
        var apart = Run((q, k, v) => AttentionKernel.Full(q, k, v), [inputs[0], inputs[0], inputs[0], inputs[3]]);
        Assert.InRange(Error((apart[1] + apart[2] + apart[3]).to(ScalarType.Float64), leaf.grad!), 0, 1e-6);
        var again = Run((q, k, v) => Recompute.apply(q, k, v), inputs);
        Same(once, again);
        // The keys alone want gradients.
        var keys = inputs[1].clone().requires_grad_();
        AttentionKernel.Full(inputs[0], keys, inputs[2]).backward([inputs[3]]);
        Assert.True(Bits(keys.grad!, once[2]));
    }

    [Fact]
    public void AnUndefinedGradientGivesNone()
    {
        using var scope = NewDisposeScope();
        var inputs = Inputs(15, 1, 8, 8, 1, 16, ScalarType.Float32);
        var leaf = inputs[0].clone().requires_grad_();
        var value = AttentionKernel.Full(leaf, inputs[1], inputs[2]);
        (Blind.apply(value) * 2).sum().backward();
        Assert.True(leaf.grad is null || leaf.grad.IsInvalid);
    }

    // Its gradient is undefined, not zero.
    private sealed class Blind : torch.autograd.SingleTensorFunction<Blind>
    {
        public override string Name => nameof(Blind);

        public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars) =>
            ((Tensor)vars[0]) * 3;

        public override List<Tensor> backward(torch.autograd.AutogradContext ctx, Tensor gradient) => [null!];
    }

    private sealed class Recompute : torch.autograd.SingleTensorFunction<Recompute>
    {
        public override string Name => nameof(Recompute);

        public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars)
        {
            var inputs = vars.Cast<Tensor>().ToList();
            ctx.save_for_backward(inputs);
            return AttentionKernel.Full(inputs[0], inputs[1], inputs[2]);
        }

        public override List<Tensor> backward(torch.autograd.AutogradContext ctx, Tensor gradient)
        {
            using var on = enable_grad();
            var leaves = ctx.get_saved_variables().Select(x => x.detach().requires_grad_()).ToArray();
            AttentionKernel.Full(leaves[0], leaves[1], leaves[2]).backward([gradient]);
            return [.. leaves.Select(x => x.grad!)];
        }
    }

    [Fact]
    public void ManyTokensNeedNoSquareOfMemory()
    {
        using var scope = NewDisposeScope();
        const long tokens = 16_000; // the scores alone would be 1 GB in float32
        var inputs = Inputs(7, 1, tokens, tokens, 1, 32, ScalarType.BFloat16);
        using var before = Process.GetCurrentProcess();
        var peak = before.PeakWorkingSet64;
        Run((q, k, v) => AttentionKernel.Full(q, k, v), inputs);
        using var after = Process.GetCurrentProcess();
        Assert.InRange(after.PeakWorkingSet64 - peak, 0, 200L << 20);
    }

    [Fact]
    public void NotANumberIsNotHidden()
    {
        using var scope = NewDisposeScope();
        foreach (var type in types)
        foreach (var simd in widths)
            for (var which = 0; which < 3; which++)
            {
                var inputs = Inputs(8, 1, 50, 60, 1, 32, type);
                inputs[which].narrow(1, 3, 1).fill_(double.NaN);
                var value = AttentionKernel.Full(inputs[0], inputs[1], inputs[2], null, null, simd);
                Assert.True((which == 0 ? value[0][3] : value[0][40]).isnan().any().item<bool>());
            }
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = NewDisposeScope();
        var x = Inputs(9, 1, 8, 8, 2, 8, ScalarType.Float32);
        var (from, until) = (zeros([1, 9], ScalarType.Int32), zeros([1, 9], ScalarType.Int32));
        string Message(Action call) => Assert.Throws<ArgumentException>(call).Message;
        Assert.Contains("wanted are", Message(() => AttentionKernel.Full(x[0], x[1], x[2].narrow(1, 0, 4))));
        Assert.Contains("BFloat16", Message(() => AttentionKernel.Full(x[0].to(ScalarType.Float64), x[1], x[2])));
        Assert.Contains("[B or 1, M]", Message(() => AttentionKernel.Full(x[0], x[1], x[2], from, until)));
        Assert.Contains("together", Message(() => AttentionKernel.Full(x[0], x[1], x[2], from)));
        Assert.Contains("tokens in every frame", Message(() => AttentionKernel.Axial(x[0], x[1], x[2], 3)));
    }
}
