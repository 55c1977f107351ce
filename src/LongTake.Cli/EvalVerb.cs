using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake eval world</summary>
internal static class EvalVerb
{
    /// <summary>
    /// A row as text: NAME=FOLDER#SPEAKER:SAMPLER:STEPS:GUIDANCE[:FM STEPS], for example "4
    /// steps=models/traveller#DmHead:FewStep:4:1".
    /// </summary>
    public static EvaluationRow Parse(string text)
    {
        UserException Wrong(string what) =>
            new(
                $"--row '{text}': {what}. Form: NAME=FOLDER#SPEAKER:SAMPLER:STEPS:GUIDANCE, for example "
                    + "'4 steps=models/traveller#DmHead:FewStep:4:1'",
                usage: true
            );
        var (equals, hash) = (text.IndexOf('='), text.LastIndexOf('#'));
        if (equals < 1 || hash < equals)
            throw Wrong("no name or no network");
        var parts = text[(hash + 1)..].Split(':');
        if (parts.Length is < 4 or > 5)
            throw Wrong("four parts are needed after #");
        if (!Enum.TryParse<Network>(parts[0], true, out var network))
            throw Wrong($"network is one of {string.Join(", ", Enum.GetNames<Network>())}");
        if (!Enum.TryParse<Sampler>(parts[1].Replace("-", ""), true, out var sampler))
            throw Wrong($"sampler is one of {string.Join(", ", Enum.GetNames<Sampler>())}");
        if (!int.TryParse(parts[2], out var steps) || !double.TryParse(parts[3], out var guidance))
            throw Wrong("steps and guidance are numbers");
        var fm = 0;
        if (parts.Length == 5 && !int.TryParse(parts[4], out fm))
            throw Wrong("FM steps are a number");
        return new EvaluationRow(
            text[..equals],
            text[(equals + 1)..hash],
            new VideoRequest
            {
                Prompt = "-",
                Network = network,
                Sampler = sampler,
                Steps = steps,
                Guidance = guidance,
                FmSteps = fm,
                Beyond = true,
            }
        );
    }

    public static int World(
        string model,
        IReadOnlyList<string> rows,
        string set,
        int videos,
        double seconds,
        torch.Device device,
        string output,
        bool json
    )
    {
        if (set is not ("tune" or "final"))
            throw new UserException($"--set-name {set}: tune or final", usage: true);
        if (videos < 2)
            throw new UserException($"--videos {videos}: at least 2, for the intervals", usage: true);
        if (!(seconds >= 5))
            throw new UserException($"--seconds {seconds}: at least 5, the length of a window", usage: true);
        var wanted =
            rows.Count > 0
                ? rows.Select(Parse).ToList()
                : [Parse($"{Path.GetFileName(Path.GetFullPath(model))}={model}#DmHead:FewStep:4:1")];
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        Directory.CreateDirectory(output);
        var results = Progress.Run("eval world", report =>
        {
            var list = new List<EvaluationResult>();
            WorldEvaluation.Reference? reference = null;
            foreach (var row in wanted)
            {
                using var files = ModelFiles.Open(row.Model);
                using var video = new VideoGenerator(files, row.Request, device: device);
                if (reference is null)
                    list.Add((reference = new WorldEvaluation.Reference(video, set, videos)).Row);
                var shown = new List<byte[]>();
                list.Add(
                    WorldEvaluation.Run(
                        video,
                        row,
                        set,
                        videos,
                        seconds,
                        reference,
                        report,
                        (n, rgb) =>
                        {
                            if (n % 7 == 0 && shown.Count < 6)
                                shown.Add(rgb);
                        },
                        cancel
                    )
                );
                Sheet(Path.Combine(output, Slug(row.Name) + ".png"), shown, video.Config);
                AtomicFile.Write(Path.Combine(output, "table.json"), s =>
                    s.Write(
                        JsonSerializer.SerializeToUtf8Bytes(list.Select(Node).ToArray(), JsonSerializerOptions.Default)
                    )
                );
            }
            return list;
        });
        var markdown = WorldEvaluation.Markdown(results);
        File.WriteAllText(Path.Combine(output, "table.md"), markdown);
        if (json)
            Console.WriteLine(
                new JsonArray([.. results.Select(r => (JsonNode)Node(r))]).ToJsonString(
                    new JsonSerializerOptions { WriteIndented = true }
                )
            );
        else
            Console.WriteLine(markdown);
        return Cli.Run.Done;
    }

    private static JsonObject Node(EvaluationResult r) =>
        new()
        {
            ["name"] = r.Name,
            ["videos"] = r.Videos,
            ["secondsPerVideo"] = Math.Round(r.SecondsPerVideo, 3),
            ["metrics"] = new JsonObject([
                .. r.Metrics.Select(m =>
                    KeyValuePair.Create(
                        m.Key,
                        (JsonNode?)
                            new JsonObject
                            {
                                ["mean"] = Math.Round(m.Value.Mean, 5),
                                ["low"] = Math.Round(m.Value.Low, 5),
                                ["high"] = Math.Round(m.Value.High, 5),
                                ["videos"] = m.Value.Count,
                            }
                    )
                ),
            ]),
        };

    private static string Slug(string name) =>
        string.Concat(name.ToLowerInvariant().Select(ch => char.IsAsciiLetterOrDigit(ch) ? ch : '-'));

    /// <summary>A row of 16 moments for each video.</summary>
    public static void Sheet(string path, IReadOnlyList<byte[]> videos, ModelConfig c)
    {
        var size = c.Width * c.Height * 3;
        var frames = videos
            .SelectMany(f =>
                Enumerable.Range(0, 16).Select(i => f.AsSpan((f.Length / size - 1) * i / 15 * size, size).ToArray())
            )
            .ToList();
        ContactSheet.Write(path, frames, c.Width, c.Height, 16, upscale: 3);
    }
}
