using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Evaluation;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>longtake eval world</summary>
internal static class EvalVerb
{
    public static Command World()
    {
        Option<string> model = new("--model", "--model-path")
        {
            Description = "model folder, when no --row is given",
            DefaultValueFactory = _ => Shipped.Model,
        };
        Option<string[]> rows = new("--row")
        {
            Description = "NAME=FOLDER#NETWORK:SAMPLER:STEPS:GUIDANCE[:FM STEPS]; may be repeated",
        };
        Option<string> set = new("--set-name")
        {
            Description = "captions and seeds: tune, or final",
            DefaultValueFactory = _ => "tune",
        };
        Option<int> videos = new("--videos") { Description = "videos a row", DefaultValueFactory = _ => 16 };
        Option<double> seconds = new("--seconds")
        {
            Description = "length of the videos; the measures of the whole minute mean little below 61",
            DefaultValueFactory = _ => 61,
        };
        var output = Options.Output("folder for table.md, table.json and sheets", Path.Combine("out", "eval"));
        var (device, json) = (Options.Device(), Options.Json());
        return Options.Verb(
            "world",
            "Measure videos of the Traveller world against its rules.",
            [model, rows, set, videos, seconds, device, output, json],
            p =>
                p.GetResult(model) is { Implicit: false } && p.GetResult(rows) is not null
                    ? throw new UserException("--model together with --row: each row names its own model", usage: true)
                    : World(
                        Shipped.Located(p.GetValue(model)!),
                        p.GetValue(rows) ?? [],
                        p.GetValue(set)!,
                        p.GetValue(videos),
                        p.GetValue(seconds),
                        ComputeDevice.Choose(p.GetValue(device)!),
                        p.GetValue(output)!,
                        p.GetValue(json)
                    )
        );
    }

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
        var network = Named<Network>(parts[0]) ?? throw Wrong($"network {parts[0]}: {Among<Network>()}");
        var sampler = Named<Sampler>(parts[1]) ?? throw Wrong($"sampler {parts[1]}: {Among<Sampler>()}");
        if (!Numbers.TryParse(parts[2], out int steps))
            throw Wrong($"steps {parts[2]}: a whole number");
        if (!Numbers.TryParse(parts[3], out double guidance))
            throw Wrong($"guidance {parts[3]}: a number{Numbers.Instead(parts[3])}");
        var fm = 0;
        if (parts.Length == 5 && !Numbers.TryParse(parts[4], out fm))
            throw Wrong($"FM steps {parts[4]}: a whole number");
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

    private static T? Named<T>(string text)
        where T : struct, Enum => Choices.Meant(Enum.GetNames<T>(), text) is { } name ? Enum.Parse<T>(name) : null;

    private static string Among<T>()
        where T : struct, Enum => $"one of {Choices.Among(typeof(T), Enum.GetNames<T>(), ", ")}";

    /// <summary>Makes and measures the videos of models, as a comparison whose rows train nothing.</summary>
    private static int World(
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
        Cli.Run.Print(
            json,
            new() { ["report"] = table.Report + ".json", ["rows"] = Node(made) },
            [ComparisonPage.Summary(made, table), $"Every metric is in {table.Report}.md and {table.Report}.json."]
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
