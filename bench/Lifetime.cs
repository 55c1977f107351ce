using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>Forward, backward and step of a small network: after a warm-up no step may leave a tensor behind.</summary>
internal static class Lifetime
{
    public static IEnumerable<Row> Rows()
    {
        const int steps = 1000;
        using var outer = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var (up, down) = (
            (weights / "up").Parameter("weight", [64, 16], 0.2),
            (weights / "down").Parameter("weight", [16, 64], 0.2)
        );
        weights.Trainable();
        using var optimiser = new Optimiser("bench", [.. weights.All], new OptimiserConfig { Lr = 1e-3 });
        void Step()
        {
            using var scope = torch.NewDisposeScope();
            optimiser.ZeroGrad();
            var x = torch.ones([32, 16]);
            (torch.nn.functional.linear(torch.nn.functional.linear(x, up).silu(), down) - x).square().mean().Backward();
            optimiser.Step(1, 1);
        }
        for (var i = 0; i < 20; i++)
            Step();
        var before = Tensor.TotalCount;
        var seconds = Turns.Of(() =>
        {
            for (var i = 0; i < steps; i++)
                Step();
        })();
        yield return new("lifetime.tensors", Tensor.TotalCount - before, "tensors", Lower: true)
        {
            Limit = 0,
            Note = $"growth over {steps} training steps, {before} live at the start",
        };
        yield return new("lifetime.step", seconds / steps * 1e6, "us", Lower: true)
        {
            Note = "training step of a small network",
        };
    }
}
