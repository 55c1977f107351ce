using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public class DistributionMatchingTests
{
    // [B, F, C, H, W] -> [B, C, F, H, W]
    private static Tensor FromFrames(Tensor x) => x.permute(0, 2, 1, 3, 4).contiguous();

    /// <summary>
    /// The cases of a fixture with what each says, or else the whole fixture; and the timesteps of its raw draws.
    /// </summary>
    private static IEnumerable<(
        string Name,
        double Shift,
        Func<string, double> Says,
        string Loss,
        Tensor Timesteps
    )> Cases(Dictionary<string, Tensor> f, bool critic)
    {
        var json = Fixtures.Json("dmd");
        var c = json.GetProperty("config");
        foreach (
            var item in json.GetProperty("cases")
                .EnumerateObject()
                .Where(i => i.Name.StartsWith("critic", StringComparison.Ordinal) == critic)
        )
        {
            double Says(string name) =>
                item.Value.TryGetProperty(name, out var value)
                && value.ValueKind == System.Text.Json.JsonValueKind.Number
                    ? value.GetDouble()
                    : 0;
            var shift = item.Value.TryGetProperty("shift", out var own)
                ? own.GetDouble()
                : c.GetProperty("timestep_shift").GetDouble();
            var raw = f["inputs/timestep_raw"].to(ScalarType.Float64).ToArray<double>();
            var shifted = raw.Select(t =>
                Math.Clamp(
                    1000 * Times.Shift(t / 1000, shift),
                    c.GetProperty("min_step").GetDouble(),
                    c.GetProperty("max_step").GetDouble()
                )
            );
            yield return (
                item.Name,
                shift,
                Says,
                item.Value.TryGetProperty("loss", out var loss) ? loss.GetString()! : "",
                Tensor.From<double>([.. shifted], f["inputs/timestep_raw"].shape)
            );
        }
    }

    [SkippableFact]
    public void GradientNormaliserAndLossAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("dmd");
        var cases = 0;
        foreach (var (name, shift, says, _, timesteps) in Cases(f, critic: false))
        {
            Tensor In(string n) => FromFrames(f["inputs/" + n]);
            Tensor Out(string n) => f[$"outputs/{name}/{n}"];
            // One level a clip; with a schedule the raw draw is from the exit step's range instead, and the fixture's
            // is used.
            var level = Out("timestep").to(ScalarType.Float64);
            if (name != "dmd_ts_schedule")
                Near.Equal(level, timesteps.expand(level.shape), 1e-3);
            var sigma = new FlowTable(
                shift == 1 ? 1 : Fixtures.Json("dmd").GetProperty("config").GetProperty("timestep_shift").GetDouble()
            )
                .Sigma(level)
                .to(ScalarType.Float32);
            var x = In("x").requires_grad_();
            var real = Flow.Guide(In("pred_real_cond"), In("pred_real_uncond"), says("gs") + 1); // theirs is one off
            var fake = Flow.Guide(In("pred_fake_cond"), In("pred_fake_uncond"), says("fgs") + 1);
            var gradient = DistributionMatching.Gradient(x.detach(), real, fake);
            Near.Equal(Out("normalizer"), DistributionMatching.Normaliser(x.detach(), real), 1e-5, 1e-5);
            Near.Equal(FromFrames(Out("grad")), gradient, 1e-5, 1e-5);
            Near.Equal(Out("gradient_norm"), gradient.abs().mean(), 1e-5, 1e-5);
            Tensor? asked = null;
            var (loss, _) = DistributionMatching.Match(
                x,
                In("noise"),
                sigma,
                noisy => (asked = noisy, real).real,
                _ => fake,
                name == "dmd_masked" ? In("gradient_mask").to(ScalarType.Float32) : null
            );
            Near.Equal(Out("loss"), loss.to(ScalarType.Float64), 0, 2e-6);
            Near.Equal(FromFrames(Out("noisy_latent")), asked!, 1e-5, 1e-5);
            loss.Backward();
            Near.Equal(FromFrames(Out("dloss_dx")), x.grad!, 1e-7, 1e-5);
            cases++;
        }
        Assert.True(cases >= 5);
    }

    [SkippableFact]
    public void TheCriticsLossesAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("dmd");
        var cases = 0;
        foreach (var (name, shift, _, kind, timesteps) in Cases(f, critic: true))
        {
            Tensor Out(string n) => f[$"outputs/{name}/{n}"];
            var (x, noise, prediction) = (
                FromFrames(f["inputs/x"]),
                FromFrames(f["inputs/noise"]),
                FromFrames(f["inputs/pred_fake_cond"]).requires_grad_()
            );
            Near.Equal(Out("timestep").to(ScalarType.Float64), timesteps.expand(Out("timestep").shape), 1e-3);
            var sigma = new FlowTable(shift).Sigma(Out("timestep")).to(ScalarType.Float32);
            var noisy = Flow.Noisy(x, noise, sigma);
            Near.Equal(FromFrames(Out("noisy_latent")), noisy, 1e-5, 1e-5);
            // In x0 the flow's error is smaller by sigma; the critic here learns the flow.
            var velocity = (noisy - prediction) / Flow.Spread(sigma);
            var loss =
                kind == "flow"
                    ? Flow.Loss(velocity, x, noise)
                    : ((velocity - Flow.Target(x, noise)) * Flow.Spread(sigma)).square().mean();
            if (kind == "flow")
            {
                Near.Equal(FromFrames(Out("flow_target")), Flow.Target(x, noise), 1e-6);
                Near.Equal(FromFrames(Out("flow_pred")), velocity, 1e-4, 1e-5);
            }
            Near.Equal(Out("loss"), loss, 0, 2e-5);
            loss.Backward();
            Near.Equal(FromFrames(Out("dloss_dpred")), prediction.grad!, 1e-5, 1e-4);
            cases++;
        }
        Assert.True(cases >= 3);
    }

    [Fact]
    public void TheSurrogatesGradientIsTheGivenOneOverWhatCounts()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (x, given) = (
            torch.randn([2, 3, 4, 2, 2], generator: g).requires_grad_(),
            torch.randn([2, 3, 4, 2, 2], generator: g)
        );
        DistributionMatching.Surrogate(x, given).Backward();
        Near.Equal(given / 96, x.grad!, 1e-7);
        x.grad = null;
        var mask = Windows.Mask([0, 2], 4);
        DistributionMatching.Surrogate(x, given, mask).Backward();
        Near.Equal(given * mask / (96 - 12), x.grad!, 1e-7);
    }

    [Fact]
    public void ANumberThatIsNoneMovesNothing()
    {
        using var scope = torch.NewDisposeScope();
        var same = torch.ones([1, 1, 1, 1, 2]);
        Assert.Equal([0f, 0], DistributionMatching.Gradient(same, same, same).ToArray<float>()); // 0 / 0
    }
}
