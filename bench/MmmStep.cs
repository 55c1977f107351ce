using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// An iteration of the method as recipes/mini/traveller.json has it, on films of noise: the student's update and each of the critic's. Both begin with
/// the bundled teacher, for the bundled student has no flow-matching head.
/// </summary>
internal static class MmmStep
{
    public static IEnumerable<Row> Rows()
    {
        const int turns = 9;   // as many as it takes for the exit steps to even out: their median has 1.5 steps before it
        var c = new MmmConfig { Windows = 8, CriticWindows = 8, Guidance = 1, MatchingShift = 5, Anchor = 0.5, LocalCaptions = true, CriticFirst = 0 };
        var folder = Directory.CreateTempSubdirectory("longtake-bench-").FullName;
        try
        {
            using var scope = new Scope();
            var model = ModelFolder.Create(Path.Combine(folder, "model"), ModelFolder.Open(Film.Traveller).Config, ModelFolder.Open(Film.Traveller), ModelFolder.Student);
            using var data = Noise(model.Config, Path.Combine(folder, "set"));
            var optimiser = new OptimiserConfig { Lr = 2e-4, Beta1 = 0.5 };
            var stage = new Stage
            {
                From = model, Config = model.Config, Optimiser = optimiser, Data = data, Init = new Rng(1), Run = folder,
                Video = (_, _) => [], Tokenizer = () => model.TokenizerFile,
            };
            using var method = Mmm.Entry.Build(stage, c);
            using var average = Ema.Copy(method.Networks["student"]);
            var optimisers = method.Updates.Select(u => new Optimiser(u.Name, u.Parameters, u.Optimiser)).ToArray();
            var turn = 0;
            double Update(int which) => Turns.Of(() =>
            {
                method.Updates[which].Descend(new Rng(turn, which), 1);
                optimisers[which].Step(1, 1 / Math.Max(1, optimisers[which].GradientNorm()));
                optimisers[which].ZeroGrad();
                if (which == 0) Ema.Update(average, method.Networks["student"], 0.98);
            })();
            var s = Turns.Run(turns, () =>
            {
                method.Begin();
                turn++;
                return Update(0);
            }, () => Update(1), () => Update(1));
            foreach (var o in optimisers) o.Dispose();
            yield return Row.Seconds("train.step, MMM", [.. Enumerable.Range(0, turns).Select(i => s.Sum(part => part[i]))], null, null) with
            {
                Note = $"student {Turns.Median(s[0]):0.00}, critic {Turns.Median(s[1]):0.00} twice; 61 s, 8 windows each, anchor, local captions",
            };
        }
        finally { Directory.Delete(folder, recursive: true); }
    }

    private static LatentSet Noise(ModelConfig c, string folder)
    {
        using var g = new Generator(1);
        LatentItem[] items = [.. Enumerable.Range(0, 2).Select(i => new LatentItem($"take-{i}", "take", c.FilmLatents, "a traveller in a red coat") { Locals = ["meadow, dawn", "forest, noon"] })];
        LatentSet.Write(folder, new LatentSetInfo("noise", c.Fps, c.Width, c.Height, "noise", items), items.ToDictionary(i => i.Name, _ => Select(g.Normal(c.LatentShape(c.FilmLatents)), 0, 0)));
        return LatentSet.Open(folder);
    }
}
