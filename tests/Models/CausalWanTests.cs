using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;
using LongTake.Tests.Nn;

namespace LongTake.Tests.Models;

public class CausalWanTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [SkippableFact]
    public void WholeVideosEqualTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("self_forcing_causal_train");
        var wan = new CausalWanTransformer(f.Weights, f.Config, ScalarType.Float32);
        var (size, tokens, window) = (
            f.Int("num_frame_per_block"),
            f.Int("frame_seq_length"),
            f.Int("window_case_local_attn_size")
        );
        var (text, x, t) = (f["inputs/prompt_embeds"], f["inputs/x"], f["inputs/t"]);
        void Hold(string name, Func<Tensor> flow, AttentionMask mask)
        {
            using var error = new Deviation(output, name);
            var expected = f[$"outputs/{name}/attention_mask"].to(ScalarType.Float32);
            Assert.True(expected.SameAs(BlockMaskTests.Dense(mask, expected.size(1))), name);
            error.Hold(f[$"outputs/{name}/flow"], flow(), f.Atol, f.Rtol);
        }
        var blocks = BlockMask.Blocks((int)x.size(2), size);
        Hold("block_causal", () => wan.Forward(x, t, text, blocks), BlockMask.Causal(blocks, tokens));
        Hold(
            "block_causal_window",
            () => wan.Forward(x, t, text, blocks, window),
            BlockMask.Causal(blocks, tokens, window)
        );
        var alone = BlockMask.Blocks((int)f["inputs/x_first"].size(2), size, firstAlone: true);
        Hold(
            "independent_first",
            () => wan.Forward(f["inputs/x_first"], f["inputs/t_first"], text, alone),
            BlockMask.Causal(alone, tokens)
        );
    }

    private static readonly WanConfig mini = new()
    {
        TextLength = 5,
        Dim = 48,
        FfnDim = 64,
        FreqDim = 16,
        TextDim = 8,
        Heads = 2,
        Layers = 2,
    };

    // The bundled miniature's family: 4 x 6 latent pixels are 6 tokens.
    private static VideoModel Model(bool miniature, int absoluteTimeBeyond = 3) =>
        miniature
            ? new ModelConfig
            {
                Wan = mini,
                Family = "Miniature",
                Miniature = new() { Tokens = 6, AbsoluteTimeBeyond = absoluteTimeBeyond },
            }.Model
            : new WanModel(mini);

    /// <summary>A tiny network of random weights, noise, and the scope of a test.</summary>
    private sealed class Mini : IDisposable
    {
        private readonly DisposeScope scope = torch.NewDisposeScope();

        public Mini(bool options = false)
        {
            Wan = new CausalTransformer(Weights, Model(options), ScalarType.Float32);
            using var g = new torch.Generator((ulong)(2));
            using var off = torch.no_grad();
            foreach (var (name, tensor) in Weights.All.Where(p => p.Key.StartsWith("head.", StringComparison.Ordinal)))
                tensor.copy_(torch.randn(tensor.shape, generator: g) * 0.1);
        }

        public Weights Weights { get; } = Weights.Create(new Rng(1));
        public torch.Generator Random { get; } = new(3);
        public CausalTransformer Wan { get; }

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
        using var off = torch.no_grad();
        var (wan, g) = (m.Wan, m.Random);
        using var cache = new KvCache(blocks.Sum(), rolling: false);
        var (x, text) = (torch.randn([2, 16, blocks.Sum(), 4, 6], generator: g), torch.randn([2, 5, 8], generator: g));
        var t = (torch.randn([2, blocks.Sum()], generator: g) * 100 + 500).contiguous();
        var whole = wan.Forward(x, t, text, blocks);
        var prompt = wan.Prompt(text);
        var at = 0;
        var parts = blocks
            .Select(n =>
            {
                // another state of the block goes through the cache first, as a denoising step does
                wan.Forward(x.narrow(2, at, n) * 2, t.narrow(1, at, n), prompt, cache, at);
                var part = wan.Forward(x.narrow(2, at, n), t.narrow(1, at, n), prompt, cache, at);
                at += n;
                return part;
            })
            .ToArray();
        Near.Equal(whole, torch.cat(parts, 2), 1e-5, 1e-5);
        Assert.Equal((at, at), (cache.End, cache.Held));
    }

    [Fact]
    public void GradientsReachABlockThroughTheCacheAsThroughTheMask()
    {
        using var m = new Mini();
        var (wan, g) = (m.Wan, m.Random);
        using var cache = new KvCache(4);
        var (first, text, t) = (
            torch.randn([1, 16, 2, 4, 4], generator: g),
            torch.randn([1, 5, 8], generator: g),
            Tensor.From([0f, 0, 600, 600], 1, 4)
        );
        var second = torch.randn([1, 16, 2, 4, 4], generator: g);
        var (masked, cached) = (second.clone().requires_grad_(), second.clone().requires_grad_());
        wan.Forward(torch.cat([first, masked], 2), t, text, [2, 2]).Slice(2, 2..).square().sum().Backward();
        var prompt = wan.Prompt(text);
        using (torch.no_grad())
            wan.Forward(first, t.Slice(1, ..2), prompt, cache, 0);
        wan.Forward(cached, t.Slice(1, 2..), prompt, cache, 2).square().sum().Backward();
        Near.Equal(masked.grad!, cached.grad!, 1e-5, 1e-4);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OneBlockOfAllFramesIsWanItself(bool options)
    {
        using var m = new Mini(options);
        using var off = torch.no_grad();
        var (wan, g) = (m.Wan, m.Random);
        var (x, t, text) = (
            torch.randn([1, 16, 3, 4, 6], generator: g),
            Tensor.From([100f, 500, 900], 1, 3),
            torch.randn([1, 4, 8], generator: g)
        );
        Near.Equal(
            new Transformer(m.Weights, Model(options, absoluteTimeBeyond: 0), ScalarType.Float32).Forward(x, t, text),
            wan.Forward(x, t, text, [3]),
            1e-6,
            1e-6
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ALaterBlockChangesNoEarlierOne(bool options)
    {
        using var m = new Mini(options);
        var (wan, g) = (m.Wan, m.Random);
        var (x, text) = (torch.randn([1, 16, 4, 4, 6], generator: g), torch.randn([1, 4, 8], generator: g));
        var t = Tensor.From([100f, 100, 700, 700], 1, 4);
        var first = wan.Forward(x, t, text, [2, 2]).Slice(2, ..2);
        var other = torch.cat([x.Slice(2, ..2), x.Slice(2, 2..) * 3], 2);
        Assert.True(first.SameAs(wan.Forward(other, t, text, [2, 2]).Slice(2, ..2)));
    }

    [Fact]
    public void PositionsInAnEndlessCacheDoNotDependOnThePlaceInTheVideo()
    {
        using var m = new Mini();
        using var off = torch.no_grad();
        var (wan, g) = (m.Wan, m.Random);
        var prompt = wan.Prompt(torch.randn([1, 4, 8], generator: g));
        var (x, t) = (torch.randn([1, 16, 2, 4, 4], generator: g), Tensor.From([0f, 0], 1, 2));
        foreach (var positions in (CachePositions[])[CachePositions.Window, CachePositions.Pinned])
        {
            using var cache = new KvCache(4, positions: positions);
            var seen = Enumerable.Range(0, 5).Select(i => wan.Forward(x, t, prompt, cache, 2 * i)).ToArray();
            // the same frames again and again, so two layers on all is settled
            Near.Equal(seen[3], seen[4], 1e-5, 1e-5);
            Assert.True((seen[0] - seen[1]).abs().max().ToDouble() > 1e-4);
        }
    }

    /// <summary>
    /// Videos of several blocks, each passed over twice, with new prompts and cuts on the way, at sizes that no fixture
    /// has; a new prompt is one text for all samples of the batch.
    /// </summary>
    [Theory]
    [InlineData(CachePositions.Pinned, 6, 0, 3, 4, 4, 1)]
    [InlineData(CachePositions.Pinned, 5, 0, 2, 6, 2, 2)]
    [InlineData(CachePositions.Pinned, 6, 1, 3, 2, 6, 2)]
    [InlineData(CachePositions.Pinned, 9, 3, 2, 4, 6, 1)]
    [InlineData(CachePositions.Pinned, 3, 0, 1, 4, 4, 1)]
    [InlineData(CachePositions.Window, 7, 0, 3, 2, 2, 2)]
    [InlineData(CachePositions.Window, 5, 2, 2, 4, 2, 1)]
    [InlineData(CachePositions.Video, 6, 0, 2, 6, 4, 3)]
    [InlineData(CachePositions.Video, 7, 1, 3, 4, 10, 1)]
    public void TheCacheIsTheReferencesAtAnySize(
        CachePositions positions,
        int capacity,
        int sink,
        int frames,
        int height,
        int width,
        int batch
    )
    {
        using var m = new Mini();
        using var off = torch.no_grad();
        using var cache = new KvCache(capacity, sink, positions);
        using var slow = new SlowCausalWan(m.Weights, mini, capacity, sink, positions);
        var (wan, g) = (m.Wan, m.Random);
        var text = torch.randn([batch, 5, 8], generator: g);
        var prompt = wan.Prompt(text);
        for (var block = 0; block < 7; block++)
        {
            var pinned = positions == CachePositions.Pinned;
            (cache.Cut, slow.Cut) = (false, false);
            if (block is 2 or 5 && pinned && capacity >= 3 + frames)
            {
                text = torch.randn([1, 3 + block, 8], generator: g).narrow(1, 0, 4);
                prompt = wan.Prompt(text);
                cache.Flush();
                slow.Flush();
                (cache.Cut, slow.Cut) = (block == 5, block == 5);
            }
            for (var pass = 0; pass < 2; pass++)
            {
                var x = torch.randn([batch, 16, frames, height, width], generator: g);
                var t = torch.full([batch, frames], 600 - 600 * pass);
                Near.Equal(
                    slow.Forward(x, t, text, block * frames),
                    wan.Forward(x, t, prompt, cache, block * frames),
                    2e-5,
                    1e-4
                );
            }
        }
    }

    [Fact]
    public void TextsThatAreNeitherOneNorOneForEachAreRefused()
    {
        using var m = new Mini();
        using var off = torch.no_grad();
        using var cache = new KvCache(3);
        var prompt = m.Wan.Prompt(torch.randn([2, 5, 8], generator: m.Random));
        Assert.Contains(
            "2 texts for 3 samples",
            Assert
                .Throws<UserException>(() =>
                    m.Wan.Forward(torch.zeros([3, 16, 1, 4, 4]), torch.zeros([3, 1]), prompt, cache, 0)
                )
                .Message
        );
    }

    [Fact]
    public void WhatACacheCannotHoldIsSaid()
    {
        using var m = new Mini();
        using var off = torch.no_grad();
        var (wan, g) = (m.Wan, m.Random);
        var prompt = wan.Prompt(torch.randn([1, 4, 8], generator: g));
        var (x, t) = (torch.randn([1, 16, 2, 4, 4], generator: g), Tensor.From([0f, 0], 1, 2));
        using var fixedSize = new KvCache(3, rolling: false);
        wan.Forward(x, t, prompt, fixedSize, 0);
        Assert.Contains(
            "do not fit",
            Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, fixedSize, 2)).Message
        );
        Assert.Contains(
            "left out",
            Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, fixedSize, 4)).Message
        );
        using var narrow = new KvCache(3, sink: 2);
        wan.Forward(x, t, prompt, narrow, 0);
        Assert.Contains("sink of 2", Assert.Throws<UserException>(() => wan.Forward(x, t, prompt, narrow, 2)).Message);
        Assert.Contains(
            "video's 2",
            Assert.Throws<UserException>(() => wan.Forward(x, t, torch.randn([1, 4, 8], generator: g), [3])).Message
        );
    }
}
