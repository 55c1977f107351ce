using LongTake.Methods;
using LongTake.Nn;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>The loop alone, on a little network with losses made for the purpose.</summary>
public sealed class LoopTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private static readonly LoopConfig config = new()
    {
        Steps = 10,
        LogEvery = 1,
        ValidateEvery = 0,
        CheckpointEvery = 2,
        CollapsePatience = 3,
    };

    /// <summary>Two layers and a loss of the caller's; step counts the calls.</summary>
    private static Method Little(Func<Func<Tensor, Tensor>, long, double, double> descend, out Weights weights)
    {
        using var scope = torch.NewDisposeScope();
        var w = weights = Weights.Create(new Rng(5));
        var (one, two) = (new Linear(w / "one", 3, 8), new Linear(w / "two", 8, 2));
        w.Trainable();
        var calls = 0L;
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["net"] = w },
            Averaged = ["net"],
            Updates =
            [
                new Update("net", [.. w.All], new OptimiserConfig { Lr = 1e-2, WarmUp = 1 }, (_, weight) =>
                    new Dictionary<string, double>
                    {
                        ["loss"] = descend(x => two.Forward(Elementwise.Gelu(one.Forward(x), true)), calls++, weight),
                    }
                ),
            ],
            Export = (_, _) => { },
        };
    }

    /// <summary>Sample n of a step of four.</summary>
    private static (Tensor X, Tensor Y) Sample(long step, long n)
    {
        using var g = new torch.Generator((ulong)(100 * step + n));
        return (torch.randn([1, 3], generator: g), torch.randn([1, 2], generator: g));
    }

    private static double Squared(Func<Tensor, Tensor> net, (Tensor X, Tensor Y)[] batch, double weight)
    {
        var loss = (net(torch.cat([.. batch.Select(b => b.X)])) - torch.cat([.. batch.Select(b => b.Y)]))
            .square()
            .mean();
        (loss * weight).Backward();
        return loss.ToDouble();
    }

    private float[] Trained(
        LoopConfig c,
        string name,
        Func<Func<Tensor, Tensor>, long, double, double> descend,
        CancellationToken cancel = default
    )
    {
        using var method = Little(descend, out var weights);
        Loop.Run(method, c, new RunFolder(Path.Combine(root, name)), null, _ => { }, null, cancel);
        return [.. weights.Tensors.SelectMany(t => t.ToArray<float>())];
    }

    [Fact]
    public void OneTimesFourEqualsFourTimesOne()
    {
        var whole = Trained(config, "4x1", (net, call, weight) =>
            Squared(net, [.. Enumerable.Range(0, 4).Select(n => Sample(call, n))], weight)
        );
        var parts = Trained(config with { Accumulation = 4 }, "1x4", (net, call, weight) =>
            Squared(net, [Sample(call / 4, call % 4)], weight)
        );
        Assert.All(whole.Zip(parts), p => Assert.Equal(p.First, p.Second, 1e-6f));
        var lines = TrainingLog
            .Read(new RunFolder(Path.Combine(root, "1x4")).Log)
            .Zip(TrainingLog.Read(new RunFolder(Path.Combine(root, "4x1")).Log))
            .ToList();
        Assert.Equal(10, lines.Count);
        Assert.All(lines, l => Assert.Equal(l.First.Scalars[0].Value, l.Second.Scalars[0].Value, 1e-5));
        // counted in samples of the method
        Assert.Equal((40L, 10L), (lines[^1].First.Samples, lines[^1].Second.Samples));
    }

    [Theory]
    [InlineData(true)] // the gradient is none
    [InlineData(false)] // the loss alone is none
    public void APoisonedLossStopsTheRunAndNamesTheLastGoodState(bool gradient)
    {
        using var scope = torch.NewDisposeScope();
        using var method = Little(
            (net, call, weight) =>
            {
                var loss = Squared(net, [Sample(call, 0)], weight);
                if (call < 7)
                    return loss;
                if (gradient)
                    (net(torch.ones([1, 3])).sum() * double.NaN).Backward();
                return double.NaN;
            },
            out var weights
        );
        var run = new RunFolder(Path.Combine(root, "poisoned"));
        var e = Assert.Throws<UserException>(() =>
            Loop.Run(method, config, run, null, _ => Assert.Fail("it finished"), null, default)
        );
        Assert.Contains("training collapsed", e.Message);
        Assert.Contains("up to step 10", e.Message);
        Assert.Contains(Path.Combine("checkpoints", "step-00000006"), e.Message);
        Assert.All(weights.Tensors, t => Assert.True(t.AllFinite()));
        Assert.Contains("\"net loss\":\"NaN\"", File.ReadAllLines(run.Log)[^1]);
    }

    [Fact]
    public void OnePoisonedIterationIsLeftOut()
    {
        (float[]? before, float[]? after, Weights? weights) = (null, null, null);
        float[] Snapshot() => [.. weights!.Tensors.SelectMany(t => t.ToArray<float>())];
        using var method = Little(
            (net, call, weight) =>
            {
                if (call == 5)
                    before = Snapshot();
                if (call == 6)
                    after = Snapshot();
                return Squared(net, [Sample(call, 0)], call == 5 ? double.PositiveInfinity : weight);
            },
            out weights
        );
        Loop.Run(method, config, new RunFolder(Path.Combine(root, "one")), null, _ => { }, null, default);
        Assert.Equal(before, after);
        Assert.NotEqual(after, Snapshot());
    }

    [Fact]
    public void ACancelledRunIsSavedAndGoesOnToTheSameNumbers()
    {
        double Plain(Func<Tensor, Tensor> net, long call, double weight) => Squared(net, [Sample(call, 0)], weight);
        var unbroken = Trained(config, "unbroken", Plain);
        using var stop = new CancellationTokenSource();
        var e = Assert.Throws<OperationCanceledException>(() =>
            Trained(
                config,
                "broken",
                (net, call, weight) =>
                {
                    if (call == 4)
                        stop.Cancel();
                    return Plain(net, call, weight);
                },
                stop.Token
            )
        );
        Assert.Contains("stopped and saved after 5 of 10 steps", e.Message);
        Assert.Equal(5, new RunFolder(Path.Combine(root, "broken")).Latest()!.Step);
        Assert.Equal(unbroken, Trained(config, "broken", (net, call, weight) => Plain(net, call + 5, weight)));
    }

    [Fact]
    public void ARunCancelledAmidBadIterationsCollapsesWhereTheUnbrokenOneDoes()
    {
        double Poisoned(Func<Tensor, Tensor> net, long call, double weight) =>
            call < 7 ? Squared(net, [Sample(call, 0)], weight) : double.NaN;
        using var stop = new CancellationTokenSource();
        var cancelled = Assert.Throws<OperationCanceledException>(() =>
            Trained(
                config,
                "amid",
                (net, call, weight) =>
                {
                    if (call == 8)
                        stop.Cancel();
                    return Poisoned(net, call, weight);
                },
                stop.Token
            )
        );
        Assert.Contains("the last 2 of them not usable", cancelled.Message);
        var good = new RunFolder(Path.Combine(root, "amid")).Latest()!.Step;
        Assert.Equal(6, good);
        var e = Assert.Throws<UserException>(() =>
            Trained(config, "amid", (net, call, weight) => Poisoned(net, call + good, weight))
        );
        Assert.Contains("up to step 10", e.Message);
    }

    [Fact]
    public void AnotherModelsRunFolderIsRefused()
    {
        Trained(config, "run", (net, call, weight) => Squared(net, [Sample(call, 0)], weight));
        using var scope = torch.NewDisposeScope();
        using var other = Weights.Create(new Rng(1));
        var linear = new Linear(other / "one", 4, 8);
        using var method = new Method
        {
            Networks = new Dictionary<string, Weights> { ["net"] = other },
            Updates = [],
            Export = (_, _) => { },
        };
        var e = Assert.Throws<UserException>(() =>
            Loop.Run(method, config, new RunFolder(Path.Combine(root, "run")), null, _ => { }, null, default)
        );
        Assert.Contains("give another run folder", e.Message);
    }
}
