using LongTake.Data;

namespace LongTake.Tests.Data;

/// <summary>
/// One recipe at a time: whoever comes with another is told what differs, and nothing of the set is touched.
/// </summary>
public sealed class RecipeHoldTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-hold-").FullName;
    private readonly DataRecipe recipe = new() { Sources = ["videos"] };

    public void Dispose() => Directory.Delete(root, recursive: true);

    private string File => DatasetBuilder.RecipeFile(root);

    [Fact]
    public void TheSameRecipeSharesAndAnotherIsRefused()
    {
        var other = recipe with { Filter = recipe.Filter with { MinSeconds = 20 } };
        using (
            RecipeHold first = new(root, recipe),
                second = new(root, recipe)
        )
        {
            var before = System.IO.File.ReadAllText(File);
            first.Dispose(); // one is still at work
            var refused = Assert.Throws<UserException>(() => new RecipeHold(root, other));
            Assert.True(refused.Usage);
            Assert.Contains("filter.minSeconds 10 there, 20 here", refused.Message);
            Assert.Equal(before, System.IO.File.ReadAllText(File));
        }
        using (new RecipeHold(root, other))
            Assert.Contains("\"minSeconds\": 20", System.IO.File.ReadAllText(File));
        Assert.Empty(Directory.GetFiles(Path.Combine(root, "claims")));
    }

    [Fact]
    public void OfTwoRecipesAtTheSameTimeOneWins()
    {
        for (var round = 0; round < 8; round++)
        {
            var held = new RecipeHold?[2];
            Parallel.For(0, 2, n =>
            {
                try
                {
                    held[n] = new(root, recipe with { About = $"{round} {n}" });
                }
                catch (UserException) { }
            });
            var winner = Assert.Single(held, h => h is not null);
            Assert.Contains($"{round} {Array.IndexOf(held, winner)}", System.IO.File.ReadAllText(File));
            winner!.Dispose();
        }
    }

    [Fact]
    public void TheDeadHoldNothing()
    {
        var claims = Path.Combine(root, "claims");
        using (new RecipeHold(root, recipe))
        {
            // A process of this machine that has ended: its number is free, or another's with another start.
            var held = Directory.GetFiles(claims).Single();
            var owner = System.IO.File.ReadAllText(held).Split('\t');
            System.IO.File.WriteAllText(Path.Combine(claims, "recipe-dead.1"), $"{owner[0]}\t{owner[1]}\t1");
        }
        using (new RecipeHold(root, recipe with { About = "another" }))
            Assert.DoesNotContain("recipe-dead.1", Directory.GetFiles(claims).Select(Path.GetFileName));
        System.IO.File.WriteAllText(File, "{ broken");
        using (new RecipeHold(root, recipe))
            Assert.StartsWith("{\n", System.IO.File.ReadAllText(File));
    }
}
