using System.CommandLine;
using System.CommandLine.Help;

namespace LongTake.Cli;

/// <summary>The verbs and their options; what they do is one static method each.</summary>
internal static class Verbs
{
    private static Option<bool> Json() => new("--json") { Description = "print one JSON object instead of text" };

    /// <summary>The program; a plain command, because a root command is called after its file.</summary>
    public static Command Root()
    {
        var root = new Command("longtake", "LongTake trains, runs and judges generators of minute-long video.") { new HelpOption(), new VersionOption() };
        foreach (var verb in All()) root.Subcommands.Add(verb);
        return root;
    }

    public static IEnumerable<Command> All()
    {
        yield return Train();
        yield return DoctorVerb();
        yield return Data();
        yield return InspectPath();
    }

    private static Command Train()
    {
        var recipe = new Argument<string>("recipe") { Description = "a recipe, for example recipes/mini/mmm-smoke.json" };
        var sets = new Option<string[]>("--set") { Description = "change a member: --set out=runs/a --set world.clips=500", AllowMultipleArgumentsPerToken = false };
        var dry = new Option<bool>("--dry-run") { Description = "print the resolved recipe and stop" };
        var json = Json();
        var verb = new Command("train", "Train the stages of a recipe; the same command goes on where it stopped.") { recipe, sets, dry, json };
        verb.SetAction(p => TrainVerb.Run(p.GetValue(recipe)!, p.GetValue(sets) ?? [], p.GetValue(dry), p.GetValue(json)));
        return verb;
    }

    private static Command DoctorVerb()
    {
        var json = Json();
        var verb = new Command("doctor", "Say what this machine has and which libraries are used.") { json };
        verb.SetAction(p => Doctor.Run(p.GetValue(json)));
        return verb;
    }

    private static Command Data()
    {
        var sources = new Argument<string[]>("sources") { Description = "video files, and folders of them", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--output", "-o") { Description = "folder of the data set", Required = true };
        var model = new Option<string>("--model", "--model-path") { Description = "model folder whose picture size and rate count", DefaultValueFactory = _ => "models/traveller" };
        var min = new Option<double>("--min-seconds") { Description = "shortest take", DefaultValueFactory = _ => 10 };
        var max = new Option<double?>("--max-seconds") { Description = "a longer take is thinned out in time to fit; 61 or the model's longest film when not given" };
        var clip = new Option<double>("--clip-seconds") { Description = "shortest clip; at least the model's own", DefaultValueFactory = _ => 5 };
        var json = Json();
        var ingest = new Command("ingest", "Sort videos into takes, clips and those that cannot be used; say why of each.")
            { sources, output, model, min, max, clip, json };
        ingest.SetAction(p => IngestVerb.Run(p.GetValue(sources) ?? [], p.GetValue(output)!, p.GetValue(model)!,
            p.GetResult(model) is { Implicit: false }, p.GetValue(min), p.GetValue(max), p.GetValue(clip), p.GetValue(json)));
        return new Command("data", "Make data sets.") { ingest };
    }

    private static Command InspectPath()
    {
        var path = new Argument<string>("path") { Description = "a model, weights, a run, a data set, a film or a recipe" };
        var json = Json();
        var verb = new Command("inspect", "Say what a file or folder is, and what is missing in it.") { path, json };
        verb.SetAction(p => InspectVerb.Run(p.GetValue(path)!, p.GetValue(json)));
        return verb;
    }
}
