using System.Text.Json.Serialization;
using LongTake;

namespace LongTake.Tests.Training;

public sealed record Optimiser
{
    public double LearningRate { get; init; } = 1e-4;
    public long WarmUp { get; init; } = 100;
    public IReadOnlyList<double> Betas { get; init; } = [0.9, 0.95];
}

public enum Curve
{
    Constant,
    Cosine,
}

public sealed record Size(int Width = 64, int Depth = 4);

public sealed record Trial
{
    public required string Name { get; init; }
    public string? Note { get; init; }
    public int Seed { get; init; } = 17;
    public bool Ema { get; init; } = true;
    public Curve Curve { get; init; } = Curve.Cosine;
    public Optimiser Optimiser { get; init; } = new();
    public Optimiser? Critic { get; init; }
    public Size Size { get; init; } = new();
    public IReadOnlyList<Optimiser> Stages { get; init; } = [];
    public IReadOnlyList<Trial> Named { get; init; } = [];
    public Dictionary<string, double> Weights { get; init; } = new() { ["flow"] = 1 };
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
[JsonSerializable(typeof(Trial))]
internal sealed partial class TrialJson : JsonSerializerContext;

public sealed class RecipeTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Put(string name, string text)
    {
        File.WriteAllText(Path.Combine(folder, name), text);
        return Path.Combine(folder, name);
    }

    private static Trial Read(string path, params string[] sets) => Recipe.Read(path, sets, TrialJson.Default.Trial);

    private static void Refused(string path, string[] sets, params string[] because)
    {
        var e = Assert.Throws<UserException>(() => Read(path, sets));
        Assert.True(e.Usage);
        foreach (var part in because)
            Assert.Contains(part, e.Message);
    }

    [Fact]
    public void Missing_members_keep_their_defaults_at_every_level()
    {
        var trial = Read(
            Put(
                "a.json",
                """
                {
                  // a comment
                  "name": "a", "optimiser": { "warmUp": 5, }, "critic": { "warmUp": 6 },
                  "stages": [{ "learningRate": 1 }], "size": { "depth": 9 }, /* trailing */
                }
                """
            )
        );
        Assert.Equal((17, true, Curve.Cosine, (string?)null), (trial.Seed, trial.Ema, trial.Curve, trial.Note));
        Assert.Equal((1e-4, 5L), (trial.Optimiser.LearningRate, trial.Optimiser.WarmUp));
        Assert.Equal((1e-4, 6L), (trial.Critic!.LearningRate, trial.Critic.WarmUp));
        Assert.Equal([0.9, 0.95], trial.Critic.Betas);
        Assert.Equal((1.0, 100L), (trial.Stages[0].LearningRate, trial.Stages[0].WarmUp));
        Assert.Equal(new Size(64, 9), trial.Size);
        Assert.Equal(1, trial.Weights["flow"]);
    }

    [Fact]
    public void Extends_merges_deep_and_sets_win()
    {
        Put("base.json", """{ "name": "base", "seed": 1, "optimiser": { "learningRate": 2, "betas": [1, 2, 3] } }""");
        Put("middle.json", """{ "extends": "base.json", "seed": 2, "optimiser": { "betas": [4] } }""");
        var trial = Read(
            Put("top.json", """{ "extends": "middle.json", "name": "top" }"""),
            "optimiser.warmUp=7",
            "seed=3",
            "seed=4",
            "name=0012",
            "note=a=b",
            "curve=Constant",
            "critic.learningRate=3e-5",
            "optimiser.betas=[0.5,0.6]",
            "ema=false",
            "weights.seek=0.25",
            "weights.flow=2"
        );
        Assert.Equal(
            ("0012", "a=b", 4, Curve.Constant, false),
            (trial.Name, trial.Note, trial.Seed, trial.Curve, trial.Ema)
        );
        Assert.Equal((2.0, 7L), (trial.Optimiser.LearningRate, trial.Optimiser.WarmUp));
        Assert.Equal([0.5, 0.6], trial.Optimiser.Betas);
        Assert.Equal((3e-5, 100L), (trial.Critic!.LearningRate, trial.Critic.WarmUp));
        Assert.Equal((0.25, 2.0), (trial.Weights["seek"], trial.Weights["flow"]));
    }

