using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Evaluation;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>longtake eval world</summary>
internal static class EvalVerb
{
    /// <summary>
    /// A row as text: NAME=FOLDER#NETWORK:SAMPLER:STEPS:GUIDANCE[:FM STEPS], for example "4
    /// steps=models/traveller#DmHead:FewStep:4:1".
    /// </summary>
    public static TableRow Parse(string text)
    {
        UserException Wrong(string what) =>
            new(
                $"--row '{text}': {what}. Form: NAME=FOLDER#NETWORK:SAMPLER:STEPS:GUIDANCE, for example "
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
        return new()
        {
            Name = text[..equals],
            Model = text[(equals + 1)..hash],
            Lens = false,
            Video = new()
            {
                Network = network,
                Sampler = sampler,
                Steps = steps,
                Guidance = guidance,
                FmSteps = fm,
            },
        };
    }

    /// <summary>Makes and measures the videos of models, as a comparison whose rows train nothing.</summary>
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
        if (!(seconds >= 5))
            throw new UserException($"--seconds {seconds}: at least 5, the length of a window", usage: true);
        var wanted =
            rows.Count > 0
                ? rows.Select(Parse).ToList()
                : [Parse($"{Path.GetFileName(Path.GetFullPath(model))}={model}#DmHead:FewStep:4:1")];
        var table = new ComparisonTable
        {
            About = "Models compared",
            Out = output,
            Report = Path.Combine(output, "table"),
            Page = "",
            From = wanted[0].Model,
            Device = ComputeDevice.Name(device),
            Set = set,
            Videos = videos,
            Seconds = seconds,
            ReferenceTakes = 24,
            Reference = wanted[0].Name,
            Rows = wanted,
        };
        if (string.Join("; ", table.Problems()) is { Length: > 0 } problems)
            throw new UserException(problems, usage: true);
        OutputPlace.RequireFolder(output);
        Directory.CreateDirectory(output);
        using var alone = ReproduceVerb.Alone(output, "give another one with -o");
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        var plan = new ComparisonPlan(table, output);
        Progress.Run("eval world", report =>
        {
            foreach (var job in plan.Jobs)
                ComparisonWork.Do(job, table, report, cancel);
            return true;
        });
        var made = Scoring.Report(table, plan, 1, null, job => $"{job.Title}: not done");
        var command = $"longtake eval world {string.Join(' ', rows.Select(r => $"--row \"{r}\""))}".TrimEnd();
        ComparisonPage.Write(made, table, plan, $"{command} --set-name {set} --videos {videos} -o {output}");
        if (json)
            Console.WriteLine(Node(made).ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        else
            Console.WriteLine(
                $"{ComparisonPage.Summary(made, table)}\nEvery metric is in {table.Report}.md and {table.Report}.json."
            );
        return Cli.Run.Done;
    }

    private static JsonArray Node(ComparisonReport report) =>
        [
            .. report.Rows.Select(r => new JsonObject
            {
                ["name"] = r.Name,
                ["videos"] = r.Videos,
                ["secondsPerVideo"] = r.Cost.VideoSeconds,
                ["metrics"] = JsonSerializer.SerializeToNode(r.Metrics, ComparisonJson.Default.Options),
            }),
        ];
}
