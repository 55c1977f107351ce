using System.Runtime.CompilerServices;
using System.Text.Json;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>What is written can be read again and is the same.</summary>
public sealed class ConfigTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void AModelReadsBackEqual()
    {
        var config = new ModelConfig
        {
            Name = "x",
            Fps = 16,
            Width = 64,
            FewSteps = [1000, 500],
            Wan = new()
            {
                PatchSize = [1, 1, 1],
                Dim = 24,
                Heads = 2,
                Eps = 1e-5,
            },
            Vae = new()
            {
                DimMult = [1, 2],
                TemporalDownsample = [true],
                Mean = [],
                Std = [],
            },
            Text = new(Vocab: 9, SharedPositions: true),
        };
        Same(config, ModelFolder.Create(Path.Combine(folder, "m"), config).Config);
        Same(config, ModelFolder.Open(Path.Combine(folder, "m")).Config);
        Same(
            new ModelConfig(),
            ModelFolder.Create(Path.Combine(folder, "d"), new()) is var m ? ModelFolder.Open(m.Path).Config : new()
        );
        Assert.DoesNotContain(
            "stride",
            File.ReadAllText(Path.Combine(folder, "m", "config.json")),
            StringComparison.OrdinalIgnoreCase
        );
    }

    [Fact]
    public void ARecipeReadsBackEqual()
    {
        var path = Path.Combine(folder, "r.json");
        var recipe = new TrainRecipe
        {
            About = "a \"b\" ü",
            Out = "o",
            From = "f",
            Data = "d",
            Threads = 3,
            Model = new() { Name = "n" },
            World = new() { Clips = 5 },
            Stages =
            [
                .. Presets.Methods.Select(m => new StageConfig
                {
                    Method = m.Name,
                    Name = $"{m.Name}!",
                    Loop = new() { Steps = 7, Seed = 1L << 40 },
                }),
            ],
        };
        Recipe.Write(path, recipe, TrainJson.Recipe);
        var again = Recipe.Read(path, [], TrainJson.Recipe);
        Assert.Equivalent(recipe, again, strict: true);
        Assert.Equal(
            JsonSerializer.Serialize(recipe, TrainJson.Recipe),
            JsonSerializer.Serialize(again, TrainJson.Recipe)
        );
    }

    [Fact]
    public void TheRecipesThatShipAreSound()
    {
        var files = Directory
            .GetFiles(
                Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "../../recipes")),
                "*.json",
                SearchOption.AllDirectories
            )
            // tables of comparisons are another format
            .Where(f => !File.ReadAllText(f).Contains("\"rows\""))
            .ToArray();
        Assert.NotEmpty(files);
        Assert.All(files, f =>
        {
            if (Path.GetFileName(f) != "generate.json")
                Assert.Empty(Recipe.Read(f, [], TrainJson.Recipe).Problems());
            else
                Assert.Empty(
                    Recipe.Read(f, [], VideoJson.Default.VideoRecipe) is var video
                        ? video.Video.Problems(video.Model!)
                        : []
                );
        });
    }

    private static void Same(ModelConfig a, ModelConfig b)
    {
        Assert.Equivalent(a, b, strict: true);
        Assert.Equal(
            JsonSerializer.Serialize(a, ModelJson.Default.ModelConfig),
            JsonSerializer.Serialize(b, ModelJson.Default.ModelConfig)
        );
    }

    private static string Here([CallerFilePath] string file = "") => file;

    [Fact]
    public void AnAutoencoderThatIsFittedHasOneStep()
    {
        var journey = Path.Combine(SourceFiles.Root, "recipes", "mini", "journey.json");
        Assert.Empty(Recipe.Read(journey, [], TrainJson.Recipe).Problems());
        var problem = Assert.Single(Recipe.Read(journey, ["stages.0.loop.steps=40"], TrainJson.Recipe).Problems());
        Assert.Contains("loop.steps 40: this autoencoder is fitted, not trained", problem);
    }
}
