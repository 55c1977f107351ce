using System.Text.Json;
using LongTake.Tests.Data;
using LongTake.Tests.Video;

namespace LongTake.Tests.Cli;

/// <summary>longtake data probe and data ingest give one verdict.</summary>
public sealed class ProbeVerdictTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [SkippableFact]
    public void ProbeSaysOfEachVideoWhatAnIngestMakesOfIt()
    {
        Videos.Folder(program, takes: 2);
        Videos.Write(program["videos/short.mp4"], 2, t => t);
        File.Copy(program["videos/take0.mp4"], program["videos/take9.mp4"]);
        File.WriteAllText(program["videos/words.mp4"], "no video");
        Videos.Model(program["model"]);
        string[] given = ["--model", "model", "--set", "filter.clipSeconds=7"];
        Assert.Equal(0, program.Run(["data", "ingest", "videos", "-o", "set", "--jobs", "1", .. given]).Code);
        using var report = JsonDocument.Parse(File.ReadAllText(program["set/report.json"]));
        var ingest = report
            .RootElement.GetProperty("rows")
            .EnumerateArray()
            .Select(r => (Name: r.GetProperty("name").GetString()!, Rule: r.GetProperty("rule").GetString()!))
            .GroupBy(r => r.Name)
            .Select(g => (Name: g.Key, Rule: g.Any(r => r.Rule == "kept") ? "kept" : g.First().Rule))
            .ToList();
        Assert.Equal(
            "brief length, short length, still moving, take0 kept, take1 kept, take9 duplicate, words video",
            string.Join(", ", ingest.Select(r => $"{Path.GetFileNameWithoutExtension(r.Name)} {r.Rule}"))
        );
        string[] files = [.. ingest.Select(r => "videos/" + r.Name)];
        var probe = program.Run(["data", "probe", .. files, .. given, "--json"]);
        Assert.Equal(1, probe.Code);
        using var printed = JsonDocument.Parse(probe.Out);
        var verdicts = printed.RootElement.GetProperty("files").EnumerateArray().ToList();
        Assert.Equal(ingest.Count, verdicts.Count);
        foreach (var (row, said) in ingest.Zip(verdicts))
        {
            Assert.Equal("videos/" + row.Name, said.GetProperty("file").GetString());
            Assert.Equal(row.Rule, said.GetProperty("rule").GetString());
            Assert.Equal(row.Rule == "kept", said.GetProperty("kept").GetBoolean());
        }
        Assert.False(Directory.Exists(program["looked"]));
        var text = program.Run(["data", "probe", "videos/take1.mp4", "videos/still.mp4", .. given]).Out;
        Assert.Contains("videos/take1.mp4: kept\n  12 s, 192 frames, 16 fps", text);
        Assert.Contains("  0.00 to 12.00 s: take: one shot of 12.0 s: a take of 93 frames", text);
        Assert.Contains("videos/still.mp4: moving: frozen for 12.00 s", text);
        Assert.Equal(0, program.Run(["data", "probe", "videos/brief.mp4", "--model", "model"]).Code);
    }
}
