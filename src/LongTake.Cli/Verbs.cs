using System.CommandLine;
using System.CommandLine.Help;

namespace LongTake.Cli;

/// <summary>The verbs of the program, in the order of its help.</summary>
internal static class Verbs
{
    /// <summary>The program; a plain command, because a root command is called after its file.</summary>
    public static Command Root() =>
        new("longtake", "Train, run and judge generators of minute-long video. Begin with 'longtake demo'.")
        {
            new HelpOption(),
            new VersionOption(),
            DemoVerb.Verb(),
            GenerateVerb.Verb(),
            TrainVerb.Verb(),
            PlanVerb.Verb(),
            Eval(),
            Reproduce(),
            new Command("data", "Make data sets of footage.")
            {
                ProbeVerb.Verb(),
                ShotsVerb.Verb(),
                DataVerbs.Ingest(),
                DataVerbs.Filter(),
                DataVerbs.Caption(),
                DataEncodeVerb.Verb(),
                DataVerbs.Report(),
            },
            InspectVerb.Verb(),
            ConvertVerb.Verb(),
            Doctor.Verb(),
        };

    private static Command Eval()
    {
        var model = new Option<string>("--model")
        {
            Description = "model folder, when no --row is given",
            DefaultValueFactory = _ => Shipped.Model,
        };
        var rows = new Option<string[]>("--row")
        {
            Description = "NAME=FOLDER#NETWORK:SAMPLER:STEPS:GUIDANCE[:FM STEPS]; may be repeated",
        };
        var set = new Option<string>("--set-name")
        {
            Description = "captions and seeds: tune, or final",
            DefaultValueFactory = _ => "tune",
        };
        var videos = new Option<int>("--videos") { Description = "videos a row", DefaultValueFactory = _ => 16 };
        var seconds = new Option<double>("--seconds")
        {
            Description = "length of the videos; the measures of the whole minute mean little below 61",
            DefaultValueFactory = _ => 61,
        };
        var output = new Option<string>("--output", "-o")
        {
            Description = "folder for table.md, table.json and sheets",
            DefaultValueFactory = _ => Path.Combine("out", "eval"),
        };
        var device = Options.Device();
        var json = Options.Json();
        var world = new Command("world", "Measure videos of the Traveller world against its rules.")
        {
            model,
            rows,
            set,
            videos,
            seconds,
            device,
            output,
            json,
        };
        world.SetAction(p =>
            EvalVerb.World(
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
        return new Command("eval", "Judge videos.") { world };
    }

    private static Command Reproduce()
    {
        var path = new Argument<string>("table") { Description = "a comparison, for example recipes/mini/table.json" };
        var sets = new Option<string[]>("--set")
        {
            Description = "change a member: --set videos=12 --set out=runs/b",
            AllowMultipleArgumentsPerToken = false,
        };
        var budget = new Option<double?>("--budget")
        {
            Description =
                "minutes everything may take: the steps of every stage are scaled down, which the report says",
        };
        var jobs = new Option<int>("--jobs")
        {
            Description = "processes side by side, one thread each; 0: one a core, or a single one on a GPU",
        };
        var device = Options.DeviceOver("table");
        var output = new Option<string?>("--output", "-o")
        {
            Description =
                "folder of the report; the table's own place when not given, with --budget the folder "
                + "'report' of its runs",
        };
        var page = new Option<bool>("--page")
        {
            Description = "only draw the charts and renew the page, from the numbers that are there",
        };
        var dry = new Option<bool>("--dry-run") { Description = "print what there is to do and stop" };
        var job = new Option<string?>("--job") { Hidden = true };
        var json = Options.Json();
        var verb = new Command(
            "reproduce",
            "Train, video, measure and report a comparison of methods; the same command goes on where it stopped."
        )
        {
            path,
            sets,
            budget,
            jobs,
            device,
            output,
            page,
            dry,
            job,
            json,
        };
        verb.SetAction(p =>
            ReproduceVerb.Run(
                p.GetValue(path)!,
                p.GetValue(sets) ?? [],
                p.GetValue(budget),
                p.GetValue(jobs),
                p.GetValue(device),
                p.GetValue(output),
                p.GetValue(page),
                p.GetValue(dry),
                p.GetValue(job),
                p.GetValue(json)
            )
        );
        return verb;
    }
}
