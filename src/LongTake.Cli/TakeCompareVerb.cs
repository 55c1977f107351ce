using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Takes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake take compare</summary>
internal static class TakeCompareVerb
{
    private static readonly (string Name, Func<SecondMeasure, double> Of)[] measures =
    [
        ("luma", m => m.Luma),
        ("colour", m => m.Colour),
        ("sharpness", m => m.Sharpness),
        ("motion", m => m.Motion),
    ];

    public static Command Verb()
    {
        Argument<string> first = new("first") { Description = "a take, or NAME.take#BRANCH" };
        Argument<string> second = new("second") { Description = "another one" };
        var output = Options.Output("the video, the first on the left", "compare.mp4");
        Option<string?> model = new("--model", "--model-path")
        {
            Description = "where the takes' model is, if it is not found",
        };
        var (device, json) = (Options.Device(), Options.Json());
        return Options.Verb(
            "compare",
            "Show two takes side by side, and how they drift.",
            [first, second, output, model, device, json],
            p =>
            {
                var cancel = Run.OnCtrlC();
                Run.UseAllCores();
                var (one, other) = (Parts(p.GetValue(first)!), Parts(p.GetValue(second)!));
                using var left = Take.Open(one.Path);
                using var right = Take.Open(other.Path);
                var size = Math.Min(left.Document.Width, left.Document.Height);
                var frames = Progress.Run("compare", report =>
                {
                    using var a = TakeVerbs.Open(left, p.GetValue(model), p.GetValue(device)!);
                    using var b = TakeVerbs.Open(right, p.GetValue(model), p.GetValue(device)!);
                    return TakeComparison.Write(
                        (a, one.Branch),
                        (b, other.Branch),
                        p.GetValue(output)!,
                        new() { Upscale = Math.Clamp(384 / size, 1, 64) },
                        report,
                        cancel
                    );
                });
                var (of, and) = (Seconds(left, one.Branch), Seconds(right, other.Branch));
                Run.Print(
                    p.GetValue(json),
                    new()
                    {
                        ["output"] = p.GetValue(output),
                        ["frames"] = frames,
                        ["first"] = Curves(of),
                        ["second"] = Curves(and),
                    },
                    [
                        $"{p.GetValue(output)}: {frames} frames, {frames / left.Document.Fps:0.##} s",
                        .. measures.SelectMany(m => Lines(m.Name, [.. of.Select(m.Of)], [.. and.Select(m.Of)])),
                    ]
                );
                return Run.Done;
            }
        );
    }

    // A name may hold a # itself.
    private static (string Path, string? Branch) Parts(string text) =>
        !Path.Exists(text) && text.LastIndexOf('#') is > 0 and var at ? (text[..at], text[(at + 1)..]) : (text, null);

    private static IReadOnlyList<SecondMeasure> Seconds(Take take, string? branch) =>
        take.Seconds(take.Document.BranchNamed(branch).Operation);

    private static JsonObject Curves(IReadOnlyList<SecondMeasure> seconds)
    {
        var curves = new JsonObject();
        foreach (var (name, of) in measures)
            curves[name] = new JsonArray([.. seconds.Select(s => JsonValue.Create(of(s)))]);
        return curves;
    }

    // Both on one scale, at most 60 marks wide.
    private static IEnumerable<string> Lines(string name, double[] first, double[] second)
    {
        var (low, high) = (first.Concat(second).Min(), first.Concat(second).Max());
        foreach (var (values, at) in new[] { (first, "first"), (second, "second") })
            yield return $"{name, -10}{at, -7}{Strip(values, low, high)} {values.Take(5).Average():0.#} -> "
                + $"{values.TakeLast(5).Average():0.#}";
    }

    private static string Strip(double[] values, double low, double high)
    {
        const string marks = "▁▂▃▄▅▆▇█";
        var each = (values.Length + 59) / 60;
        return string.Concat(
            values
                .Chunk(each)
                .Select(c => marks[high > low ? (int)((c.Average() - low) / (high - low) * (marks.Length - 1)) : 0])
        );
    }
}
