using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake data probe: single videos looked at, nothing written.</summary>
internal static class ProbeVerb
{
    public static Command Verb() =>
        Files(
            "probe",
            "Say what video files hold, whether they decode, and why not.",
            (file, share, cancel) => VideoVerdict.Of(file, new(), 0, decode: true, share, cancel),
            v => v.Kept,
            Json,
            Text
        );

    /// <summary>
    /// A verb that looks at one video file after another. A bad one does not end the run, but the exit code tells of
    /// it.
    /// </summary>
    public static Command Files<T>(
        string name,
        string help,
        Func<string, Action<double>, CancellationToken, T> look,
        Func<T, bool> good,
        Func<T, JsonObject> one,
        Func<T, IEnumerable<string>> lines
    )
    {
        Argument<string[]> files = new("files") { Description = "video files", Arity = ArgumentArity.OneOrMore };
        var json = Options.Json();
        return Options.Verb(name, help, [files, json], p =>
        {
            var (all, cancel, bad) = (p.GetValue(files)!, Run.OnCtrlC(), 0);
            var objects = new JsonArray();
            foreach (var (n, file) in all.Index())
            {
                var found = Progress.Run(name, r =>
                    look(
                        file,
                        share => r.Report(new(n, all.Length, "files", $"{Path.GetFileName(file)} {share:P0}")),
                        cancel
                    )
                );
                if (!good(found))
                    bad++;
                if (p.GetValue(json))
                    objects.Add(one(found));
                else
                    Run.Print(false, [], lines(found)); // as they come
            }
            if (p.GetValue(json))
                Run.Print(true, new() { ["files"] = objects }, []);
            return bad == 0 ? Run.Done : Run.Failed;
        });
    }

    private static JsonObject Json(VideoVerdict v)
    {
        var json = new JsonObject
        {
            ["file"] = v.Path,
            ["kept"] = v.Kept,
            ["rule"] = v.Rule,
            ["reason"] = v.Reason,
        };
        if (v.Info is { } i)
            json["video"] = new JsonObject
            {
                ["seconds"] = Math.Round(i.Seconds, 4),
                ["fps"] = Math.Round(i.Fps, 4),
                ["variableRate"] = i.Variable,
                ["frames"] = i.Frames,
                ["startSeconds"] = i.StartSeconds,
                ["badStamps"] = i.BadStamps,
                ["width"] = i.Width,
                ["height"] = i.Height,
                ["sampleAspect"] = Math.Round(i.SampleAspect, 4),
                ["rotation"] = i.Rotation,
                ["codec"] = i.Codec,
                ["pixelFormat"] = i.PixelFormat,
                ["bitDepth"] = i.BitDepth,
                ["colourRange"] = i.ColourRange,
                ["interlaced"] = i.Interlaced,
                ["stream"] = i.Stream,
                ["videoStreams"] = i.VideoStreams,
                ["audioStreams"] = i.AudioStreams,
            };
        if (v.Scan is { } s)
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

    private static IEnumerable<string> Text(VideoVerdict v)
    {
        yield return $"{v.Path}: {(v.Kept ? "kept" : $"{v.Rule}: {v.Reason}")}";
        if (v.Info is not { } i)
            yield break;
        List<string> facts =
        [
            $"{i.Seconds:0.##} s",
            $"{i.Frames} frames",
            $"{i.Fps:0.###} fps{(i.Variable ? ", variable" : "")}",
            $"{i.Width}x{i.Height}",
            i.Codec,
            i.PixelFormat,
        ];
        if (Math.Abs(i.SampleAspect - 1) > 1e-3)
            facts.Add($"pixels {i.SampleAspect:0.###} wide");
        if (i.Rotation != 0)
            facts.Add($"turned by {i.Rotation}");
        if (i.ColourRange.Length > 0)
            facts.Add($"range {i.ColourRange}");
        if (i.Interlaced)
            facts.Add("interlaced");
        if (i.StartSeconds != 0)
            facts.Add($"starts at {i.StartSeconds:0.###} s");
        if (i.BadStamps > 0)
            facts.Add($"{i.BadStamps} bad stamps");
        if (i.VideoStreams > 1)
            facts.Add($"{i.VideoStreams} video streams, number {i.Stream} taken");
        yield return "  " + string.Join(", ", facts);
    }
}
