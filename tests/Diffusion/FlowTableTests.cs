using System.Text.RegularExpressions;
using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

/// <summary>The fixture's tensors tell which shifts and step counts there are.</summary>
public partial class FlowTableTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private static Tensor Values(double[] x) => Tensor.From<double>(x);

    [SkippableFact]
    public void TablesWeightsAndConversionsAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("schedulers");
        using var error = new Deviation(output);
        // rows [N, C, H, W] as latents [N, C, 1, H, W]
        Tensor In(string name) => f["inputs/flow_match/" + name].unsqueeze(2);
        var (clean, noise, flow, t) = (In("clean"), In("noise"), In("flow_pred"), f["inputs/flow_match/timestep"]);
        foreach (
            var shift in f
                .Keys.Select(k => Shift().Match(k))
                .Where(m => m.Success)
                .Select(m => m.Groups[1].Value)
                .Distinct()
        )
        {
            var table = new FlowTable(double.Parse(shift));
            Tensor Out(string name) => f[$"outputs/flow_match/shift{shift}/{name}"];
            error.Hold(Out("sigmas"), Values(table.Sigmas), 1e-6, 1e-6);
            error.Hold(Out("timesteps"), Values(table.Timesteps), 1e-6, 1e-6);
            error.Hold(Out("training_weights"), Values(table.TrainingWeights()), 1e-6, 1e-5);
            var at = t.ToArray<float>().Select(x => table.Nearest(x)).ToArray();
            Assert.Equal(Out("add_noise_timestep_index").ToArray<long>(), at.Select(i => (long)i));
            var weights = table.TrainingWeights();
            error.Hold(Out("training_weight_at_timestep"), Values([.. at.Select(i => weights[i])]), 1e-6, 1e-5);
            error.Hold(Out("warped_denoising_step_list"), Values(table.Warp([1000, 750, 500, 250])), 1e-6, 1e-6);
            error.Hold(
                Out("warped_denoising_step_list_with_zero"),
                Values(table.Warp([1000, 750, 500, 250, 0])),
                1e-6,
                1e-6
            );

            var noisy = table.Noisy(clean, noise, t);
            error.Hold(Out("add_noise"), noisy.squeeze(2), 2e-5, 1e-5);
            error.Hold(Out("flow_to_x0"), table.Clean(noisy, flow, t).squeeze(2), 2e-5, 1e-5);
            var first = Out("x0_to_flow_first");
            var n = first.size(0);
            error.Hold(first, table.Velocity(noisy, clean, t).squeeze(2).Slice(0, ..(int)n), 2e-5, 1e-5);
        }
        error.Hold(f["outputs/flow_match/training_target"], Flow.Target(clean, noise).squeeze(2), 2e-5, 1e-5);
    }

    [Fact]
    public void ConversionsUndoOneAnother()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var table = new FlowTable(5);
        var (x0, noise, t) = (
            torch.randn([2, 3, 2, 4, 4], generator: g),
            torch.randn([2, 3, 2, 4, 4], generator: g),
            Tensor.From([0f, 300, 700, 1000], 2, 2)
        );
        var xt = table.Noisy(x0, noise, t);
        Near.Equal(noise - x0, table.Velocity(xt, x0, t), 1e-4); // the lowest level is .005
        Near.Equal(x0, table.Clean(xt, noise - x0, t), 1e-6);
    }

    [Fact]
    public void AScheduleNeedsAShift() => Assert.Throws<UserException>(() => new FlowTable(0));

    [GeneratedRegex(@"^outputs/flow_match/shift([\d.]+)/training_weights$")]
    private static partial Regex Shift();
}
