using LongTake.Models;
using LongTake.Nn;
using LongTake.Tests.Nn;

namespace LongTake.Tests.Models;

public class CausalWanTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [SkippableFact]
    public void WholeFilmsEqualTheReference()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var f = new WanFixture("self_forcing_causal_train");
        var wan = new CausalWanTransformer(f.Weights, f.Config, Dtype.F32);
        var (size, tokens, window) = (f.Int("num_frame_per_block"), f.Int("frame_seq_length"), f.Int("window_case_local_attn_size"));
        var (text, x, t) = (f["inputs/prompt_embeds"], f["inputs/x"], f["inputs/t"]);
        void Hold(string name, Func<Tensor> flow, BlockMask mask)
        {
            using var error = new Deviation(output, name);
            var expected = f[$"outputs/{name}/attention_mask"].To(Dtype.F32);
            Assert.True(Equal(expected, BlockMaskTests.Dense(mask, expected.Size(1))), name);
            error.Hold(f[$"outputs/{name}/flow"], flow(), f.Atol, f.Rtol);
        }
        var blocks = BlockMask.Blocks((int)x.Size(2), size);
        Hold("block_causal", () => wan.Forward(x, t, text, blocks), BlockMask.Causal(blocks, tokens));
        Hold("block_causal_window", () => wan.Forward(x, t, text, blocks, window), BlockMask.Causal(blocks, tokens, window));
        var alone = BlockMask.Blocks((int)f["inputs/x_first"].Size(2), size, firstAlone: true);
        Hold("independent_first", () => wan.Forward(f["inputs/x_first"], f["inputs/t_first"], text, alone), BlockMask.Causal(alone, tokens));
        Hold("teacher_forcing", () => wan.Forward(x, t, text, blocks, f["inputs/clean_x"]), BlockMask.TeacherForcing(blocks, tokens));
        Hold("teacher_forcing_aug", () => wan.Forward(x, t, text, blocks, f["inputs/clean_x"], f["inputs/aug_t"]), BlockMask.TeacherForcing(blocks, tokens));
    }

    private static readonly WanConfig mini = new() { TextLength = 5, Dim = 48, FfnDim = 64, FreqDim = 16, TextDim = 8, Heads = 2, Layers = 2 };

    // The options of the bundled miniature: 4 x 6 latent pixels are 6 places.
    private static readonly WanConfig placed = mini with { Places = 6, AxialAttention = true, AbsoluteTimeBeyond = 3, SkipPreconditioning = true };

    /// <summary>A tiny network of random weights, noise, and the scope of a test.</summary>
    private sealed class Mini : IDisposable
    {
        private readonly Scope scope = new();

        public Mini(bool options = false)
        {
            Wan = new CausalWanTransformer(Weights, options ? placed : mini, Dtype.F32);
            using var g = new Generator(2);
            using var off = GradMode.Off();
            foreach (var (name, tensor) in Weights.All.Where(p => p.Key.StartsWith("head.", StringComparison.Ordinal))) Copy_(tensor, Randn(tensor.Shape, g) * 0.1);
        }

        public Weights Weights { get; } = Weights.Create(new Rng(1));
        public Generator Random { get; } = new(3);
        public CausalWanTransformer Wan { get; }

        public void Dispose()
        {
            Random.Dispose();
            Weights.Dispose();
            scope.Dispose();
        }
    }

    [Theory]
    [InlineData(new[] { 2, 2, 2 }, false)]
    [InlineData(new[] { 1, 2, 2 }, false)]
    [InlineData(new[] { 2, 2, 2 }, true)]
    [InlineData(new[] { 1, 2, 2 }, true)]
    public void TheCacheGivesTheMaskedForwardsValues(int[] blocks, bool options)
    {
        using var m = new Mini(options);
        using var off = GradMode.Off();
        var (wan, g) = (m.Wan, m.Random);
        using var cache = new KvCache(blocks.Sum(), rolling: false);
        var (x, text) = (g.Normal(2, 16, blocks.Sum(), 4, 6), g.Normal(2, 5, 8));
        var t = (g.Normal(2, blocks.Sum()) * 100 + 500).Contiguous();
        var whole = wan.Forward(x, t, text, blocks);
        var prompt = wan.Prompt(text);
        var at = 0;
        var parts = blocks.Select(n =>
        {
            // another state of the block goes through the cache first, as a denoising step does
            wan.Forward(Narrow(x, 2, at, n) * 2, Narrow(t, 1, at, n), prompt, cache, at);
            var part = wan.Forward(Narrow(x, 2, at, n), Narrow(t, 1, at, n), prompt, cache, at);
            at += n;
            return part;
        }).ToArray();
        Near.Equal(whole, Cat(parts, 2), 1e-5, 1e-5);
        Assert.Equal((at, at), (cache.End, cache.Held));
    }

    [Fact]
    public void GradientsReachABlockThroughTheCacheAsThroughTheMask()
    {
        using var m = new Mini();
        var (wan, g) = (m.Wan, m.Random);
        using var cache = new KvCache(4);
        var (first, text, t) = (g.Normal(1, 16, 2, 4, 4), g.Normal(1, 5, 8), Tensor.From([0f, 0, 600, 600], 1, 4));
        var second = g.Normal(1, 16, 2, 4, 4);
        var (masked, cached) = (second.Clone().RequiresGrad_(), second.Clone().RequiresGrad_());
        Sum(Square(wan.Forward(Cat([first, masked], 2), t, text, [2, 2]).Slice(2, 2..))).Backward();
        var prompt = wan.Prompt(text);
        using (GradMode.Off()) wan.Forward(first, t.Slice(1, ..2), prompt, cache, 0);
        Sum(Square(wan.Forward(cached, t.Slice(1, 2..), prompt, cache, 2))).Backward();
        Near.Equal(masked.Grad!, cached.Grad!, 1e-5, 1e-4);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OneBlockOfAllFramesIsWanItself(bool options)
    {
        using var m = new Mini(options);
        using var off = GradMode.Off();
        var (wan, g) = (m.Wan, m.Random);
        var (x, t, text) = (g.Normal(1, 16, 3, 4, 6), Tensor.From([100f, 500, 900], 1, 3), g.Normal(1, 4, 8));
        Near.Equal(new WanTransformer(m.Weights, options ? placed with { AbsoluteTimeBeyond = 0 } : mini, Dtype.F32).Forward(x, t, text), wan.Forward(x, t, text, [3]), 1e-6, 1e-6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ALaterBlockChangesNoEarlierOneAndGradientsReachBothHalves(bool options)
    {
        using var m = new Mini(options);
        var (wan, g) = (m.Wan, m.Random);
        var (x, clean, text) = (g.Normal(1, 16, 4, 4, 6), g.Normal(1, 16, 4, 4, 6).RequiresGrad_(), g.Normal(1, 4, 8));
        var t = Tensor.From([100f, 100, 700, 700], 1, 4);
        var first = wan.Forward(x, t, text, [2, 2]).Slice(2, ..2);
        var other = Cat([x.Slice(2, ..2), x.Slice(2, 2..) * 3], 2);
        Assert.True(Equal(first, wan.Forward(other, t, text, [2, 2]).Slice(2, ..2)));
        Sum(Square(wan.Forward(x, t, text, [2, 2], clean))).Backward();
        Assert.True(Norm(clean.Grad!.Slice(2, ..2)).Scalar() > 0);
        Assert.Equal(0, Norm(clean.Grad!.Slice(2, 2..)).Scalar());   // no block comes after the last
    }

    [Fact]
    public void PositionsInAnEndlessCacheDoNotDependOnThePlaceInTheFilm()
    {
        using var m = new Mini();
        using var off = GradMode.Off();
        var (wan, g) = (m.Wan, m.Random);
        var prompt = wan.Prompt(g.Normal(1, 4, 8));
        var (x, t) = (g.Normal(1, 16, 2, 4, 4), Tensor.From([0f, 0], 1, 2));
        foreach (var positions in (CachePositions[])[CachePositions.Window, CachePositions.Pinned])
        {
            using var cache = new KvCache(4, positions: positions);
            var seen = Enumerable.Range(0, 5).Select(i => wan.Forward(x, t, prompt, cache, 2 * i)).ToArray();
            Near.Equal(seen[3], seen[4], 1e-5, 1e-5);   // the same frames again and again, so two layers on all is settled
            Assert.True(Max(Abs(seen[0] - seen[1])).Scalar() > 1e-4);
        }
    }

    [Fact]
    public void WhatACacheCannotHoldIsSaid()
    {
        using var m = new Mini();
        using var off = GradMode.Off();
        var (wan, g) = (m.Wan, m.Random);
        var prompt = wan.Prompt(g.Normal(1, 4, 8));
        var (x, t) = (g.Normal(1, 16, 2, 4, 4), Tensor.From([0f, 0], 1, 2));
        using var fixedSize = new KvCache(3, rolling: false);
        wan.Forward(x, t, prompt, fixedSize, 0);
        Assert.Contains("do not fit", Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, fixedSize, 2)).Message);
        Assert.Contains("left out", Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, fixedSize, 4)).Message);
        using var narrow = new KvCache(3, sink: 2);
        wan.Forward(x, t, prompt, narrow, 0);
        Assert.Contains("sink of 2", Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, narrow, 2)).Message);
        Assert.Contains("film's 2", Assert.Throws<UserException>(() => wan.Forward(x, t, g.Normal(1, 4, 8), [3])).Message);
    }
}
