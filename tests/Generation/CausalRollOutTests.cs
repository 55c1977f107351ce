using System.Text.Json;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Models;

namespace LongTake.Tests.Generation;

/// <summary>Whole videos of the causal references, call by call.</summary>
public partial class CausalRollOutTests(Xunit.Abstractions.ITestOutputHelper output)
{
    /// <summary>
    /// What a video's calls were: (token start, frames, global end, local end) as the fixtures list them, and all x0.
    /// </summary>
    private sealed class Calls(WanFixture f, KvCache cache)
    {
        private readonly int tokens = f.Int("frame_seq_length");
        public List<long> Rows { get; } = [];
        public List<float> Timesteps { get; } = [];
        public List<(int Start, Tensor X0, Tensor Velocity)> Denoised { get; } = [];

        public void Add(CausalCall call)
        {
            Rows.AddRange([call.Start * tokens, call.Frames, cache.End * tokens, cache.Held * tokens]);
            Timesteps.Add((float)call.Timestep);
            Tensor Copy(Tensor x) => x.clone().DetachFromDisposeScope();
            if (call.X0 is { } x0)
                Denoised.Add((call.Start, Copy(x0), Copy(call.Velocity)));
        }
    }

    private static double[] Steps(WanFixture f, bool warp) =>
        warp
            ? new FlowTable(f.Json.GetProperty("config").GetProperty("timestep_shift").GetDouble()).Warp(
                f.Numbers("denoising_step_list")
            )
            : f.Numbers("denoising_step_list");

    private static CausalSampling Settings(WanFixture f, JsonElement c) =>
        new()
        {
            Shift = f.Json.GetProperty("config").GetProperty("timestep_shift").GetDouble(),
            Timesteps = Steps(f, f.Json.GetProperty("config").GetProperty("warp_denoising_step").GetBoolean()),
            BlockFrames = f.Int("num_frame_per_block"),
            Window = Math.Max(0, c.GetProperty("local_attn_size").GetInt32()),
            Sink = c.GetProperty("sink_size").GetInt32(),
        };

    /// <summary>Renoise tensors [n, B * frames, C, H, W] in call order.</summary>
    private static Func<long[], Tensor> InOrder(Tensor renoise)
    {
        var at = 0;
        return shape => WanFixture.Turn(renoise[at++].reshape(shape[0], shape[2], shape[1], shape[3], shape[4]));
    }

    private static Tensor Steps4(IEnumerable<Tensor> videos) => torch.stack([.. videos.Select(WanFixture.Turn)]);

