using System.Text.RegularExpressions;
using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public partial class SolverTests(Xunit.Abstractions.ITestOutputHelper output)
{
    /// <summary>The fixture's model: v = 0.3 x + sin(t / 1000), t being the solver's timestep.</summary>
    private static Tensor Toy(Tensor x, double t) => x * 0.3 + Math.Sin(t / 1000);

    private static IFlowSolver Solver(string kind, double shift, int steps) =>
        kind switch
        {
            "flow_match" => new EulerSolver([
                .. Enumerable.Range(0, steps).Select(i => (double)(float)Times.Shift(1 - i / (double)steps, shift)),
                0,
            ]),
            "unipc" => new UniPcSolver(steps, shift),
            "dpmpp" => new DpmSolver(steps, shift),
            _ => throw new NotSupportedException(kind),
        };

    /// <summary>
    /// Every trajectory of the fixture: outputs/KIND/shiftS/Nn.
    /// </summary>
    [SkippableFact]
    public void TrajectoriesAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("schedulers");
        foreach (var m in f.Keys.Select(k => Trajectory().Match(k)).Where(m => m.Success))
        {
            var at = m.Groups[1].Value;
            var (kind, shift, steps) = (
                m.Groups[2].Value,
                double.Parse(m.Groups[3].Value),
                int.Parse(m.Groups[4].Value)
            );
            using var error = new Deviation(output, at);
            var expected = f[at + "/trajectory"];
            using var solver = Solver(kind, shift, steps);
            error.Hold(
                f[at + "/timesteps"].to(ScalarType.Float64),
                Tensor.From<double>([.. solver.Timesteps]),
                1e-6,
                1e-6
            );
            var sigmas = solver switch
            {
                UniPcSolver u => u.Sigmas,
                DpmSolver d => d.Sigmas,
                _ => null,
            };
            if (sigmas is not null)
                error.Hold(f[at + "/sigmas"], Tensor.From<double>([.. sigmas]), 1e-6, 1e-6);
            var seen = new List<Tensor>();
            var last = Sampling.Solve(
                solver,
                (x, t) =>
                {
                    seen.Add(x.clone().DetachFromDisposeScope());
                    return Toy(x, t);
                },
                expected[0]
            );
            for (var i = 0; i < steps; i++)
            {
                error.Hold(expected[i], seen[i], 2e-5, 1e-5);
                seen[i].Dispose();
            }
            error.Hold(expected[steps], last, 2e-5, 1e-5);
        }
    }

    [GeneratedRegex(@"^(outputs/([a-z_]+)/shift([\d.]+)/N(\d+))/trajectory$")]
    private static partial Regex Trajectory();

    /// <summary>Data N(m, s^2): the exact flow is x = (1 - sigma) m + sqrt((1 - sigma)^2 s^2 + sigma^2) z.</summary>
    [Theory]
    [InlineData("unipc")]
    [InlineData("dpmpp")]
    public void MultistepComesNearerToTheExactFlowThanEulerWithTwiceTheSteps(string kind)
    {
        const double m = 1.5,
            s = 0.7;
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var z = torch.randn([1, 1, 1, 1, 6], generator: g).to(ScalarType.Float64);
        Tensor Velocity(Tensor x, double sigma)
        {
            var clean =
                (x - (1 - sigma) * m) * ((1 - sigma) * s * s / ((1 - sigma) * (1 - sigma) * s * s + sigma * sigma)) + m;
            return (x - clean) / sigma;
        }
        double Error(int n)
        {
            using var solver = Solver(kind, 3, n);
            var levels = solver is UniPcSolver u ? u.Sigmas : ((DpmSolver)solver).Sigmas;
            var at = 0;
            var (a, b) = (1 - levels[0], levels[0]);
            var start = z * Math.Sqrt(a * a * s * s + b * b) + m * a;
            var end = Sampling.Solve(solver, (x, _) => Velocity(x, levels[at++]), start);
            return (end - (z * s + m)).abs().max().ToDouble();
        }
        var (coarse, fine) = (Error(40), Error(80));
        var sigmas = Times.Sigmas(80, 3);
        var euler = (Sampling.Euler((x, t) => Velocity(x, t / 1000), z, sigmas) - (z * s + m)).abs().max().ToDouble();
        output.WriteLine($"{kind}: 40 steps {coarse:g3}, 80 steps {fine:g3}, Euler with 80 {euler:g3}");
        Assert.True(fine < coarse / 1.9 && coarse < euler, $"{coarse} -> {fine}, Euler {euler}");
    }

    [Fact]
    public void ASamplerNeedsSteps()
    {
        Assert.Throws<UserException>(() => new UniPcSolver(0, 5));
        Assert.Throws<UserException>(() => new DpmSolver(0, 5));
    }
}

[Collection(nameof(Alone))]
public class SolverMemoryTests
{
    [Fact]
    public void ASolverFreesWhatItKept()
    {
        using var scope = torch.NewDisposeScope();
        var noise = torch.ones([1, 1, 1, 1, 2]);
        var before = LiveTensors.Settled();
        using (torch.NewDisposeScope())
            foreach (var solver in (IFlowSolver[])[new UniPcSolver(5, 5), new DpmSolver(5, 5)])
                using (solver)
                    Sampling.Solve(solver, (x, t) => x * 0.3 + t / 1000, noise);
        Assert.Equal(before, Tensor.TotalCount);
    }
}
