using System.Text.Json;
using LongTake.Data;
using LongTake.Media;
using LongTake.Models;
using LongTake.Tests.Cli;
using LongTake.Tests.Media;

namespace LongTake.Tests.Data;

public sealed class IngestJobTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [SkippableFact]
    public void FilmsBecomeASetWithLatents()
    {
        Films(takes: 3);
        using (var scope = new Scope())
        {
            var config = new ModelConfig { ClipLatents = 5, FilmLatents = 25, Vae = new() { Dim = 4, ZDim = 4, DimMult = [1, 1, 1], ResBlocks = 1, TemporalDownsample = [true, true], Mean = [], Std = [] } };
            using var weights = Weights.Create(new Rng(1));
            _ = new WanVae(weights, config.Vae);
            ModelFolder.Create(program["model"], config).Save(ModelFolder.Vae, weights);
        }
        var ran = program.Run("data", "ingest", "films", "-o", "set", "--model", "model", "--json");
        Assert.True(ran.Code == 0, ran.Error);
        var json = JsonDocument.Parse(ran.Out).RootElement;
        Assert.Equal((2, 1), (json.GetProperty("takes").GetInt32(), json.GetProperty("heldOutTakes").GetInt32()));
        var manifest = JsonDocument.Parse(File.ReadAllText(program["set/manifest.json"])).RootElement.GetProperty("files");
        Assert.Equal(["brief.mp4 clip kept", "still.mp4  moving", "take0.mp4 take kept", "take0.txt  video", "take1.mp4 take kept", "take2.mp4 take kept"],
            manifest.EnumerateArray().Select(f => $"{Path.GetFileName(f.GetProperty("path").GetString())} {f.GetProperty("role")} {f.GetProperty("rule")}"));
        Assert.Equal(6 + 2, File.ReadAllLines(program["set/manifest.json"]).Length);

        var set = VideoSet.Read(program["set"]);
        Assert.Equal("a lone walker", set.Items.First(i => i.Video == "take-0000").Item.Caption);
        var model = ModelFolder.Open(program["model"]);
        using (var latents = VideoSet.Latents(program["set"], model, program["cache"], null, default))
        {
            Assert.Equal(json.GetProperty("latents").GetString(), Path.GetRelativePath(program.Folder, latents.Folder));
            Assert.Equal(2, latents.Takes.Count);
            Assert.All(latents.Clips, c => Assert.Equal(5, c.Latents));
            Assert.Contains(latents.Clips, c => c.Name.StartsWith("clip-0000-at", StringComparison.Ordinal));
            using var scope = new Scope();
            Assert.Equal([1, 4, 24, 8, 8], latents.Latents(latents.Takes[0]).Shape);   // 12 s: 93 frames
            // What is held out is so as a whole and in pieces.
            var held = latents.Info.Items.Single(i => i.HeldOut && i.Role == "take");
            Assert.All(latents.Info.Items.Where(i => i.Name.StartsWith(held.Name, StringComparison.Ordinal)), i => Assert.True(i.HeldOut));
            Assert.All(latents.Clips, c => Assert.DoesNotContain(held.Name, c.Name, StringComparison.Ordinal));
        }
        Assert.False(Directory.Exists(program["cache"]));
        Assert.Equal(17 * 32 * 32 * 3, VideoSet.Stretches(program["set"], model.Config)(new Rng(1), 17).Length);
        Assert.Throws<UserException>(() => VideoSet.Require(program["set"], model.Config with { Fps = 16 }, takes: true));
        VideoSet.Require(program["set"], model.Config, takes: true);
        var seen = program.Run("inspect", "set");
        Assert.Contains("take held out: items 1", seen.Out);

        // Again: the same bytes, and no file is looked at twice.
        var (frames, list, journal) = (File.ReadAllBytes(program["set/frames.safetensors"]), File.ReadAllText(program["set/videos.json"]), Looked());
        Assert.Equal(0, program.Run("data", "ingest", "films", "-o", "set", "--model", "model").Code);
        Assert.Equal(frames, File.ReadAllBytes(program["set/frames.safetensors"]));
        Assert.Equal(list, File.ReadAllText(program["set/videos.json"]));
        Assert.Equal(journal, Looked());
    }

    [SkippableFact]
    public void TheOnlyTakeIsSharedAndAKillLeavesNoSet()
    {
        Films(takes: 1);
        using (var child = program.Start("data", "ingest", "films", "-o", "set"))
        {
            while (!File.Exists(program["set/.looked.jsonl"]) && !child.HasExited) Thread.Sleep(5);
            Assert.Contains("another ingest is at work", Assert.Throws<UserException>(() => new IngestJob(program["set"], new())).Message);
            child.Kill();
            child.WaitForExit();
        }
        Assert.Contains("no data set here", Assert.Throws<UserException>(() => VideoSet.Read(program["set"])).Message);
        Assert.Equal(0, program.Run("data", "ingest", "films", "-o", "set").Code);
        var items = VideoSet.Read(program["set"]).Items;
        var takes = items.Where(i => i.Item.Role == "take").ToList();
        Assert.Equal([("take-0000", false), ("take-0000-end", true)], takes.Select(t => (t.Item.Name, t.Item.HeldOut)));
        Assert.Equal((61, 61, 29), (takes[0].Frames, takes[1].Start, takes[1].Frames));
        Assert.All(items, i => Assert.Equal(1, i.Frames % 4));
    }

    [SkippableFact]
    public void NothingKeptIsAnErrorThatNamesTheRule()
    {
        Films(takes: 0);
        File.Delete(program["films/brief.mp4"]);
        var ran = program.Run("data", "ingest", "films", "gone.mp4", "-o", "set");
        Assert.Equal(1, ran.Code);
        Assert.Contains("none of 3 files could be kept; the rule that took most is", ran.Error);
        Assert.False(VideoSet.Exists(program["set"]));
        Assert.Equal(2, program.Run("data", "ingest", "films", "-o", "films/set").Code);
    }

    private string Looked() => string.Join('\n', File.ReadLines(program["set/.looked.jsonl"]).Where(l => l.Length > 0));

    private void Films(int takes)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Directory.CreateDirectory(program["films"]);
        for (var n = 0; n < takes; n++) Write($"take{n}", t => t + 40 * n, 12);
        File.WriteAllText(program["films/take0.txt"], "a lone walker\n");
        Write("brief", t => t, 6);
        Write("still", _ => 0, 12);
    }

    private void Write(string name, Func<int, int> time, double seconds)
    {
        using var writer = new VideoWriter(program[$"films/{name}.mp4"], 48, 32, 16);
        for (var t = 0; t < seconds * 16; t++) writer.Write(Frames.Drifting(time(t), 48, 32));
        writer.Complete();
    }
}
