using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Cli;

/// <summary>Each mistake gets its message and exit code, and leaves nothing behind that looks whole.</summary>
public sealed class BadInputTests : IDisposable
{
    private const string Stages =
        "\"stages\": [{ \"method\": \"Autoencoder\" }, { \"method\": \"Teacher\", \"loop\": { \"steps\": 1 } "
        + "}, { \"method\": \"LongSft\", \"loop\": { \"steps\": 1 } }]";
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [Theory]
    [InlineData("no-verb")]
    [InlineData("unknown-verb", "trian")]
    [InlineData("unknown-verb-within", "data", "injest")]
    [InlineData("unknown-option", "train", "--sett", "out=a", "recipe.json")]
    [InlineData("missing-argument", "data", "ingest", "-o", "set")]
    [InlineData("not-a-number", "data", "ingest", "videos", "-o", "set", "--jobs", "ten")]
    [InlineData("no-recipe", "train", "recipe.json")]
    [InlineData("inspect-nothing", "inspect", "nothing")]
    [InlineData("ingest-model-missing", "data", "ingest", "videos", "-o", "set", "--model", "nowhere")]
    [InlineData("shots-missing", "data", "shots", "video.mp4")]
    [InlineData("probe-missing", "data", "probe", "video.mp4", "--json")]
    [InlineData(
        "ingest-lengths",
        "data",
        "ingest",
        "videos",
        "-o",
        "set",
        "--set",
        "filter.minSeconds=20",
        "--set",
        "geometry.maxSeconds=15"
    )]
    [InlineData("ingest-clip-longer", "data", "ingest", "videos", "-o", "set", "--set", "filter.minSeconds=2")]
    [InlineData("ingest-unknown-key", "data", "ingest", "videos", "-o", "set", "--set", "filter.minSecond=5")]
    public void Arguments(string name, params string[] arguments)
    {
        Expectation.Same($"cli/{name}.txt", program.Transcript(arguments));
        Assert.Empty(Directory.GetFileSystemEntries(program.Folder));
    }

    [Theory]
    [InlineData("recipe-unknown-key", """{ "out": "run", "wrold": { "clips": 3 }, STAGES }""")]
    [InlineData(
        "recipe-unknown-key-within",
        """{ "out": "run", "stages": [{ "method": "Teacher", "loop": { "stepz": 3 } }] }"""
    )]
    [InlineData("recipe-unknown-method", """{ "out": "run", "stages": [{ "method": "Techer" }] }""")]
    [InlineData("recipe-derived-key", """{ "out": "run", "model": { "vae": { "spatialStride": 4 } }, STAGES }""")]
    [InlineData(
        "recipe-frames",
        """{ "out": "run", "stages": [{ "method": "Autoencoder", "autoencoder": { "frames": 16 } }] }"""
    )]
    [InlineData("recipe-size", """{ "out": "run", "model": { "width": 30 }, STAGES }""")]
    [InlineData("recipe-json", """{ "out": "run", "stages": [ }""")]
    [InlineData("recipe-set", """{ "out": "run", STAGES }""", "--set", "world.klips=5")]
    [InlineData("recipe-set-value", """{ "out": "run", STAGES }""", "--set", "world.clips=many")]
    [InlineData("model-missing", """{ "out": "run", "from": "nowhere", STAGES }""")]
    [InlineData("model-none-to-start-from", """{ "out": "run", "stages": [{ "method": "Teacher" }] }""")]
    [InlineData("data-missing", """{ "out": "run", "data": "nowhere", STAGES }""")]
    [InlineData("data-empty", """{ "out": "run", "data": "empty", STAGES }""")]
    [InlineData("data-no-takes", """{ "out": "run", "data": "clips", STAGES }""")]
    [InlineData("data-other-size", """{ "out": "run", "data": "clips", "model": { "width": 64 }, STAGES }""")]
    [InlineData("data-broken", """{ "out": "run", "data": "broken", STAGES }""")]
    public void Recipes(string name, string recipe, params string[] more)
    {
        Directory.CreateDirectory(program["empty"]);
        Directory.CreateDirectory(program["broken"]);
        program.Put("broken/videos.json", "{ \"fps\": 8, ");
        VideoSet.Write(
            program["clips"],
            new(
                8,
                [],
                [new("v", "clip.mp4", "", 0, null, 8, 41, 32, 32, null)],
                [new(new("clip-0000", "clip", 11, "a clip"), "v", 0, 41)]
            )
        );
        program.Put("recipe.json", recipe.Replace("STAGES", Stages));
        Expectation.Same($"cli/{name}.txt", program.Transcript(["train", "recipe.json", .. more]));
        Assert.False(Directory.Exists(program["run"]), "a run folder was made");
    }

