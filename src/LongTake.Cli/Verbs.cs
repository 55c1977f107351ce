using System.CommandLine;

namespace LongTake.Cli;

/// <summary>The verbs and their options; what they do is one static method each.</summary>
internal static class Verbs
{
    private static Option<bool> Json() => new("--json") { Description = "print one JSON object instead of text" };

    public static IEnumerable<Command> All()
    {
        yield return Train();
        yield return DoctorVerb();
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
}
