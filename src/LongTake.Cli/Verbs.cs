using System.CommandLine;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>The verbs and their options; what they do is one static method each.</summary>
internal static class Verbs
{
    private static Option<bool> Json() => new("--json") { Description = "print one JSON object instead of text" };

    public static IEnumerable<Command> All()
    {
        yield return Demo();
        yield return Generate();
        yield return Train();
        yield return Eval();
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

    private static Command Demo()
    {
        var model = new Option<string>("--model") { Description = "model folder", DefaultValueFactory = _ => DemoVerb.Bundled };
        var prompt = new Option<string>("--prompt") { Description = "what the film shows", DefaultValueFactory = _ => DemoVerb.Prompt };
        var seed = new Option<long>("--seed") { Description = "seed of the noise", DefaultValueFactory = _ => 2 };
        var output = new Option<string>("--output", "-o") { Description = "folder for film.mp4, sheet.png, report.html", DefaultValueFactory = _ => Path.Combine("out", "demo") };
        var json = Json();
        var verb = new Command("demo", "Make a minute of film from the bundled model and show its exact scores.") { model, prompt, seed, output, json };
        verb.SetAction(p => DemoVerb.Run(p.GetValue(model)!, p.GetValue(prompt)!, p.GetValue(seed), p.GetValue(output)!, p.GetValue(json)));
        return verb;
    }

    private static Command Generate()
    {
        var model = new Option<string>("--model") { Description = "model folder", DefaultValueFactory = _ => DemoVerb.Bundled };
        var prompt = new Option<string>("--prompt", "-p") { Description = "what the film shows", Required = true };
        var negative = new Option<string>("--negative-prompt") { Description = "what it must not show (with guidance)", DefaultValueFactory = _ => "" };
        var seed = new Option<long>("--seed") { Description = "seed of the noise; the same seed gives the same film" };
        var seconds = new Option<double>("--seconds") { Description = "length of the film", DefaultValueFactory = _ => 61 };
        var steps = new Option<int>("--steps", "--num-inference-steps") { Description = "sampling steps; 0 takes the model's list" };
        var guidance = new Option<double>("--guidance", "--guidance-scale") { Description = "guidance, standard convention; 1 is none", DefaultValueFactory = _ => 1 };
        var speaker = new Option<Speaker>("--speaker") { Description = "which network makes the film", DefaultValueFactory = _ => Speaker.DmHead };
        var sampler = new Option<Sampler>("--sampler") { Description = "FewStep or Euler", DefaultValueFactory = _ => Sampler.FewStep };
        var fm = new Option<int>("--fm-steps") { Description = "first steps made by the flow-matching head (hybrid sampling)" };
        var upscale = new Option<int>("--upscale") { Description = "whole factor, nearest neighbour", DefaultValueFactory = _ => 12 };
        var output = new Option<string>("--output", "-o") { Description = "the film", DefaultValueFactory = _ => "film.mp4" };
        var json = Json();
        var verb = new Command("generate", "Make a film from a prompt.")
            { model, prompt, negative, seed, seconds, steps, guidance, speaker, sampler, fm, upscale, output, json };
        verb.SetAction(p => GenerateVerb.Run(DemoVerb.Located(p.GetValue(model)!), new FilmRequest
        {
            Prompt = p.GetValue(prompt)!, NegativePrompt = p.GetValue(negative)!, Seed = p.GetValue(seed), Seconds = p.GetValue(seconds),
            Steps = p.GetValue(steps), Guidance = p.GetValue(guidance), Speaker = p.GetValue(speaker), Sampler = p.GetValue(sampler), FmSteps = p.GetValue(fm),
        }, p.GetValue(output)!, p.GetValue(upscale), p.GetValue(json)));
        return verb;
    }

    private static Command Eval()
    {
        var model = new Option<string>("--model") { Description = "model folder, when no --row is given", DefaultValueFactory = _ => DemoVerb.Bundled };
        var rows = new Option<string[]>("--row") { Description = "NAME=FOLDER#SPEAKER:SAMPLER:STEPS:GUIDANCE[:FM STEPS]; may be repeated" };
        var set = new Option<string>("--set-name") { Description = "captions and seeds: tune, or final", DefaultValueFactory = _ => "tune" };
        var films = new Option<int>("--films") { Description = "films a row", DefaultValueFactory = _ => 16 };
        var output = new Option<string>("--output", "-o") { Description = "folder for table.md, table.json and sheets", DefaultValueFactory = _ => Path.Combine("out", "eval") };
        var json = Json();
        var world = new Command("world", "Measure films of the Traveller world against its laws.") { model, rows, set, films, output, json };
        world.SetAction(p => EvalVerb.World(DemoVerb.Located(p.GetValue(model)!), p.GetValue(rows) ?? [], p.GetValue(set)!, p.GetValue(films), p.GetValue(output)!, p.GetValue(json)));
        return new Command("eval", "Judge films.") { world };
    }
}