    [SkippableFact]
    public void SelfForcingVideosAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("self_forcing_causal");
        var wan = new CausalWanTransformer(f.Weights, f.Config, ScalarType.Float32);
        Assert.Equal(0, f.Int("context_noise"));
        foreach (
            var item in f
                .Json.GetProperty("cases")
                .EnumerateObject()
                .Where(i => !i.Value.GetProperty("independent_first_frame").GetBoolean())
        )
        {
            using var inner = torch.NewDisposeScope();
            using var error = new Deviation(output, "self_forcing_causal " + item.Name);
            Tensor In(string name) => f[$"inputs/{item.Name}/{name}"];
            Tensor Out(string name) => f[$"outputs/{item.Name}/{name}"];
            var how = Settings(f, item.Value) with
            {
                Capacity = item.Value.GetProperty("kv_cache_tokens").GetInt32() / f.Int("frame_seq_length"),
            };
            error.Hold(Out("denoising_step_list"), Tensor.From<double>(how.Timesteps), 1e-6, 1e-6);
            var given = item.Value.GetProperty("initial_frames").GetInt32();
            var initial = given > 0 ? WanFixture.Turn(In("initial_latent")) : null;
            var noise = WanFixture.Turn(In("noise"));
            var (block, step) = (0, 0);
            using var cache = how.Cache();
            var calls = new Calls(f, cache);
            var video = CausalRollOut.Generate(
                wan,
                how,
                cache,
                [new(0, f["inputs/prompt_embeds"].Slice(0, ..(int)noise.size(0)))],
                noise,
                shape =>
                {
                    var drawn = In($"renoise_block{block}_step{step}")
                        .reshape(shape[0], shape[2], shape[1], shape[3], shape[4]);
                    if (++step == how.Timesteps.Length - 1)
                        (block, step) = (block + 1, 0);
                    return WanFixture.Turn(drawn);
                },
                initial,
                calls.Add
            );
            Assert.Equal(Out("calls_start_frames_globalend_localend").ToArray<long>(), calls.Rows);
            error.Hold(Out("calls_timestep"), Tensor.From<float>(calls.Timesteps.ToArray()), 1e-6, 1e-6);
            var n = how.Timesteps.Length;
            for (var b = 0; f.Has($"outputs/{item.Name}/block{b}/x0_per_step"); b++)
            {
                var own = calls.Denoised.Skip(b * n).Take(n).ToArray();
                error.Hold(Out($"block{b}/x0_per_step"), Steps4(own.Select(c => c.X0)), f.Atol, f.Rtol);
                if (f.Has($"outputs/{item.Name}/block{b}/flow_per_step"))
                    error.Hold(Out($"block{b}/flow_per_step"), Steps4(own.Select(c => c.Velocity)), f.Atol, f.Rtol);
            }
            error.Hold(Out("latents"), WanFixture.Turn(video), f.Atol, f.Rtol);
            foreach (
                var (name, layer, key) in ((string, int, bool)[])
                    [("layer0_k", 0, true), ("layer0_v", 0, false), ("lastlayer_k", f.Config.Layers - 1, true)]
            )
                if (f.Has($"outputs/{item.Name}/final_cache_{name}"))
                {
                    var expected = Out("final_cache_" + name);
                    var (k, v) = cache.Buffers(layer);
                    error.Hold(expected, (key ? k : v)!.narrow(1, 0, expected.size(1)), f.Atol, f.Rtol);
                }
        }
    }

    [SkippableFact]
    public void CausVidVideosAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("causvid");
        var wan = new CausalWanTransformer(f.Weights, f.Config, ScalarType.Float32);
        foreach (var item in f.Json.GetProperty("cases").EnumerateObject())
        {
            using var inner = torch.NewDisposeScope();
            using var error = new Deviation(output, "causvid " + item.Name);
            Tensor In(string name) => f[$"inputs/{item.Name}/{name}"];
            var shift = f.Json.GetProperty("config").GetProperty("timestep_shift").GetDouble();
            // the last is 0, the clean end
            double[] list =
            [
                .. item
                    .Value.GetProperty("denoising_step_list")
                    .EnumerateArray()
                    .Select(n => n.GetDouble())
                    .SkipLast(1),
            ];
            var noise = WanFixture.Turn(In("noise"));
            var given = item.Value.GetProperty("start_frames").GetInt32();
            var how = new CausalSampling
            {
                Shift = shift,
                Timesteps = item.Value.GetProperty("warp").GetBoolean() ? new FlowTable(shift).Warp(list) : list,
                BlockFrames = f.Int("num_frame_per_block"),
                Capacity = (int)noise.size(2),
            };
            error.Hold(f[$"outputs/{item.Name}/denoising_step_list"], Tensor.From<double>(how.Timesteps), 1e-6, 1e-6);
            using var cache = how.Cache();
            var video = CausalRollOut.Generate(
                wan,
                how,
                cache,
                [new(0, f["inputs/prompt_embeds"])],
                noise.Slice(2, given..),
                InOrder(In("renoise")),
                given > 0 ? WanFixture.Turn(In("start_latents")) : null
            );
            error.Hold(f[$"outputs/{item.Name}/latents"], WanFixture.Turn(video), f.Atol, f.Rtol);
        }
    }
}
