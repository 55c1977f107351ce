using System.Text.Json;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Models;

namespace LongTake.Tests.Generation;

public partial class CausalRollOutTests
{
    [SkippableFact]
    public void InfinityRopeVideosAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("infinity_rope");
        var wan = new CausalWanTransformer(f.Weights, f.Config, ScalarType.Float32);
        foreach (var item in f.Json.GetProperty("cases").EnumerateObject())
        {
            using var inner = torch.NewDisposeScope();
            using var error = new Deviation(output, "infinity_rope " + item.Name);
            var c = item.Value;
            Tensor In(string name) => f[$"inputs/{item.Name}/{name}"];
            Tensor Out(string name) => f[$"outputs/{item.Name}/{name}"];
            var how = Settings(f, c) with { Positions = CachePositions.Pinned };
            var script = InfinityRope.Scenes(
                c.GetProperty("prompt").GetString()!,
                c.GetProperty("fps").GetDouble(),
                how.BlockFrames
            );
            Assert.Equal(
                c.GetProperty("scenes").EnumerateArray().Select(s => s.GetProperty("prompt").GetString()),
                script.Select(s => s.Prompt)
            );
            Assert.Equal(
                c.GetProperty("scenes")
                    .EnumerateArray()
                    .Select(s => s.GetProperty("cut_after_this_scene").GetBoolean()),
                script.Select(s => s.CutAfter)
            );
            var scenes = new List<CausalScene>();
            for (var (i, start) = (0, 0); i < script.Count; start += script[i++].Blocks * how.BlockFrames)
                scenes.Add(
                    new(
                        start,
                        f["inputs/prompt_embeds_" + script[i].Prompt],
                        i > 0 && script[i - 1].CutAfter ? PromptSwitch.FlushAndCut : PromptSwitch.Flush
                    )
                );
            using var cache = how.Cache();
            var calls = new Calls(f, cache);
            var video = CausalRollOut.Generate(
                wan,
                how,
                cache,
                scenes,
                WanFixture.Turn(In("noise")),
                InOrder(In("renoise")),
                called: calls.Add
            );
            Assert.Equal(Out("calls_start_frames_globalend_localend").ToArray<long>(), calls.Rows);
            error.Hold(Out("calls_timestep"), Tensor.From<float>(calls.Timesteps.ToArray()), 1e-6, 1e-6);
            var n = how.Timesteps.Length;
            error.Hold(Out("block0_x0_per_step"), Steps4(calls.Denoised.Take(n).Select(d => d.X0)), f.Atol, f.Rtol);
            error.Hold(
                Out("lastblock_x0_per_step"),
                Steps4(calls.Denoised.TakeLast(n).Select(d => d.X0)),
                f.Atol,
                f.Rtol
            );
            error.Hold(Out("latents"), WanFixture.Turn(video), f.Atol, f.Rtol);
            // The reference keeps the first frame rotated; ours is rotated at use.
            var (k, v) = cache.Buffers(0);
            var tokens = f.Int("frame_seq_length");
            error.Hold(Out("final_cache_layer0_v"), v!, f.Atol, f.Rtol);
            var expected = Out("final_cache_layer0_k");
            error.Hold(
                expected.narrow(1, tokens, expected.size(1) - tokens),
                k!.narrow(1, tokens, expected.size(1) - tokens),
                f.Atol,
                f.Rtol
            );
            // Without a sink the first frame is gone once the window has moved, and no other takes its rotation.
            var (moved, held) = (false, 0);
            for (var at = 0; at < In("noise").size(1); at += how.BlockFrames)
            {
                held = at > 0 && scenes.Any(s => s.Start == at) ? 3 : held;
                moved |= how.Sink == 0 && held + how.BlockFrames > how.Window;
                held = Math.Min(how.Window, held + how.BlockFrames);
            }
            var (cos, sin) = LongTake.Nn.Rotary.Table(
                f.Config.HeadDim,
                1,
                (int)In("noise").size(3) / f.Config.PatchSize[1],
                (int)In("noise").size(4) / f.Config.PatchSize[2]
            );
            long[] shape = [1, tokens, 1, f.Config.HeadDim / 2];
            var first = k!.narrow(1, 0, tokens);
            error.Hold(
                expected.narrow(1, 0, tokens),
                moved
                    ? first
                    : LongTake.Nn.Rotary.Apply(first, Tensor.From<float>(cos, shape), Tensor.From<float>(sin, shape)),
                f.Atol,
                f.Rtol
            );
        }
    }

    [SkippableFact]
    public void ScriptsAreReadAsTheReferenceDoes()
    {
        var parsing = Fixtures.Json("infinity_rope").GetProperty("scene_parsing");
        foreach (var item in parsing.GetProperty("results").EnumerateObject())
        {
            var scenes = InfinityRope.Scenes(
                item.Name,
                parsing.GetProperty("fps").GetDouble(),
                parsing.GetProperty("num_frame_per_block").GetInt32(),
                defaultBlocks: parsing.GetProperty("default_blocks_per_scene").GetInt32()
            );
            Assert.Equal(
                item.Value.GetProperty("prompts").EnumerateArray().Select(p => p.GetString()),
                scenes.Select(s => s.Prompt)
            );
            Assert.Equal(
                item.Value.GetProperty("blocks").EnumerateArray().Select(p => p.GetInt32()),
                scenes.Select(s => s.Blocks)
            );
            Assert.Equal(
                item.Value.GetProperty("cut_flags").EnumerateArray().Select(p => p.GetBoolean()),
                scenes.Select(s => s.CutAfter)
            );
        }
    }

    /// <summary>Two samples with new prompts on the way, one text for both: each is what it is alone.</summary>
    [Theory]
    [InlineData(CachePositions.Pinned, 6, 1)]
    [InlineData(CachePositions.Pinned, 6, 0)]
    [InlineData(CachePositions.Window, 5, 0)]
    public void ABatchIsItsSamples(CachePositions positions, int window, int sink)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator((ulong)(1));
        using var weights = Weights.Create(new Rng(1));
        var wan = new CausalWanTransformer(weights, CausalMemoryTests.Config, ScalarType.Float32);
        foreach (var (_, w) in weights.All)
            w.copy_(w + torch.randn(w.shape, generator: g) * 0.1);
        var how = new CausalSampling
        {
            BlockFrames = 2,
            Window = window,
            Sink = sink,
            Positions = positions,
        };
        var (noise, renoise) = (
            torch.randn([2, 16, 8, 4, 4], generator: g),
            torch.randn([12, 2, 16, 2, 4, 4], generator: g)
        );
        CausalScene[] scenes =
        [
            new(0, torch.randn([1, 5, 8], generator: g)),
            new(4, torch.randn([1, 3, 8], generator: g)),
            new(6, torch.randn([1, 5, 8], generator: g), PromptSwitch.FlushAndCut),
        ];
        Tensor Video(int first, int count)
        {
            var at = 0;
            using var cache = how.Cache();
            return CausalRollOut.Generate(wan, how, cache, scenes, noise.narrow(0, first, count), _ =>
                renoise[at++].narrow(0, first, count)
            );
        }
        Near.Equal(torch.cat([Video(0, 1), Video(1, 1)]), Video(0, 2), 1e-4, 1e-4);
    }

    [Fact]
    public void ASceneThatSaysNothingIsNamed() =>
        Assert.Contains(
            "scene 2",
            Assert.Throws<UserException>(() => InfinityRope.Scenes("a man walks[5s] | [3s]")).Message
        );
}
