using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Tests.Methods;

/// <summary>Which loss reaches which weights, through the method's own updates.</summary>
public sealed class MmmTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private static readonly MmmConfig main = new()
    {
        Windows = 2,
        CriticWindows = 3,
        CriticUpdates = 2,
        CriticFirst = 4,
        MatchingShift = 2,
        CompareGradientsEvery = 1,
    };

    private Method Build(MmmConfig c)
    {
        var (student, critic) = (tiny.Student(10), tiny.Teacher(50, 0.05));
        return Mmm.Build(tiny.Stage(), c, student, critic);
    }

    /// <summary>Gradients of the student by name after one student update; none is null.</summary>
    private Dictionary<string, Tensor?> Gradients(MmmConfig c, out IReadOnlyDictionary<string, double> log)
    {
        using var method = Build(c);
        method.Begin();
        log = method.Updates[0].Descend(new Rng(7, 1), 1);
        return method.Networks["student"].All.ToDictionary(p => p.Key, p => p.Value.grad?.clone());
    }

    private static double Length(Dictionary<string, Tensor?> gradients, Func<string, bool> which) =>
        Math.Sqrt(
            gradients.Where(p => which(p.Key) && p.Value is not null).Sum(p => Math.Pow(p.Value!.norm().ToDouble(), 2))
        );

    private static bool Fm(string name) => name.StartsWith("fm_head.", StringComparison.Ordinal);

    private static bool Dm(string name) => name.StartsWith("dm_head.", StringComparison.Ordinal);

    [Fact]
    public void MeanSeekingMovesEncoderAndFmHeadAndLeavesTheDmHeadExactlyStill()
    {
        using var scope = torch.NewDisposeScope();
        var g = Gradients(main with { DmWeight = 0 }, out var log);
        Assert.Equal(0, Length(g, Dm));
        Assert.True(Length(g, Fm) > 0 && Length(g, DecoupledTransformer.IsEncoder) > 0);
        Assert.Equal((log["fm"], 0), (log["loss"], log["dm"]));
    }

    [Fact]
    public void ModeSeekingMovesEncoderAndDmHeadAndLeavesTheFmHeadExactlyStill()
    {
        using var scope = torch.NewDisposeScope();
        var g = Gradients(main with { SftWeight = 0 }, out var log);
        Assert.Equal(0, Length(g, Fm));
        Assert.True(Length(g, Dm) > 0 && Length(g, DecoupledTransformer.IsEncoder) > 0);
        Assert.Equal((log["dm"], 0), (log["loss"], log["fm"]));
    }

    [Fact]
    public void AnAnchorGivesTheDmHeadFlowMatchingToo()
    {
        using var scope = torch.NewDisposeScope();
        var g = Gradients(main with { DmWeight = 0, Anchor = 0.5 }, out var log);
        Assert.True(Length(g, Dm) > 0 && log["anchor"] > 0);
        var twice = Gradients(main with { DmWeight = 0, Anchor = 1 }, out _);
        Assert.Equal(2, Length(twice, Dm) / Length(g, Dm), 1e-5);
        Assert.Equal(Length(g, Fm), Length(twice, Fm), 1e-6);
        var alone = Gradients(main with { DmWeight = 0, Anchor = 1, SftWeight = 0 }, out _);
        Assert.Equal(0, Length(alone, Fm));
        Assert.Equal(Length(twice, Dm), Length(alone, Dm), 1e-6);
    }

    [Fact]
    public void WeightsScaleTheirOwnLoss()
    {
        using var scope = torch.NewDisposeScope();
        var one = Gradients(main, out _);
        var more = Gradients(main with { SftWeight = 2, DmWeight = 4 }, out _);
        Assert.Equal(2, Length(more, Fm) / Length(one, Fm), 1e-5);
        Assert.Equal(4, Length(more, Dm) / Length(one, Dm), 1e-5);
    }

    [Fact]
    public void SftShiftChangesTheFlowMatchingAlone()
    {
        using var scope = torch.NewDisposeScope();
        var (one, five) = (
            Gradients(main with { SftShift = 1 }, out var log1),
            Gradients(main with { SftShift = 5 }, out var log5)
        );
        Assert.NotEqual(log1["fm"], log5["fm"]);
        Assert.Equal(log1["dm"], log5["dm"]);
        Assert.All(one.Where(p => Dm(p.Key)), p => Assert.True(p.Value!.SameAs(five[p.Key]!)));
    }

    [Fact]
    public void CaptionDropChangesTheFlowMatchingAlone()
    {
        using var scope = torch.NewDisposeScope();
        Gradients(main, out var with);
        Gradients(main with { CaptionDrop = 1 }, out var without);
        Assert.NotEqual(with["fm"], without["fm"]);
        Assert.Equal(with["dm"], without["dm"]);
    }

    [Fact]
    public void TheEncoderGetsTheSumAndTheLogTellsTheParts()
    {
        using var scope = torch.NewDisposeScope();
        var hardly = Math.Pow(2, -40); // a power of two keeps bfloat16's roundings the same
        var (fm, dm) = (
            Gradients(main with { DmWeight = hardly }, out _),
            Gradients(main with { SftWeight = hardly }, out _)
        );
        var both = Gradients(main, out var log);
        foreach (var (name, g) in both)
            if (DecoupledTransformer.IsEncoder(name))
                Near.Equal(fm[name]! + dm[name]!, g!, 1e-6, 1e-4);
        Assert.Equal(Length(fm, DecoupledTransformer.IsEncoder), log["encoder |fm|"], 1e-4 * log["encoder |fm|"]);
        Assert.Equal(Length(dm, DecoupledTransformer.IsEncoder), log["encoder |dm|"], 1e-3 * log["encoder |dm|"]);
        var dot = both.Keys.Where(DecoupledTransformer.IsEncoder).Sum(n => (fm[n]! * dm[n]!).sum().ToDouble());
        Assert.Equal(dot / (log["encoder |fm|"] * log["encoder |dm|"]), log["encoder cosine"], 1e-3);
        Assert.Equal(log["fm"] + log["dm"], log["loss"], 1e-9);
    }

    [Fact]
    public void WithASingleHeadBothLossesMeetInTheDmHead()
    {
        using var scope = torch.NewDisposeScope();
        var single = main with { SingleHead = true };
        var (fm, dm) = (
            Gradients(single with { DmWeight = 0 }, out _),
            Gradients(single with { SftWeight = 0 }, out _)
        );
        Assert.Equal((0, 0), (Length(fm, Fm), Length(dm, Fm)));
        Assert.True(Length(fm, Dm) > 0 && Length(dm, Dm) > 0);
        using var method = Build(single);
        Assert.DoesNotContain(method.Updates[0].Parameters, p => Fm(p.Key));
        Assert.Contains(method.Updates[0].Parameters, p => Dm(p.Key));
    }

    [Fact]
    public void TheCriticsUpdateMovesTheCriticAlone()
    {
        using var scope = torch.NewDisposeScope();
        using var method = Build(main);
        method.Begin();
        method.Updates[1].Descend(new Rng(7, 1), 1);
        Assert.All(method.Networks["critic"].All, p => Assert.NotNull(p.Value.grad));
        Assert.All(method.Networks["student"].All, p => Assert.Null(p.Value.grad));
    }

    [Fact]
    public void TheScheduleOfUpdatesIsAsConfigured()
    {
        var critic = new OptimiserConfig { Lr = 7e-5 };
        using var method = Build(main with { CriticUpdates = 5, CriticFirst = 11, Critic = critic });
        Assert.Equal(["student", "critic"], method.Updates.Select(u => u.Name));
        Assert.Equal((11L, 1), (method.Updates[0].From, method.Updates[0].Times));
        Assert.Equal((0L, 5), (method.Updates[1].From, method.Updates[1].Times));
        Assert.Equal(critic, method.Updates[1].Optimiser);
        using var without = Build(main with { DmWeight = 0 });
        Assert.Equal(0, without.Updates[1].Times);
    }

    [Fact]
    public void TheSameNumbersGiveTheSameBytes()
    {
        using var scope = torch.NewDisposeScope();
        var (one, two) = (Gradients(main, out _), Gradients(main, out _));
        Assert.All(one, p => Assert.True(p.Value is null ? two[p.Key] is null : p.Value.SameAs(two[p.Key]!), p.Key));
    }

    [Fact]
    public void HeldOutFiguresOfBothHeadsComeFromTheHeldOutTake()
    {
        using var method = Build(main);
        using var scope = torch.NewDisposeScope();
        var (one, two) = (method.Validate!(), method.Validate!());
        Assert.True(one["held-out fm"] > 0 && one["held-out dm"] > 0);
        Assert.Equal(one, two);
        Assert.DoesNotContain("encoder |fm|", one.Keys);
        // the DM head's figure is the DM head's
        using (torch.no_grad())
            foreach (var (name, weight) in method.Networks["student"].All)
                if (Dm(name))
                    weight.add_(1);
        Assert.Equal(one["held-out fm"], method.Validate!()["held-out fm"]);
        Assert.NotEqual(one["held-out dm"], method.Validate!()["held-out dm"]);
    }

    [Fact]
    public void TheScoreIdentityLeavesTheCriticWithoutGradients()
    {
        using var scope = torch.NewDisposeScope();
        using var method = Build(main with { Surrogate = Surrogate.Sid });
        method.Begin();
        method.Updates[0].Descend(new Rng(7, 1), 1);
        Assert.All(method.Networks["critic"].All, p => Assert.Null(p.Value.grad));
        Assert.True(method.Networks["student"].All.Where(p => Dm(p.Key)).Sum(p => p.Value.grad!.norm().ToDouble()) > 0);
        method.Updates[1].Descend(new Rng(7, 2), 1);
        Assert.All(method.Networks["critic"].All, p => Assert.NotNull(p.Value.grad));
    }

    [Fact]
    public void ACriticHasTheSizesOfAnotherTeacher()
    {
        using var scope = torch.NewDisposeScope();
        using var larger = TinyModel.Of(c => c with { Wan = c.Wan with { Layers = 4, Dim = 48 } });
        using var method = Mmm.Entry.Build(tiny.Stage(), main with { Teacher = larger.Folder.Path });
        var critic = method.Networks["critic"].All.ToDictionary();
        Assert.Equal(48, critic["blocks.3.self_attn.q.weight"].size(0));
        method.Begin();
        Assert.All(method.Updates, u => Assert.True(double.IsFinite(u.Descend(new Rng(7, 1), 1)["loss"])));
        Assert.All(critic, p => Assert.NotNull(p.Value.grad));
    }

    [Fact]
    public void GradientsAreComparedInEveryNthIterationAndNeverByDefault()
    {
        using var scope = torch.NewDisposeScope();
        int[] Compared(int every)
        {
            using var method = Build(main with { CompareGradientsEvery = every });
            var compared = new List<int>();
            for (var i = 0; i < 4; i++)
            {
                method.Begin();
                for (var micro = 0; micro < 2; micro++)
                    if (method.Updates[0].Descend(new Rng(7, i, micro), 0.5).ContainsKey("encoder cosine"))
                        compared.Add(2 * i + micro);
            }
            return [.. compared];
        }
        Assert.Equal([0, 4], Compared(2));
        Assert.Empty(Compared(new MmmConfig().CompareGradientsEvery));
    }
}
