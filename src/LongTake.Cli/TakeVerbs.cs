using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Takes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake take: work on takes.</summary>
internal static class TakeVerbs
{
    private static Argument<string> Path() => new("take") { Description = "the take, NAME.take" };

    private static Option<string?> Branch() => new("--branch") { Description = "another branch than the current one" };

    private static Option<string?> Model() =>
        new("--model", "--model-path") { Description = "where the take's model is, if it is not found" };

    private static Option<string?> Prompt(string without) =>
        new("--prompt", "-p")
        {
            Description =
                "what these seconds show, or a schedule in seconds of the take, '0-20 s: ... | 20-40 s: ...'; "
                + $"without it {without}",
        };

    private static Option<long?> Seed() =>
        new("--seed") { Description = "seed of the noise; without it another one for each operation" };

    private static Option<int?> Fade(string where) =>
        new("--fade") { Description = $"latents of the transition {where}; without it the model's own" };

    public static Command Show()
    {
        var (take, json) = (Path(), Options.Json());
        return Options.Verb("show", "Say what a take is made of.", [take, json], p =>
        {
            using var opened = Take.Open(p.GetValue(take)!);
            Run.Print(p.GetValue(json), TakeText.Describe(opened), TakeText.Lines(opened));
            return Run.Done;
        });
    }

    public static Command Extend()
    {
        var (take, prompt, seed, branch, model) = (
            Path(),
            Prompt("the last prompt goes on"),
            Seed(),
            Branch(),
            Model()
        );
        var (fade, device, json) = (Fade("into a new window"), Options.Device(), Options.Json());
        Option<double?> seconds = new("--seconds") { Description = "seconds to add; without it 30" };
        Option<double?> to = new("--to") { Description = "in their place, the new length in seconds" };
        Option<int?> hold = new("--hold")
        {
            Description = "known latents that a new window begins with; without it the model's own",
        };
        return Options.Verb(
            "extend",
            "Go on behind the end of a take.",
            [take, seconds, to, prompt, seed, hold, fade, branch, model, device, json],
            p =>
            {
                if (p.GetValue(seconds) is not null && p.GetValue(to) is not null)
                    throw new UserException("--seconds together with --to: give one of them", usage: true);
                if (p.GetValue(seconds) is { } s && !(s > 0))
                    throw new UserException($"--seconds {s}: more than 0", usage: true);
                Least("--hold", p.GetValue(hold), 1);
                Least("--fade", p.GetValue(fade), 0);
                Least("--seed", p.GetValue(seed), 0);
                return Edit(
                    p.GetValue(take)!,
                    p.GetValue(model),
                    p.GetValue(device)!,
                    p.GetValue(json),
                    "extend",
                    (editor, report, cancel) =>
                        editor.Extend(
                            p.GetValue(seconds),
                            p.GetValue(to),
                            p.GetValue(prompt),
                            p.GetValue(seed),
                            p.GetValue(hold),
                            p.GetValue(fade),
                            p.GetValue(branch),
                            report,
                            cancel
                        )
                );
            }
        );
    }

    public static Command Remake()
    {
        var (take, prompt, seed, branch, model) = (Path(), Prompt("the one that was there"), Seed(), Branch(), Model());
        var (fade, device, json) = (Fade("at either end"), Options.Device(), Options.Json());
        Option<double> from = new("--from") { Description = "first second", Required = true };
        Option<double> to = new("--to") { Description = "the second after the last one", Required = true };
        return Options.Verb(
            "remake",
            "Make some seconds of a take anew; all others stay as they are.",
            [take, from, to, prompt, seed, fade, branch, model, device, json],
            p =>
            {
                Least("--fade", p.GetValue(fade), 0);
                Least("--seed", p.GetValue(seed), 0);
                return Edit(
                    p.GetValue(take)!,
                    p.GetValue(model),
                    p.GetValue(device)!,
                    p.GetValue(json),
                    "remake",
                    (editor, report, cancel) =>
                        editor.Remake(
                            p.GetValue(from),
                            p.GetValue(to),
                            p.GetValue(prompt),
                            p.GetValue(seed),
                            p.GetValue(fade),
                            p.GetValue(branch),
                            report,
                            cancel
                        )
                );
            }
        );
    }

