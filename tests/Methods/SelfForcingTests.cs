using System.Text.Json;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Models;

namespace LongTake.Tests.Methods;

/// <summary>The roll-out with its gradients, and the losses of the reference end to end.</summary>
public sealed class SelfForcingTests(Xunit.Abstractions.ITestOutputHelper output)
{
    /// <summary>dmd_end_to_end: three networks, the reference's draws.</summary>
    private sealed class EndToEnd : IDisposable
    {
        private readonly SafetensorsSet file = SafetensorsSet.Open(Fixtures.File("dmd_end_to_end.safetensors"));
        private readonly JsonElement json = Fixtures.Json("dmd_end_to_end"),
            c;

        public EndToEnd()
        {
            c = json.GetProperty("config");
            Config = new WanConfig
            {
                PatchSize = [.. c.GetProperty("patch_size").EnumerateArray().Select(p => p.GetInt32())],
                TextLength = Int("text_len"),
                InChannels = Int("in_dim"),
                OutChannels = Int("out_dim"),
                Dim = Int("dim"),
                FfnDim = Int("ffn_dim"),
                FreqDim = Int("freq_dim"),
                TextDim = Int("text_dim"),
                Heads = Int("num_heads"),
                Layers = Int("num_layers"),
                Eps = c.GetProperty("eps").GetDouble(),
            };
            (Generator, Real, Fake) = (Load("generator"), Load("real_score"), Load("fake_score"));
            Table = new FlowTable(Number("timestep_shift"));
            Scores = new FlowTable(Number("score_networks_timestep_shift"));
            double[] list = [.. c.GetProperty("denoising_step_list").EnumerateArray().Select(n => n.GetDouble())];
            Steps = c.GetProperty("warp_denoising_step").GetBoolean() ? Table.Warp(list) : list;
        }

        public WanConfig Config { get; }
        public Weights Generator { get; }
        public Weights Real { get; }
        public Weights Fake { get; }
        public FlowTable Table { get; }
        public FlowTable Scores { get; }
        public double[] Steps { get; }

        public int Int(string name) => c.GetProperty(name).GetInt32();

        public double Number(string name) => c.GetProperty(name).GetDouble();

        public double Tolerance(string what, string kind) =>
            json.GetProperty("tolerance").GetProperty(what).GetProperty(kind).GetDouble();

        public Tensor this[string name] => file.Tensor(name);

        /// <summary>A video [1, F, C, H, W] turned to [1, C, F, H, W].</summary>
        public Tensor Video(string name) => WanFixture.Turn(this[name]);

        /// <summary>The timestep of a raw draw: shifted, then clamped.</summary>
        public double Timestep(string raw) =>
            Math.Clamp(
                1000 * Times.Shift(Int(raw) / 1000.0, Number("timestep_shift")),
                Int("min_step"),
                Int("max_step")
            );

        public Tensor RollOut()
        {
            Assert.Equal(0, Int("context_noise"));
            var (renoise, at) = (this["inputs/renoise"], 0);
            var wan = new CausalWanTransformer(Generator.Trainable(), Config, ScalarType.Float32);
            var video = SelfForcing.RollOut(
                wan,
                this["inputs/prompt_embeds_cond"],
                Video("inputs/noise"),
                shape => WanFixture.Turn(renoise[at++].reshape(shape[0], shape[2], shape[1], shape[3], shape[4])),
                Table,
                Steps,
                Int("exit_step_index"),
                Int("num_frame_per_block")
            );
            Assert.Equal(renoise.size(0), at);
            return video;
        }

        private Weights Load(string network)
        {
            var weights = Weights.Load(file.Source($"weights/{network}/"));
            _ = new WanTransformer(weights, Config, ScalarType.Float32);
            return weights;
        }

        public void Dispose()
        {
            foreach (var w in (Weights[])[Generator, Real, Fake])
                w.Dispose();
            file.Dispose();
        }
    }

    /// <summary>Every weight's gradient within 2e-3 of the reference's, by norm.</summary>
    private void Gradients(EndToEnd f, Weights weights, string group)
    {
        var worst = 0.0;
        foreach (var (name, tensor) in weights.All)
        {
            var expected = f[$"outputs/{group}/{name}"];
            Assert.NotNull(tensor.grad);
            var error = (expected - tensor.grad!).norm().ToDouble() / expected.norm().ToDouble();
            Assert.True(error < 2e-3, $"{group} {name}: {error:g3}");
            worst = Math.Max(worst, error);
        }
        output.WriteLine($"{group}: {weights.Tensors.Count} gradients, largest relative error {worst:g3}");
    }

    [SkippableFact]
    public void TheGeneratorsLossAndAllItsGradientsAreTheReferences()
    {
        Fixtures.Require();
        using var scope = torch.NewDisposeScope();
        using var f = new EndToEnd();
        var video = f.RollOut();
        Near.Equal(
            f.Video("outputs/pred_image"),
            video,
            f.Tolerance("pred_image", "atol"),
            f.Tolerance("pred_image", "rtol")
        );
        var timesteps = torch.full([1], f.Timestep("dmd_timestep_raw"));
        Near.Equal(
            f["outputs/dmd_timestep"].to(ScalarType.Float32),
            timesteps.reshape(1, 1).expand(1, video.size(2)),
            1e-3
        );
        var (real, fake) = (
            new WanTransformer(f.Real, f.Config, ScalarType.Float32),
            new WanTransformer(f.Fake, f.Config, ScalarType.Float32)
        );
        Tensor Clean(Transformer wan, Tensor noisy, string text) =>
            f.Scores.Clean(noisy, wan.Forward(noisy, timesteps, f[$"inputs/prompt_embeds_{text}"]), timesteps);
        var (loss, _) = DistributionMatching.Match(
            video,
            f.Video("inputs/dmd_noise"),
            f.Table.Sigma(timesteps).to(ScalarType.Float32),
            // theirs is one off
            noisy =>
                Flow.Guide(
                    Clean(real, noisy, "cond"),
                    Clean(real, noisy, "uncond"),
                    f.Number("real_guidance_scale") + 1
                ),
            noisy => Clean(fake, noisy, "cond")
        );
        Near.Equal(
            f["outputs/generator_loss"].to(ScalarType.Float64),
            loss.to(ScalarType.Float64),
            0,
            f.Tolerance("loss", "rtol")
        );
        loss.Backward();
        Gradients(f, f.Generator, "generator_grad_as_reference");
    }

    [SkippableFact]
    public void TheCriticsLossAndAllItsGradientsAreTheReferences()
    {
        Fixtures.Require();
        using var scope = torch.NewDisposeScope();
        using var f = new EndToEnd();
        Tensor video;
        using (torch.no_grad())
            video = f.RollOut();
        var timesteps = torch.full([1], f.Timestep("critic_timestep_raw"));
        var sigma = f.Table.Sigma(timesteps).to(ScalarType.Float32);
        var noise = f.Video("inputs/critic_noise");
        var noisy = Flow.Noisy(video, noise, sigma);
        var clean = f.Scores.Clean(
            noisy,
            new WanTransformer(f.Fake.Trainable(), f.Config, ScalarType.Float32).Forward(
                noisy,
                timesteps,
                f["inputs/prompt_embeds_cond"]
            ),
            timesteps
        );
        var loss = Flow.Loss(f.Table.Velocity(noisy, clean, timesteps), video, noise);
        Near.Equal(
            f["outputs/critic_loss"].to(ScalarType.Float64),
            loss.to(ScalarType.Float64),
            0,
            f.Tolerance("loss", "rtol")
        );
        loss.Backward();
        Gradients(f, f.Fake, "critic_grad");
    }
}