    [Fact]
    public void What_is_written_can_be_read_and_is_complete()
    {
        var trial = Read(Put("a.json", """{ "name": "größe" }"""), "critic.warmUp=3", "stages=[{}]");
        var (one, two) = (Path.Combine(folder, "1.json"), Path.Combine(folder, "2.json"));
        Recipe.Write(one, trial, TrialJson.Default.Trial);
        Recipe.Write(two, Read(one), TrialJson.Default.Trial);
        Assert.Equal(File.ReadAllText(one), File.ReadAllText(two));
        Assert.Contains("\"name\": \"größe\"", File.ReadAllText(one));
        Assert.Contains("\"learningRate\": 0.0001", File.ReadAllText(one));
    }

    [Theory]
    [InlineData("""{ "name": "a", "sede": 1 }""", "unknown member 'sede'; did you mean 'seed'?")]
    [InlineData(
        """{ "name": "a", "optimiser": { "learning_rate": 1 } }""",
        "unknown member 'optimiser.learning_rate'; did you mean 'learningRate'?"
    )]
    [InlineData(
        """{ "name": "a", "stages": [{}, { "warmup": 1 }] }""",
        "unknown member 'stages[1].warmup'; did you mean 'warmUp'?"
    )]
    [InlineData(
        """{ "name": "a", "size": { "temperature": 1 } }""",
        "unknown member 'size.temperature'; allowed are width, depth."
    )]
    [InlineData("""{ "name": "a", "seed": "x" }""", "seed: given \"x\"; allowed is a whole number of at least 0.")]
    [InlineData("""{ "name": "a", "seed": 1.5 }""", "seed: given 1.5; allowed is a whole number of at least 0.")]
    [InlineData(
        """{ "name": "a", "seed": 9999999999 }""",
        "seed: given 9999999999; allowed is a whole number of at least 0."
    )]
    [InlineData("""{ "name": "a", "seed": null }""", "seed: given null; allowed is a whole number of at least 0.")]
    [InlineData("""{ "name": null }""", "name: given null; allowed is a text.")]
    [InlineData("""{ "name": 3 }""", "name: given 3; allowed is a text.")]
    [InlineData("""{ "name": "a", "ema": 1 }""", "ema: given 1; allowed is true or false.")]
    [InlineData(
        """{ "name": "a", "curve": "linear" }""",
        "curve: given \"linear\"; allowed is one of \"Constant\", \"Cosine\"."
    )]
    [InlineData(
        """{ "name": "a", "optimiser": 3 }""",
        "optimiser: given 3; allowed is an object of learningRate, warmUp, betas."
    )]
    [InlineData(
        """{ "name": "a", "optimiser": { "betas": [1, "x"] } }""",
        "optimiser.betas[1]: given \"x\"; allowed is a number."
    )]
    [InlineData(
        """{ "name": "a", "optimiser": { "betas": 1 } }""",
        "optimiser.betas: given 1; allowed is a list, each a number."
    )]
    [InlineData("""{ "name": "a", "weights": { "flow": "x" } }""", "weights.flow: given \"x\"; allowed is a number.")]
    [InlineData("""{ "seed": 1 }""", "name")]
    [InlineData("""{ "name": "a", "name": "b" }""", "not valid JSON")]
    [InlineData("""{ "name": """, "not valid JSON")]
    [InlineData("[1]", "must be one JSON object")]
    [InlineData("""{ "name": "a", "extends": 3 }""", "extends: given 3")]
    [InlineData("""{ "name": "a", "extends": "none.json" }""", "no such file (\"extends\" of")]
    [InlineData("""{ "name": "a", "extends": "a.json" }""", "extends itself: a.json -> a.json")]
    public void A_wrong_recipe_is_refused(string text, string because) =>
        Refused(Put("a.json", text), [], folder, because);

