using LongTake.Diffusion;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class WanSamplingTests(Xunit.Abstractions.ITestOutputHelper output)
{
    /// <summary>The complete text-to-video loop of the reference: solver, guidance, network.</summary>
    [SkippableFact]
    public void VideosAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("wan_t2v_sampling");
        var wan = new WanTransformer(f.Weights, f.Config, ScalarType.Float32);
        var (with, without) = (f.PadText(f["inputs/context"]), f.PadText(f["inputs/context_null"]));
        foreach (var run in f.Json.GetProperty("runs").EnumerateObject())
        {
            using var inner = torch.NewDisposeScope();
            using var error = new Deviation(output, "wan_t2v_sampling " + run.Name);
            Tensor Out(string name) => f[$"outputs/{run.Name}/{name}"];
            var (steps, shift) = (
                run.Value.GetProperty("sampling_steps").GetInt32(),
                run.Value.GetProperty("shift").GetDouble()
            );
            using IFlowSolver solver =
                run.Value.GetProperty("solver").GetString() == "unipc"
                    ? new UniPcSolver(steps, shift)
                    : new DpmSolver(steps, shift);
            Assert.Equal(Out("timesteps").ToArray<long>(), solver.Timesteps.Select(t => (long)t));
            Tensor Predict(Tensor x, double t, Tensor text) => wan.Forward(x, torch.full([1], t), text);
            var velocity = Sampling.Guided(
                (x, t) => Predict(x, t, with),
                (x, t) => Predict(x, t, without),
                run.Value.GetProperty("guide_scale").GetDouble()
            );
            var at = 0;
            var video = Sampling.Solve(
                solver,
                (x, t) =>
                {
                    error.Hold(Out("trajectory")[at], x.squeeze(0), f.Atol, f.Rtol);
                    error.Hold(
                        Out("pred_cond")[at],
                        Predict(Out("trajectory")[at].unsqueeze(0), t, with).squeeze(0),
                        1e-4,
                        1e-4
                    );
                    error.Hold(
                        Out("pred_uncond")[at],
                        Predict(Out("trajectory")[at].unsqueeze(0), t, without).squeeze(0),
                        1e-4,
                        1e-4
                    );
                    at++;
                    return velocity(x, t);
                },
                f[$"inputs/{run.Name}/noise"].unsqueeze(0)
            );
            error.Hold(Out("latents"), video.squeeze(0), f.Atol, f.Rtol);
        }
    }
}
