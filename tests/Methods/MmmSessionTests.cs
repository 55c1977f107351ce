using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Methods;

/// <summary>
/// Every switch changes what it says, seen from teacher and critic, which are spies. The student's velocity is zero, so
/// its video is its input: noise, or half a noised take (whose latents lie around 3). A tiny matching shift leaves
/// windows almost clean.
/// </summary>
public sealed partial class MmmSessionTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private static readonly MmmConfig main = new()
    {
        Windows = 2,
        CriticWindows = 4,
        MatchingShift = 1e-9,
        FirstWindow = 0,
        Guidance = 1,
    };
    private const double Clean = 0.98; // what the least level leaves of a window

    private sealed record Call(float[] X, float[] Timesteps, float[] Text)
    {
        public int Rows => Timesteps.Length;

        /// <summary>Row r, latent t of windows of 3: 4 channels of 4 x 4.</summary>
        public float[] Latent(int row, int t) =>
            [
                .. Enumerable
                    .Range(0, 4)
                    .SelectMany(ch => X[(((row * 4 + ch) * 3 + t) * 16)..(((row * 4 + ch) * 3 + t + 1) * 16)]),
            ];
    }

    private (List<Call> Teacher, List<Call> Critic, IReadOnlyDictionary<string, double> Log) Run(
        MmmConfig c,
        bool student,
        bool critic,
        double[]? fewSteps = null,
        int seed = 3
    )
    {
        var model = tiny.Folder.Config with { FewSteps = fewSteps ?? [500] };
        using var scope = torch.NewDisposeScope();
        var (text, textWeights) = tiny.Folder.LoadText();
        var (vae, vaeWeights) = tiny.Folder.LoadVae();
        using var weights = Weights.Create(new Rng(1)); // a new head gives zero
        var network = new DecoupledTransformer(weights, model.Model, model.HeadBlocks);
        weights.Trainable();
        var slope = torch.ones([1]).requires_grad_();
        var (asTeacher, asCritic) = (new List<Call>(), new List<Call>());
        Tensor Spy(List<Call> calls, Tensor x, Tensor t, Tensor e)
        {
            calls.Add(new(x.detach().ToArray<float>(), t.ToArray<float>(), e.detach().ToArray<float>()));
            return x * slope;
        }
        var session = new MmmSession(
            model,
            c,
            tiny.Data,
            text,
            vae,
            network,
            (x, t, e) => Spy(asTeacher, x, t, e) * 0.5,
            (x, t, e) => Spy(asCritic, x, t, e)
        );
        IReadOnlyDictionary<string, double> log = new Dictionary<string, double>();
        if (student)
            log = session.Student(new Rng(seed), 1, weights.Tensors);
        if (critic)
            log = session.Critic(new Rng(seed, 2), 1);
        session.Dispose();
        foreach (var w in (Weights[])[textWeights, vaeWeights])
            w.Dispose();
        return (asTeacher, asCritic, log);
    }

    private Call Critic(MmmConfig c, int seed = 3) =>
        Assert.Single(Run(c, student: false, critic: true, seed: seed).Critic);

    [Fact]
    public void WindowsAndCriticWindowsAreCounted()
    {
        var (teacher, critic, _) = Run(main with { Windows = 3, CriticWindows = 5 }, student: true, critic: true);
        Assert.Equal([3], teacher.Select(c => c.Rows));
        Assert.Equal([3, 5], critic.Select(c => c.Rows));
        Assert.All(critic, c => Assert.Equal(c.Rows * 4 * 3 * 16, c.X.Length));
    }

    [Fact]
    public void TeacherAndCriticSeeTheSameNoisyWindows()
    {
        var (teacher, critic, _) = Run(main with { MatchingShift = 2 }, student: true, critic: false);
        Assert.Equal(teacher[0].X, critic[0].X);
        Assert.Equal(teacher[0].Timesteps, critic[0].Timesteps);
    }

    [Fact]
    public void TheCriticLearnsTheVideoTheStudentWasJudgedOn()
    {
        var (_, critic, _) = Run(main with { FirstWindow = 1 }, student: true, critic: true);
        for (var t = 0; t < 3; t++)
            // up to the noise of .02
            Assert.All(critic[0].Latent(0, t).Zip(critic[1].Latent(0, t)), p => Assert.Equal(p.First, p.Second, 0.3f));
    }

    [Fact]
    public void TheScoreIdentityAsksTheSameAndSaysSomethingElse()
    {
        var (dmd, sid) = (
            Run(main with { MatchingShift = 2 }, student: true, critic: false),
            Run(main with { MatchingShift = 2, Surrogate = Surrogate.Sid }, student: true, critic: false)
        );
        Assert.Equal(dmd.Teacher.Single().X, sid.Teacher.Single().X);
        Assert.Equal(dmd.Log["fm"], sid.Log["fm"]);
        Assert.NotEqual(dmd.Log["dm"], sid.Log["dm"]);
        Assert.Equal(dmd.Log["gap 0"], sid.Log["gap 0"], 1e-6);
    }

    /// <summary>The flow-matching sample and the roll-out of an update show takes that are drawn apart.</summary>
    [Fact]
    public void ARollOutHasACaptionOfItsOwn()
    {
        using var scope = torch.NewDisposeScope();
        var pairs = Enumerable
            .Range(0, 12)
            .Select(seed =>
            {
                var (_, critic, log) = Run(main, student: true, critic: false, seed: seed);
                // the student says nothing, so its loss tells the sample
                var random = new Rng(seed);
                var take = tiny.Data.Takes[random.Int(2)];
                random.Uniform();
                var x0 = tiny.Data.Latents(take);
                var noise = new FlowLevels(main.SftShift).Noise(x0, random).Noise;
                Assert.Equal(Flow.Loss(torch.zeros_like(x0), x0, noise).ToDouble(), log["fm"], 1e-4);
                return Captions(critic[0]).Distinct().Single() == take.Caption;
            })
            .ToList();
        Assert.Contains(true, pairs);
        Assert.Contains(false, pairs);
    }

    [Fact]
    public void RollOutsMayShowPromptsThatNoTakeHas()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "a traveller\n\n place 1 \n");
            var c = main with { RollOutPrompts = file, LocalCaptions = true };
            var shown = Enumerable.Range(0, 12).SelectMany(seed => Captions(Critic(c, seed))).Distinct().Order();
            Assert.Equal(["a traveller", "place 1"], shown);
            File.WriteAllText(file, "\n");
            Assert.Contains("it is empty", Assert.Throws<UserException>(() => Critic(c)).Message);
        }
        finally
        {
            File.Delete(file);
        }
        Assert.Contains(
            "no such file",
            Assert.Throws<UserException>(() => Critic(main with { RollOutPrompts = file })).Message
        );
        Assert.Contains(
            "rollOutPrompts",
            Assert.Single((main with { RollOutPrompts = file, RollOut = RollOut.NoisedReal }).Problems())
        );
    }

    [Fact]
    public void FirstWindowOneMakesPlainCropsOnly()
    {
        var c = main with { FirstWindow = 1 };
        var call = Critic(c);
        Assert.Equal(call.X, Critic(c with { Boundary = Boundary.Raw }).X);
        for (var row = 1; row < call.Rows; row++)
            Assert.All(call.Latent(0, 2).Zip(call.Latent(row, 2)), p => Assert.Equal(p.First, p.Second, 0.3f));
    }

    [Fact]
    public void GuidanceAsksTheTeacherTwiceAndTheCriticOnce()
    {
        var (teacher, critic, _) = Run(main with { Guidance = 1.5 }, student: true, critic: false);
        Assert.Equal((2, 1), (teacher.Count, critic.Count));
        Assert.Equal(teacher[0].X, teacher[1].X);
        Assert.Equal(critic[0].Text, teacher[0].Text);
        Assert.NotEqual(teacher[0].Text, teacher[1].Text);
        Assert.Single(Run(main, student: true, critic: false).Teacher);
    }

    [Fact]
    public void MatchingShiftShiftsTheLevels()
    {
        var (one, five) = (Critic(main with { MatchingShift = 1 }), Critic(main with { MatchingShift = 5 }));
        Assert.All(one.Timesteps.Zip(five.Timesteps), p =>
            Assert.Equal(Math.Clamp(Times.Shift(p.First / 1000, 5), .02, .98), p.Second / 1000.0, 1e-5)
        );
        Assert.All(Critic(main).Timesteps, t => Assert.Equal(20, t, 1e-3f));
    }

    [Fact]
    public void LocalCaptionsNameThePlaceOfEachWindow()
    {
        var plain = Critic(main);
        var local = Critic(main with { LocalCaptions = true });
        Assert.Equal(plain.X, local.X);
        Assert.All(Captions(plain), c => Assert.DoesNotContain("place", c));
        Assert.All(Captions(local), c => Assert.Contains(". place", c));
    }

    /// <summary>
    /// The captions of a call, found by the nearest features: rows of a batch differ from rows alone in the last
    /// digits.
    /// </summary>
    private string[] Captions(Call call)
    {
        using var scope = torch.NewDisposeScope();
        var (text, weights) = tiny.Folder.LoadText();
        using var owned = weights;
        var known = tiny
            .Data.Takes.SelectMany(t =>
                new[] { t.Caption, t.Caption + ". place 0", t.Caption + ". place 1", t.Caption + ". place 2" }
            )
            .Concat(["a traveller", "place 1"])
            .Select(c => (Caption: c, Features: text.Encode([c]).ToArray<float>()))
            .ToList();
        return
        [
            .. call
                .Text.Chunk(32 * 8)
                .Select(row => known.MinBy(k => k.Features.Zip(row, (a, b) => Math.Abs(a - b)).Sum()).Caption),
        ];
    }
}
