using LongTake.Evaluation;
using LongTake.Methods;

namespace LongTake.Tests.Evaluation;

public sealed class PlanTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private string Path1 => Path.Combine(root, "table.json");

    public PlanTests()
    {
        File.Copy(Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"), Path.Combine(root, "tiny.json"));
        File.Copy(Path.Combine(AppContext.BaseDirectory, "assets", "tiny-table.json"), Path1);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private ComparisonPlan Plan(string rows, double scale = 1)
    {
        File.WriteAllText(Path1, $$"""{ "out": "{{root}}/runs", "reference": "a", "videos": 2, "rows": [{{rows}}] }""");
        return new(ComparisonTable.Read(Path1, []), Path1, scale);
    }

    private const string A = """{ "name": "a", "train": [{ "recipe": "tiny.json" }], "seeds": [1, 2] }""";

    [Fact]
    public void Rows_share_the_stages_they_have_in_common_and_seeds_part_after_the_teacher()
    {
        var plan = Plan(
            A
                + """, { "name": "b", "train": [{ "recipe": "tiny.json", "with": { "mmm": { "mmm": { "anchor": 0 } } } }] }"""
        );
        Assert.Equal(
            ["autoencoder", "teacher", "longsft", "mmm", "longsft", "mmm", "mmm"],
            plan.Jobs.OfType<StageJob>().Select(s => s.Stage.Folder)
        );
        Assert.Same(plan.Rows[0].Seeds[0].Trained!.Before, plan.Rows[1].Seeds[0].Trained!.Before);
        Assert.Equal(2, plan.Rows[0].Seeds[1].Trained!.Stage.Loop.Seed);
        Assert.Same(plan.Judge, ComparisonPlan.Stages(plan.Rows[0].Seeds[1].Trained).ElementAt(1));
    }

    [Fact]
    public void Equal_settings_are_equal_work_however_they_are_said()
    {
        var plan = Plan(
            A
                + """, { "name": "b", "train": [{ "recipe": "tiny.json", "last": "longsft" }, { "recipe": "tiny.json", "first": "mmm", "with": { "mmm": { "name": "again", "loop": { "logEvery": 7 } } } }] }"""
        );
        Assert.Same(plan.Rows[0].Seeds[0].Trained, plan.Rows[1].Seeds[0].Trained);
    }

    [Fact]
    public void A_budget_shrinks_the_steps_and_what_is_counted_in_steps()
    {
        var (whole, less) = (Plan(A).Rows[0].Seeds[0].Trained!, Plan(A, .5).Rows[0].Seeds[0].Trained!);
        Assert.Equal((10, 5), (whole.Stage.Loop.Steps, less.Stage.Loop.Steps));
        Assert.Equal((2, 1), (whole.Stage.Optimiser.WarmUp, less.Stage.Optimiser.WarmUp));
        Assert.NotEqual(whole.Id, less.Id);
        Assert.Equal(2, Plan(A, .001).Rows[0].Seeds[0].Trained!.Stage.Loop.Steps);
    }

    [Theory]
    [InlineData("table")]
    [InlineData("sweeps")]
    public void The_shipped_tables_can_be_planned(string name) =>
        Assert.All(Shipped(name).Rows, r => Assert.NotEmpty(r.Row.Train));

    /// <summary>
    /// The paper's ablations (table 2) are MMM with one thing left out; the paper's row has no local captions.
    /// </summary>
    [Fact]
    public void The_shipped_table_holds_the_papers_ablations()
    {
        var plan = Shipped("table");
        var mmm = Settings("MMM");
        Assert.Equal(mmm with { SingleHead = true }, Settings("no dual heads"));
        Assert.Equal(mmm with { FirstWindow = 1 }, Settings("no sliding-window DMD"));
        Assert.Equal(mmm with { SftWeight = 0, Anchor = 0 }, Settings("no SFT"));
        Assert.Equal(mmm with { Anchor = 0 }, Settings("MMM without the anchor"));
        Assert.Equal(mmm with { Anchor = 0, LocalCaptions = false }, Settings("MMM as in the paper"));

        MmmConfig Settings(string row) =>
            (MmmConfig)plan.Rows.Single(r => r.Row.Name == row).Seeds[0].Trained!.Stage.Settings(Mmm.Entry);
    }

    private static ComparisonPlan Shipped(string name)
    {
        var path = Path.Combine(SourceFiles.Root, "recipes", "mini", name + ".json");
        return new(ComparisonTable.Read(path, []), path);
    }

    [Fact]
    public void A_row_that_trains_nothing_is_of_its_model()
    {
        Assert.Contains(
            "no model",
            Assert.Throws<UserException>(() => Plan("""{ "name": "a", "video": { "steps": 4 } }""")).Message
        );
        var row = """{ "name": "b", "train": [{ "recipe": "tiny.json" }], "model": "models/traveller" }""";
        Assert.Contains("give one of them", Assert.Throws<UserException>(() => Plan($"{A}, {row}")).Message);
    }

    [Theory]
    [InlineData(
        """{ "name": "a", "train": [{ "recipe": "tiny.json", "last": "mm" }] }""",
        "has no stage 'mm'; it has autoencoder, teacher, longsft, mmm"
    )]
    [InlineData(
        """{ "name": "a", "train": [{ "recipe": "tiny.json", "with": { "mmm": { "mmm": { "ancor": 0 } } } }] }""",
        "did you mean 'anchor'?"
    )]
    [InlineData(
        """{ "name": "a", "train": [{ "recipe": "tiny.json", "last": "autoencoder" }] }""",
        "trains no teacher"
    )]
    [InlineData("""{ "name": "b", "train": [{ "recipe": "tiny.json" }] }""", "reference 'a': no row has this name")]
    [InlineData("""{ "name": "a" }""", "names no recipe to train")]
    [InlineData("""{ "name": "a", "train": [{ "recipe": "none.json" }] }""", "no such file")]
    public void Mistakes_are_told(string rows, string told)
    {
        var e = Assert.Throws<UserException>(() => Plan(rows));
        Assert.Contains(told, e.Message);
        Assert.True(e.Usage);
    }
}
