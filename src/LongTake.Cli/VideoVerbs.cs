using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake data probe and longtake data shots: single videos looked at, nothing written.</summary>
internal static class VideoVerbs
{
    private static Argument<string[]> Files() =>
        new("files") { Description = "video files", Arity = ArgumentArity.OneOrMore };

    private static Option<bool> Json() => new("--json") { Description = "print one JSON object a file, a line each" };

    public static Command Probe()
    {
        var (files, json) = (Files(), Json());
        var headers = new Option<bool>("--headers-only") { Description = "do not decode: faster, and blind to damage" };
        var patience = Patience();
        var verb = new Command("probe", "Say what video files hold, whether they decode, and why not.")
        {
            files,
            headers,
            patience,
            json,
        };
        verb.SetAction(p =>
            Probe(
                p.GetValue(files)!,
                !p.GetValue(headers),
                TimeSpan.FromSeconds(p.GetValue(patience)),
                p.GetValue(json)
            )
        );
        return verb;
    }

    public static Command Shots()
    {
        var (files, json) = (Files(), Json());
        var patience = Patience();
        var verb = new Command("shots", "Find cuts, dissolves, fades and wipes.") { files, patience, json };
        verb.SetAction(p => Shots(p.GetValue(files)!, TimeSpan.FromSeconds(p.GetValue(patience)), p.GetValue(json)));
        return verb;
    }

    private static Option<double> Patience()
    {
        var option = new Option<double>("--patience")
        {
            Description = "seconds that a frame, or the probe, may take",
            DefaultValueFactory = _ => 60,
        };
        option.Validators.Add(r =>
        {
            if (r.Tokens is [var t] && double.TryParse(t.Value, out var s) && s is not (> 0 and <= 86400))
                r.AddError($"--patience {t.Value}: more than 0, at most 86400 seconds");
        });
        return option;
    }

    private static int Probe(string[] files, bool decode, TimeSpan patience, bool json)
    {
        var cancel = Run.OnCtrlC();
        return Each(
            "probe",
            files,
            json,
            progress =>
                VideoVerdict.Of(progress.File, new() { Patience = patience }, 0, decode, progress.Share, cancel),
            v => v.Kept,
            Json,
            Text
        );
    }

    private static int Shots(string[] files, TimeSpan patience, bool json)
    {
        var cancel = Run.OnCtrlC();
        return Each(
            "shots",
            files,
            json,
            progress => Found.Of(progress.File, patience, progress.Share, cancel),
            f => f.Error.Length == 0,
            Json,
            Text
        );
    }

    private sealed record Found(
        string File,
        string Error,
        double Fps,
        int Frames,
        IReadOnlyList<Transition> Transitions
    )
    {
        public static Found Of(string file, TimeSpan patience, Action<double> share, CancellationToken cancel)
        {
            try
            {
                var info = LongTake.Video.Probe.Read(file, patience, cancel);
                var scan = VideoScan.Read(info, new() { Patience = patience }, share, cancel);
                return new(file, "", info.Fps, scan.Frames, scan.Transitions);
            }
            catch (UserException e) when (!cancel.IsCancellationRequested)
            {
                return new(
                    file,
                    e.Message.StartsWith(file + ": ", StringComparison.Ordinal)
                        ? e.Message[(file.Length + 2)..]
                        : e.Message,
                    0,
                    0,
                    []
                );
            }
        }
    }

    // One file after another; a bad one does not end the run, but the exit code tells of it.
    private static int Each<T>(
        string title,
        string[] files,
        bool json,
        Func<(string File, Action<double> Share), T> look,
        Func<T, bool> good,
        Func<T, JsonObject> one,
        Func<T, IEnumerable<string>> lines
    )
    {
        var bad = 0;
        foreach (var (n, file) in files.Index())
        {
            var found = Progress.Run(title, r =>
                look((file, share => r.Report(new(n, files.Length, "files", $"{Path.GetFileName(file)} {share:P0}"))))
            );
            if (!good(found))
                bad++;
            if (json)
                Console.WriteLine(one(found).ToJsonString());
            else
                foreach (var line in lines(found))
                    Console.WriteLine(line);
        }
        return bad == 0 ? Run.Done : Run.Failed;
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

    private static JsonObject Json(Found f) =>
        f.Error.Length > 0
            ? new() { ["file"] = f.File, ["error"] = f.Error }
            : new()
            {
                ["file"] = f.File,
                ["fps"] = Math.Round(f.Fps, 6),
                ["frames"] = f.Frames,
                ["transitions"] = new JsonArray([
                    .. f.Transitions.Select(t => new JsonObject
                    {
                        ["kind"] = t.Kind.ToString().ToLowerInvariant(),
                        ["start"] = Math.Round(t.Start, 6),
                        ["end"] = Math.Round(t.End, 6),
                        ["frame"] = t.Frame,
                        ["end_frame"] = t.EndFrame,
                        ["score"] = Math.Round(t.Score, 4),
                    }),
                ]),
            };

    private static IEnumerable<string> Text(Found f)
    {
        if (f.Error.Length > 0)
            yield return $"{f.File}: {f.Error}";
        else
            yield return $"{f.File}: {f.Frames} frames, "
                + $"{(f.Transitions.Count == 0 ? "one shot" : $"{f.Transitions.Count} transitions")}";
        foreach (var t in f.Transitions)
            yield return t.Kind == TransitionKind.Cut
                ? $"  cut       {t.Start, 9:0.000} s          frame {t.Frame} (score {t.Score:0.00})"
                : $"  {t.Kind.ToString().ToLowerInvariant(), -9} {t.Start, 9:0.000}-{t.End:0.000} s frames "
                    + $"{t.Frame}-{t.EndFrame} (score {t.Score:0.00})";
    }
}
