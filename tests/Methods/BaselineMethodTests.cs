using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Methods;

/// <summary>The rules of the rivals, and which of their weights learn.</summary>
public sealed class BaselineMethodTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    [Fact]
    public void EqualTokensGiveEveryLengthTheSameShareOfLatents()
    {
        var (lengths, shares) = MixSft.Shares(new(), 21, 245);
        Assert.Equal([21, 61, 121, 245], lengths);
        Assert.Equal(1, shares.Sum(), 1e-12);
        Assert.All(lengths.Zip(shares), p => Assert.Equal(lengths[0] * shares[0], p.First * p.Second, 1e-12));
        Assert.Equal([3, 7], MixSft.Shares(new() { Lengths = [7, 3, 7] }, 21, 245).Lengths);
        Assert.Equal([21, 45], MixSft.Shares(new(), 21, 45).Lengths);
    }

    [Theory]
    [InlineData("MixSft")]
    [InlineData("OdeInit")]
    [InlineData("CausVid")]
    [InlineData("SelfForcing")]
    public void EveryWeightLearns(string name)
    {
        var entry = Presets.Methods.First(m => m.Name == name);
        object settings = name switch
        {
            "MixSft" => new MixSftConfig { Lengths = [3, 5, 7], Batch = 12 },
            "OdeInit" => new OdeInitConfig
            {
                Batch = 2,
                Pairs = 2,
                HeldOut = 1,
                Together = 2,
                StepsBetween = 1,
            },
            "CausVid" => new CausVidConfig { Batch = 3 },
            _ => new SelfForcingConfig { Batch = 2 },
        };
        using var scope = torch.NewDisposeScope();
        using var method = entry.Build(tiny.Stage(), settings);
        Assert.Equal(name == "MixSft" ? "wan" : "generator", method.Networks.Keys.First());
        // the last layer starts at zero, and would leave nothing for those before it
        foreach (var weights in method.Networks.Values)
        foreach (var (key, tensor) in weights.All.Where(p => p.Key.StartsWith("head.", StringComparison.Ordinal)))
            using (torch.no_grad())
            using (var g = new torch.Generator((ulong)key.Length))
                tensor.copy_(tensor + torch.randn(tensor.shape, generator: g) * 0.1);
        method.Begin();
        foreach (var update in method.Updates)
        {
            foreach (var other in method.Networks.Values.SelectMany(w => w.Tensors))
                other.grad = null;
            var log = update.Descend(new Rng(3, 1), 1);
            Assert.True(double.IsFinite(log["loss"]));
            Assert.All(update.Parameters, p => Assert.True(p.Value.grad is not null, p.Key));
            Assert.All(
                method.Networks.Values.SelectMany(w => w.Tensors).Except(update.Parameters.Select(p => p.Value)),
                t => Assert.Null(t.grad)
            );
            if (name == "MixSft")
                Assert.Equal(
                    1,
                    log.Where(p => p.Key.StartsWith("length ", StringComparison.Ordinal)).Sum(p => p.Value),
                    1e-9
                );
        }
    }

    [Fact]
    public void CausVidsBlocksHaveLevelsOfTheirOwnAndCleanOnesStayAsTheyAre()
    {
        using var scope = torch.NewDisposeScope();
        var model = tiny.Folder.Config with { ClipLatents = 6, CausalBlock = 2 };
        var times = CausVid.BlockTimes(new Rng(1), model, 400);
        var rows = times.ToArray<float>().Chunk(6).ToList();
        Assert.All(rows, r => Assert.True(r[0] == r[1] && r[2] == r[3] && r[4] == r[5]));
        Assert.Equal([0f, 500, 1000], rows.SelectMany(r => r).Distinct().Order());
        Assert.Contains(rows, r => r[0] != r[2] && r[2] != r[4] && r[0] != r[4]);

        using var weights = tiny.Teacher(5, 0.05);
        var generator = new CausalTransformer(weights.Trainable(), model.Model);
        using var g = new torch.Generator((ulong)(2));
        var (x0, text) = (torch.randn([1, 4, 6, 4, 4], generator: g), torch.randn([1, 32, 8], generator: g));
        var x = CausVid.Cleaned(generator, x0, text, Tensor.From([0f, 0, 500, 500, 0, 0], 1, 6), model, 3);
        Assert.True(x0.Slice(2, ..2).SameAs(x.Slice(2, ..2)) && x0.Slice(2, 4..).SameAs(x.Slice(2, 4..)));
        Assert.True((x.Slice(2, 2..4) - x0.Slice(2, 2..4)).abs().max().ToDouble() > 0.1);
        x.Slice(2, 4..).square().sum().Backward();
        Assert.All(weights.Tensors, t => Assert.True(t.grad is not { } g || g.norm().ToDouble() == 0));
    }

    /// <summary>A teacher whose velocity is the same everywhere has straight trajectories.</summary>
    [Fact]
    public void TrajectoriesAreTheTeachersAndTheirEndIsWhatIsLearnt()
    {
        using var scope = torch.NewDisposeScope();
        var (model, c) = (tiny.Folder.Config, new OdeInitConfig { StepsBetween = 3, Guidance = 1 });
        var (text, textWeights) = tiny.Folder.LoadText();
        using var owned = textWeights;
        var asked = new List<float>();
        var states = OdePairs.Trajectories(
            (x, t, _) =>
            {
                asked.Add(t.ToArray<float>()[0]);
                return x * 0 + 2;
            },
            model,
            c,
            text,
            ["a traveller", "a hat"],
            7
        );
        Assert.Equal(2, states.Length);
        Assert.Equal([3, 4, 3, 4, 4], states[0].shape); // levels 1000 and 500 of the list, and the end
        foreach (var s in states)
        {
            Near.Equal(s[0] - 1, s[1], 1e-5); // from sigma 1 to .5
            Near.Equal(s[0] - 2, s[2], 1e-5);
        }
        Assert.All(asked.Zip([1000f, 833.3333f, 666.6667f, 500, 333.3333f, 166.6667f]), p =>
            Assert.Equal(p.Second, p.First, 1e-2f)
        );
        Assert.False(states[0][0].SameAs(states[1][0]));

        // A generator that says 2 everywhere is right; one that says nothing is wrong by sigma^2 2^2.
        using var weights = tiny.Teacher(5, 0);
        foreach (var (name, t) in weights.All.Where(p => p.Key.StartsWith("head.head", StringComparison.Ordinal)))
            using (torch.no_grad())
                t.copy_(torch.full(t.shape, name.EndsWith("bias", StringComparison.Ordinal) ? 2 : 0));
        var generator = new CausalTransformer(weights, model.Model, ScalarType.Float32);
        Assert.Equal(
            0,
            OdeInit
                .Loss(
                    generator,
                    states,
                    [
                        [0, 1, 0],
                        [1, 1, 0],
                    ],
                    torch.zeros([2, 4, 8]),
                    model,
                    [1, 1, 1]
                )
                .ToDouble(),
            1e-6
        );
        foreach (var (_, t) in weights.All.Where(p => p.Key.StartsWith("head.head", StringComparison.Ordinal)))
            using (torch.no_grad())
                t.copy_(torch.zeros_like(t));
        Assert.Equal(
            4 * (3 * 1 + 3 * 0.25) / 6,
            OdeInit
                .Loss(
                    generator,
                    states,
                    [
                        [0, 1, 0],
                        [1, 1, 0],
                    ],
                    torch.zeros([2, 4, 8]),
                    model,
                    [1, 1, 1]
                )
                .ToDouble(),
            1e-4
        );
    }

    [Fact]
    public void ExitsFollowTheirLaw()
    {
        var random = new Rng(1);
        Assert.All(Enumerable.Range(0, 20), _ =>
            Assert.Equal(
                (3, 0),
                (Times.DrawExit(random, ExitSchedule.Last, 4), Times.DrawExit(random, ExitSchedule.First, 4))
            )
        );
        var counts = Enumerable
            .Range(0, 8000)
            .GroupBy(_ => Times.DrawExit(random, ExitSchedule.Uniform, 4))
            .ToDictionary(e => e.Key, e => e.Count());
        Assert.Equal(4, counts.Count);
        Assert.All(counts.Values, n => Assert.InRange(n, 1800, 2200));
    }

    [Fact]
    public void WindowsFollowTheirLaw()
    {
        var random = new Rng(1);
        int[] Drawn(WindowSampling law) =>
            [.. Enumerable.Range(0, 400).Select(_ => Windows.DrawStart(random, 12, 5, 0, law)).Distinct().Order()];
        Assert.Equal([0, 5, 7], Drawn(WindowSampling.Strided));
        Assert.Equal([7], Drawn(WindowSampling.Last));
        Assert.Equal(Enumerable.Range(0, 8), Drawn(WindowSampling.Uniform));
    }

    /// <summary>
    /// With score networks that do not depend on x the score identity's gradient is distribution matching's; else they
    /// are differentiated.
    /// </summary>
    [Fact]
    public void TheScoreIdentityDifferentiatesBothScores()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (x, noise, real, fake) = (
            torch.randn([2, 3, 4, 2, 2], generator: g).requires_grad_(),
            torch.randn([2, 3, 4, 2, 2], generator: g),
            torch.randn([2, 3, 4, 2, 2], generator: g),
            torch.randn([2, 3, 4, 2, 2], generator: g)
        );
        var sigma = Tensor.From([0.3f, 0.8f], 2);
        Tensor Gradient(Func<(Tensor, double)> loss)
        {
            x.grad = null;
            loss().Item1.Backward();
            return x.grad!.clone();
        }
        var (matching, identity) = (
            Gradient(() => DistributionMatching.Match(x, noise, sigma, _ => real, _ => fake)),
            Gradient(() => DistributionMatching.ScoreIdentity(x, noise, sigma, _ => real, _ => fake))
        );
        Near.Equal(matching, identity, 1e-6, 1e-4);
        // r = a y, f = b y of the noisy y = (1 - s) x + s n: d/dx of (r - f)(f - x) / w = (a - b)(1 - s)(f - x) + (r -
        // f)(b (1 - s) - 1), by hand.
        var (a, b) = (0.7, 0.4);
        var y = Flow.Noisy(x.detach(), noise, sigma);
        var w = DistributionMatching.Normaliser(x.detach(), y * a) * x.numel();
        var still = 1 - Flow.Spread(sigma);
        var expected = (still * (y * b - x.detach()) * (a - b) + y * (a - b) * (still * b - 1)) / w;
        Near.Equal(
            expected,
            Gradient(() => DistributionMatching.ScoreIdentity(x, noise, sigma, v => v * a, v => v * b)),
            1e-6,
            1e-4
        );
    }
}
