using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake data probe: what an ingest would make of single videos; nothing is written.</summary>
internal static class ProbeVerb
{
    private sealed record Verdict(Look Look, IReadOnlyList<Decision> Decisions)
    {
        public bool Kept => Decisions.Any(d => d.Kept);

        /// <summary>What keeps the file, or drops it.</summary>
        public Decision First => Decisions.FirstOrDefault(d => d.Kept) ?? Decisions[0];
    }

    public static Command Verb()
    {
        var (files, json, recipe) = (Videos(), Options.Json(), DataVerbs.RecipeFile());
        var (model, sets) = (DataVerbs.Model(), Options.Sets("filter.minSeconds=5"));
        return Options.Verb(
            "probe",
            "Say what video files hold, and whether an ingest would keep them, and why not.",
            [files, recipe, sets, model, json],
            p =>
            {
                var (all, cancel) = (p.GetValue(files)!, Run.OnCtrlC());
                var given = DataVerbs.Given(p.GetValue(recipe), p.GetValue(sets) ?? [], p.GetValue(model));
                using var start = StartModel.Open(Shipped.Located(given.Model), null);
                var found = Progress.Run("probe", r =>
                    DatasetBuilder.Try(all, given, start.Config, (n, share) => Share(r, n, all)(share), cancel)
                );
                List<Verdict> verdicts = [.. found.Select(f => new Verdict(f.Look, f.Decisions))];
                Run.Print(
                    p.GetValue(json),
                    new() { ["files"] = new JsonArray([.. verdicts.Select(Json)]) },
                    verdicts.SelectMany(Text)
                );
                return found.All(f => f.Decisions.Any(d => d.Kept)) ? Run.Done : Run.Failed;
            }
        );
    }

    public static Argument<string[]> Videos() =>
        new("files") { Description = "video files", Arity = ArgumentArity.OneOrMore };

    public static Action<double> Share(IProgress<ProgressReport> progress, int n, string[] all) =>
        share => progress.Report(new(n, all.Length, "files", $"{Path.GetFileName(all[n])} {share:P0}"));

    private static JsonObject Json(Verdict v)
    {
        var json = new JsonObject
        {
            ["file"] = v.Look.Path,
            ["kept"] = v.Kept,
            ["rule"] = v.First.Rule,
            ["reason"] = v.First.Reason,
            ["stretches"] = new JsonArray([
                .. v.Decisions.Select(d => new JsonObject
                {
                    ["start"] = Math.Round(d.Start, 4),
                    ["end"] = Math.Round(d.End, 4),
                    ["role"] = d.Role,
                    ["rule"] = d.Rule,
                    ["reason"] = d.Reason,
                }),
            ]),
        };
        if (v.Look.Scan is not { } s)
            return json;
        var i = s.Info;
        json["video"] = new JsonObject
        {
            ["seconds"] = Math.Round(i.Seconds, 4),
            ["fps"] = Math.Round(i.Fps, 4),
            ["variableRate"] = i.Variable,
            ["frames"] = i.Frames,
            ["startSeconds"] = i.StartSeconds,
            ["firstStamp"] = i.FirstStamp,
            ["timeBase"] = i.TimeBase.ToString(),
            ["badStamps"] = i.BadStamps,
            ["width"] = i.Width,
            ["height"] = i.Height,
            ["sampleAspect"] = Math.Round(i.SampleAspect, 4),
            ["rotation"] = i.Rotation,
            ["codec"] = i.Codec,
            ["pixelFormat"] = i.PixelFormat,
            ["bitDepth"] = i.BitDepth,
            ["colourRange"] = i.Colour.Range,
            ["colourMatrix"] = i.Colour.Matrix,
            ["colourTransfer"] = i.Colour.Transfer,
            ["colourPrimaries"] = i.Colour.Primaries,
            ["colour"] = i.Colour.Describe(i.Width, i.Height),
            ["interlaced"] = i.Interlaced,
            ["stream"] = i.Stream,
            ["videoStreams"] = i.VideoStreams,
            ["audioStreams"] = i.AudioStreams,
        };
        json["decoded"] = new JsonObject
        {
            ["frames"] = s.Frames,
            ["seconds"] = Math.Round(s.Seconds, 4),
            ["complaints"] = s.Complaints,
            ["complaint"] = s.Complaint,
            ["badStamps"] = s.BadStamps,
        };
        return json;
    }

    private static IEnumerable<string> Text(Verdict v)
    {
        yield return $"{v.Look.Path}: {(v.Kept ? "kept" : $"{v.First.Rule}: {v.First.Reason}")}";
        if (v.Look.Scan?.Info is not { } i)
            yield break;
        List<string> facts =
        [
            $"{i.Seconds:0.##} s",
            $"{i.Frames} frames",
            $"{i.Fps:0.###} fps{(i.Variable ? ", variable" : "")}",
            $"{i.Width}x{i.Height}",
            i.Codec,
            i.PixelFormat,
            i.Colour.Describe(i.Width, i.Height),
        ];
        if (Math.Abs(i.SampleAspect - 1) > 1e-3)
            facts.Add($"pixels {i.SampleAspect:0.###} wide");
        if (i.Rotation != 0)
            facts.Add($"turned by {i.Rotation}");
        if (i.Interlaced)
            facts.Add("interlaced");
        if (i.StartSeconds != 0)
            facts.Add($"starts at {i.StartSeconds:0.###} s");
        if (i.BadStamps > 0)
            facts.Add($"{i.BadStamps} bad stamps");
        if (i.VideoStreams > 1)
            facts.Add($"{i.VideoStreams} video streams, number {i.Stream} taken");
        yield return "  " + string.Join(", ", facts);
        if (v.Kept || v.Decisions.Count > 1)
            foreach (var d in v.Decisions)
                yield return $"  {d.Start:0.00} to {d.End:0.00} s: {(d.Kept ? d.Role : d.Rule)}: {d.Reason}";
    }
}