    public static Command BranchOff()
    {
        var (take, json) = (Path(), Options.Json());
        Argument<string> name = new("name") { Description = "the branch to go over to; one that is not there is made" };
        Option<string?> from = new("--from") { Description = "the branch it leaves; without it the current one" };
        Option<int?> operation = new("--operation")
        {
            Description = "the operation it leaves from; without it the last",
        };
        return Options.Verb(
            "branch",
            "Go over to a branch of a take, or make one.",
            [take, name, from, operation, json],
            p =>
            {
                using var opened = Take.Edit(p.GetValue(take)!);
                var there = opened.Document.Branches.Any(b => b.Name == p.GetValue(name));
                if (there && p.GetValue(from) is null && p.GetValue(operation) is null)
                    opened.GoTo(p.GetValue(name)!);
                else
                    opened.AddBranch(p.GetValue(name)!, p.GetValue(from), p.GetValue(operation));
                Run.Print(p.GetValue(json), TakeText.Describe(opened), TakeText.Lines(opened));
                return Run.Done;
            }
        );
    }

    public static Command Verify()
    {
        var (take, model, device, json) = (Path(), Model(), Options.Device(), Options.Json());
        Option<int?> operation = new("--operation")
        {
            Description = "make this operation again, too: its latents must have the same bytes",
        };
        return Options.Verb("verify", "Check that a take is whole.", [take, operation, model, device, json], p =>
        {
            var cancel = Run.OnCtrlC();
            using var opened = Take.Open(p.GetValue(take)!);
            if (p.GetValue(operation) is { } given && (given < 1 || given > opened.Document.Operations.Count))
                throw new UserException(
                    $"--operation {given}: the take has 1 to {opened.Document.Operations.Count}",
                    usage: true
                );
            var damage = Progress.Run("verify", report => opened.Damage(report, cancel).ToList());
            if (damage.Count == 0 && p.GetValue(operation) is { } id)
            {
                Run.UseAllCores();
                damage.AddRange(Progress.Run("verify", report =>
                    {
                        using var editor = Open(opened, p.GetValue(model), p.GetValue(device)!);
                        return editor
                            .Differing(id, report, cancel)
                            .Select(s =>
                                $"operation {id}: latents {s.From} to {s.From + s.Latents} come out with other bytes "
                                + $"(made with {opened.Document.Operations[id - 1].Settings.Computed})"
                            );
                    }));
            }
            if (damage.Count > 0)
                throw new UserException(string.Join("\nlongtake: ", damage));
            Run.Print(
                p.GetValue(json),
                new()
                {
                    ["take"] = p.GetValue(take),
                    ["files"] = opened.Files.Count(),
                    ["whole"] = true,
                },
                [$"{p.GetValue(take)}: {opened.Files.Count()} files of latents, all as they were written"]
            );
            return Run.Done;
        });
    }

    /// <summary>Opens the model of a take.</summary>
    public static TakeEditor Open(Take take, string? model, string device) =>
        TakeEditor.Open(take, model is null ? null : Shipped.Located(model), ComputeDevice.Choose(device));

    /// <summary>Refuses a number below the least one.</summary>
    public static void Least(string option, long? given, long least)
    {
        if (given < least)
            throw new UserException($"{option} {given}: at least {least}", usage: true);
    }

    private static int Edit(
        string path,
        string? model,
        string device,
        bool json,
        string verb,
        Func<TakeEditor, IProgress<ProgressReport>, CancellationToken, TakeOperation> work
    )
    {
        var cancel = Run.OnCtrlC();
        Run.UseAllCores();
        using var take = Take.Edit(path);
        var done = Progress.Run(verb, report =>
        {
            using var editor = Open(take, model, device);
            return work(editor, report, cancel);
        });
        Run.Print(json, TakeText.Describe(take), TakeText.Done(take, done));
        return Run.Done;
    }
}