    [Theory]
    [InlineData("seed", "give it as name=value")]
    [InlineData("=3", "give it as name=value")]
    [InlineData(
        "optimiser.lerningRate=3",
        "set optimiser.lerningRate=3: unknown member 'optimiser.lerningRate'; did you mean 'learningRate'?"
    )]
    [InlineData("seed=many", "set seed=many: seed: given \"many\"; allowed is a whole number of at least 0.")]
    [InlineData("seed.x=1", "seed: given {\"x\":1}; allowed is a whole number of at least 0.")]
    public void A_wrong_set_is_refused(string set, string because) =>
        Refused(Put("a.json", """{ "name": "a" }"""), [set], because);

    [Fact]
    public void A_set_reaches_into_lists_by_place_and_by_name()
    {
        var path = Put(
            "a.json",
            """{ "name": "a", "stages": [{ "warmUp": 1 }, { "warmUp": 2 }], "named": [{ "name": "fine" }, { "name": "b" }] }"""
        );
        var trial = Read(
            path,
            "stages[1].warmUp=7",
            "stages.0.betas=[3]",
            "stages.0.betas[0]=0.5",
            "named.Fine.seed=5",
            "named[1]={ \"name\": \"c\" }"
        );
        Assert.Equal((1L, 7L), (trial.Stages[0].WarmUp, trial.Stages[1].WarmUp));
        Assert.Equal([0.5], trial.Stages[0].Betas);
        Assert.Equal(("fine", 5, "c"), (trial.Named[0].Name, trial.Named[0].Seed, trial.Named[1].Name));
        Refused(path, ["stages[2].warmUp=7"], "stages has no element '2'; it has 0, 1");
        Refused(path, ["named.fin.seed=1"], "named has no element 'fin'; it has 0 (fine), 1 (b)");
        Refused(path, ["stages[1].warmap=7"], "unknown member 'stages[1].warmap'; did you mean 'warmUp'?");
        Refused(path, ["stages[0].betas[0]=x"], "betas[0]", "allowed is a number");
    }

    [Theory]
    [InlineData("seed=-1", "allowed is a whole number of at least 0")]
    [InlineData("optimiser.learningRate=1e999", "allowed is a number")]
    [InlineData("optimiser.learningRate=2,5", "allowed is a number")]
    [InlineData("curve=1", "one of")]
    [InlineData("curve=\"1\"", "one of")]
    [InlineData("weights.flow=1e999", "weights.flow")]
    public void A_value_that_would_be_read_as_something_else_is_refused(string set, string because) =>
        Refused(Put("a.json", """{ "name": "a" }"""), [set], because);

    [Fact]
    public void The_file_at_fault_is_named_and_circles_are_refused()
    {
        Put("base.json", """{ "sede": 1 }""");
        Refused(Put("top.json", """{ "extends": "base.json", "name": "a" }"""), [], "base.json: unknown member 'sede'");
        Put("base.json", """{ "extends": "top.json" }""");
        Refused(Path.Combine(folder, "top.json"), [], "top.json -> base.json -> top.json");
    }

    [Fact]
    public void A_text_is_read_like_a_file_but_extends_nothing()
    {
        Assert.Equal(5, Recipe.Parse("""{ "name": "a" }""", "request", ["seed=5"], TrialJson.Default.Trial).Seed);
        var e = Assert.Throws<UserException>(() =>
            Recipe.Parse("""{ "extends": "/etc/x.json" }""", "request", [], TrialJson.Default.Trial)
        );
        Assert.Contains("request: unknown member 'extends'", e.Message);
    }
}
