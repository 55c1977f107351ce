using LongTake.Data;
using LongTake.Media;
using LongTake.Tests.Media;
using Xunit.Abstractions;

namespace LongTake.Tests.Data;

public class IngestTests(ITestOutputHelper output)
{
    [SkippableFact]
    public void EveryFileGetsAReason()
    {
        string[] folders = ["long", "short", "corrupt", "multishot"];
        var files = folders.SelectMany(f => Directory.GetFiles(SharedMedia.Get(f))).Order(StringComparer.Ordinal).ToArray();
        var shares = new List<double>();
        var items = Ingest.Scan([.. folders.Select(SharedMedia.Get), SharedMedia.Get("gone.mp4")], new(), (_, share) => shares.Add(share));
        foreach (var item in items) output.WriteLine($"| {Path.GetFileName(item.Path)} | {item.Role} | {item.Rule} | {item.Reason} | {item.Caption} |");
        Assert.Equal(files.Append(SharedMedia.Get("gone.mp4")).Order(), items.Select(i => i.Path).Order());
        Assert.All(items, i => Assert.True(i.Reason.Length > 0 && i.Kept == (i.Role.Length > 0) && i.Kept == (i.Rule == "kept")));
        Assert.All(items.Where(i => i.Kept), i => Assert.Equal(1, i.Frames % 4));
        Assert.Equal((1.0, items.Count), (shares[^1], shares.Count));
        var of = items.ToDictionary(i => Path.GetFileName(i.Path));
        Assert.All(items.Where(i => i.Path.Contains("/long/")), i => Assert.Equal("take", i.Role));
        Assert.Equal(8.0 / 3, of["one_by_one_person.mp4"].SampleFps, 1e-9);
        Assert.Equal("clip", of["driving_lane.mp4"].Role);
        Assert.Equal("clip", of["driving_vfr.mp4"].Role);
        Assert.Equal("one by one person", of["one_by_one_person.mp4"].Caption);
        Assert.Equal("length", of["polka.gif"].Rule);
        Assert.Equal("exists", of["gone.mp4"].Rule);
        Assert.Equal("video", of["zero_byte.mp4"].Rule);
        Assert.Equal("undamaged", of["corrupted_middle.mp4"].Rule);
        Assert.All(items.Where(i => i.Path.Contains("/multishot/") && !i.Path.Contains("nocut") && !i.Path.EndsWith("truth.json", StringComparison.Ordinal)
            && !i.Path.Contains("psd_fades")), i => Assert.Equal("single-shot", i.Rule));
    }

    [SkippableFact]
    public void FramesCaptionAndLength()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        Directory.CreateDirectory(place["deep/er"]);
        Write(place["deep/er/fox.mp4"], t => t, 12);
        File.WriteAllText(place["deep/er/fox.txt"], "a fox walks\n");
        Write(place["still-life.mp4"], _ => 0, 12);
        Write(place["brief.mp4"], t => t, 6);
        Directory.CreateSymbolicLink(place["deep/loop"], place.Folder);
        var settings = new IngestSettings { Width = 24, Height = 16 };
        var items = Ingest.Scan([place.Folder], settings).ToDictionary(i => Path.GetFileName(i.Path));
        foreach (var item in items.Values) output.WriteLine($"{item}");
        Assert.Equal(4, items.Count);
        Assert.Equal("a fox walks", items["fox.mp4"].Caption);
        Assert.Equal(("take", 93), (items["fox.mp4"].Role, items["fox.mp4"].Frames)); // 96 frames at 8 a second
        Assert.Equal("moving", items["still-life.mp4"].Rule);
        Assert.Equal("clip", items["brief.mp4"].Role);
        Assert.Equal("video", items["fox.txt"].Rule);
        Assert.Equal(93 * 24 * 16 * 3, Ingest.Frames(items["fox.mp4"], settings).Length);
        Assert.Contains("frozen", Assert.Throws<UserException>(() => Ingest.Frames(items["still-life.mp4"], settings)).Message, StringComparison.Ordinal);
        Assert.Equal("length", Ingest.Scan([place["brief.mp4"]], settings with { KeepClips = false })[0].Rule);
        Assert.Equal("take", Ingest.Scan([place["brief.mp4"]], settings with { MinSeconds = 4 })[0].Role);
    }

    [SkippableFact]
    public void SettingsThatContradictAreRefusedAndScansCanBeStopped()
    {
        Assert.True(Assert.Throws<UserException>(() => Ingest.Scan([], new() { MaxSeconds = 5 })).Usage);
        Assert.True(Assert.Throws<UserException>(() => Ingest.Scan([], new() { Fps = 0 })).Usage);
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Assert.Throws<OperationCanceledException>(() => Ingest.Scan(["a.mp4"], new(), token: new(canceled: true)));
    }

    static void Write(string path, Func<int, int> time, double seconds)
    {
        using var writer = new VideoWriter(path, 48, 32, 16);
        for (var t = 0; t < seconds * 16; t++) writer.Write(Frames.Drifting(time(t), 48, 32));
        writer.Complete();
    }
}