    [Theory]
    [InlineData("no-ffmpeg-ingest", "data", "ingest", "video.mp4", "-o", "set")]
    [InlineData("no-ffmpeg-inspect", "inspect", "video.mp4")]
    public void NoFfmpeg(string name, params string[] arguments)
    {
        program.Variables["LONGTAKE_FFMPEG"] = "/nonexistent";
        program.Put("video.mp4", "not really");
        Expectation.Same($"cli/{name}.txt", program.Transcript(arguments));
        Assert.False(Directory.Exists(program["set"]));
    }

    [Theory]
    [InlineData("inspect-empty", "inspect", "folder")]
    [InlineData("inspect-json", "inspect", "some.json")]
    [InlineData("inspect-pickle", "inspect", "weights.pth")]
    [InlineData("inspect-recipe", "inspect", "recipe.json")]
    public void Inspected(string name, params string[] arguments)
    {
        Directory.CreateDirectory(program["folder"]);
        program.Put("some.json", "{ \"a\": 1 }");
        program.Put("weights.pth", "");
        program.Put("recipe.json", $"{{ {Stages} }}");
        Expectation.Same($"cli/{name}.txt", program.Transcript(arguments));
    }

    [Fact]
    public void DamagedWeightsNeverShowAStackTrace()
    {
        using (var scope = torch.NewDisposeScope())
        {
            using var weights = Weights.Create(new Rng(1));
            var config = new WanConfig
            {
                Dim = 12,
                FfnDim = 16,
                FreqDim = 8,
                TextDim = 8,
                Heads = 1,
                Layers = 3,
            };
            _ = new WanTransformer(weights, config);
            ModelFolder
                .Create(
                    program["model"],
                    new()
                    {
                        Name = "tiny",
                        Wan = config,
                        Text = new() { Dim = 8 },
                    }
                )
                .Save(ModelFolder.Teacher, weights);
        }
        Expectation.Same("cli/inspect-model.txt", program.Transcript("inspect", "model"));
        var file = program["model/teacher.safetensors"];
        var sound = File.ReadAllBytes(file);
        var header = (int)BitConverter.ToInt64(sound, 0);
        var random = new Rng(7);
        var refused = 0;
        var files = Soak.Of(10, 100);
        for (var i = 0; i < files; i++)
        {
            var bytes = sound.ToArray();
            switch (i % 5)
            {
                case 0:
                    bytes = sound[..random.Int(sound.Length)];
                    break; // cut short
                // another length of header
                case 1:
                    bytes[random.Int(8)] ^= (byte)(1 + random.Int(255));
                    break;
                // one byte of the header
                case 2:
                    bytes[8 + random.Int(header)] ^= (byte)(1 + random.Int(255));
                    break;
                case 3:
                    random.Int(256);
                    sound.AsSpan(sound.Length - 64).CopyTo(bytes.AsSpan(8 + random.Int(header - 64)));
                    break;
                // something follows
                default:
                    bytes = [.. sound, .. new byte[1 + random.Int(100)]];
                    break;
            }
            File.WriteAllBytes(file, bytes);
            var ran = program.Run("inspect", i % 2 == 0 ? "model/teacher.safetensors" : "model");
            var said = ran.Out + ran.Error;
            Assert.True(ran.Code is 0 or 1, $"mutation {i}: exit {ran.Code}\n{said}");
            Assert.DoesNotContain("   at ", said, StringComparison.Ordinal);
            Assert.DoesNotContain("nhandled", said, StringComparison.Ordinal);
            if (i % 2 == 0 && ran.Error.Length > 0)
                Assert.StartsWith("longtake: model/teacher.safetensors: ", ran.Error);
            if (ran.Code == 1 && said.Contains("not a valid safetensors file", StringComparison.Ordinal))
                refused++;
        }
        Assert.True(refused >= files / 2, $"only {refused} of {files} damaged files were refused");
    }

    [Fact]
    public void ADryRunPrintsARecipeThatResolvesToItself()
    {
        program.Put("recipe.json", $"{{ \"about\": \"größer\", {Stages} }}");
        var first = program.Run(
            "train",
            "recipe.json",
            "--set",
            "out=elsewhere",
            "--set",
            "from=a model",
            "--set",
            "stages=[{\"method\":\"Mmm\"}]",
            "--dry-run"
        );
        Assert.Equal((0, ""), (first.Code, first.Error));
        Assert.Contains("\"elsewhere\"", first.Out);
        program.Put("resolved.json", first.Out);
        Assert.Equal(first, program.Run("train", "resolved.json", "--dry-run"));
        Assert.Equal(2, Directory.GetFileSystemEntries(program.Folder).Length);
    }
}
