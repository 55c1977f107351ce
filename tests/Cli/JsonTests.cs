using System.Text.Json.Nodes;
using Json.Schema;
using LongTake.Tests.Video;

namespace LongTake.Tests.Cli;

/// <summary>With --json every verb prints one object, as docs/json.schema.json says.</summary>
public sealed class JsonTests : IDisposable
{
    private static readonly JsonSchema schema = JsonSchema.FromFile(
        Path.Combine(SourceFiles.Root, "docs", "json.schema.json")
    );
    private static readonly string model = Path.Combine(SourceFiles.Root, "models", "traveller");
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [SkippableFact]
    public void TheVerbsOfVideosPrintWhatTheSchemaSays()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var made = Printed(0, "generate", "a traveller walks", "--seconds", "1", "-o", "a.mp4");
        Assert.Equal("a.mp4", (string?)made["videos"]![0]!["video"]);
        Assert.Equal(0, (long)made["videos"]![0]!["seed"]!);
        Printed(0, "generate", "a traveller walks", "--seed", "3", "--dry-run");
        var ignored = program.Run("generate", "a traveller walks", "--crf", "20", "-o", "a.gif", "--dry-run");
        Assert.Equal("longtake: warning: --crf does nothing: a GIF has no quality to choose\n", ignored.Error);
        Assert.Single((JsonArray)Printed(1, "data", "probe", "a.mp4")["files"]!);
        Assert.Equal(2, ((JsonArray)Printed(1, "data", "shots", "a.mp4", "b.mp4")["files"]!).Count);
    }

    [SkippableFact]
    public void TheVerbsOfTakesPrintWhatTheSchemaSays()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var made = Printed(0, "generate", "a traveller walks", "--seconds", "2", "-o", "a.take");
        Assert.Equal("a.take", (string?)made["takes"]![0]!["take"]);
        Printed(0, "take", "extend", "a.take", "--to", "3");
        Printed(0, "take", "remake", "a.take", "--from", "1", "--to", "2");
        Assert.Equal(
            3,
            ((JsonArray)Printed(0, "take", "branch", "a.take", "b", "--operation", "2")["operations"]!).Count
        );
        Printed(0, "take", "show", "a.take");
        Printed(0, "take", "verify", "a.take", "--operation", "3");
        Printed(0, "take", "compare", "a.take#main", "a.take");
        Assert.Equal(
            8,
            (int)Printed(0, "take", "export", "a.take", "-o", "a.webm", "--from", ".5", "--to", "1")["frames"]!
        );
        Printed(0, "take", "export", "a.take", "-o", "a.png", "--from", "1");
        Printed(0, "take", "export", "a.take", "-o", "a.zip");
    }

    [Fact]
    public void TheVerbsOfModelsPrintWhatTheSchemaSays()
    {
        Printed(0, "inspect", model);
        Printed(0, "convert", model, "--to", "longtake", "-o", "copy");
        Printed(0, "plan", model);
        Printed(0, "doctor");
        var recipes = Path.Combine(SourceFiles.Root, "recipes", "mini");
        var plan = Printed(0, "plan", Path.Combine(recipes, "mmm-smoke.json"), "--dtype", "fp32");
        Assert.Contains("--dtype is of videos", plan["notes"]!.ToJsonString());
        Printed(0, "train", Path.Combine(recipes, "mmm-smoke.json"), "--dry-run");
        Printed(0, "reproduce", Path.Combine(recipes, "table.json"), "--dry-run");
    }

    [Fact]
    public void AFailureIsAnObjectToo()
    {
        Assert.Equal(2, (int)Printed(2, "generate", "a", "--seconds", "2,5")["exitCode"]!);
        Assert.Contains("nowhere", (string?)Printed(2, "inspect", "nowhere")["error"]);
        Assert.Equal("data report", (string?)Printed(2, "data", "report", "nowhere")["verb"]);
        Printed(2, "train", "nowhere.json");
        Printed(2, "eval", "world", "--model", model, "--row", $"a={model}#DmHead:FewStep:4:1");
    }

    private JsonNode Printed(int code, params string[] arguments)
    {
        var ran = program.Run([.. arguments, "--json"]);
        Assert.True(ran.Code == code, $"{string.Join(' ', arguments)}\n{ran.Out}{ran.Error}");
        var printed = JsonNode.Parse(ran.Out)!;
        var held = schema.Evaluate(printed, new() { OutputFormat = OutputFormat.List });
        Assert.True(
            held.IsValid,
            $"{ran.Out}\n"
                + string.Join(
                    '\n',
                    held.Details.Where(d => d.HasErrors)
                        .Select(d => $"{d.InstanceLocation}: {string.Join(' ', d.Errors!.Values)}")
                )
        );
        return printed;
    }
}
