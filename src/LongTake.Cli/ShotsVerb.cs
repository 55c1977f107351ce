using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake data shots: the cuts of single videos, nothing written.</summary>
internal static class ShotsVerb
{
    private sealed record Found(string File, string Error, VideoScan? Scan, double Fps);

    /// <summary>A bad file does not end the run, but the exit code tells of it.</summary>
    public static Command Verb()
    {
        var (files, json) = (ProbeVerb.Videos(), Options.Json());
        return Options.Verb("shots", "Find cuts, dissolves, fades and wipes.", [files, json], p =>
        {
            var (all, cancel, bad) = (p.GetValue(files)!, Run.OnCtrlC(), 0);
            var objects = new JsonArray();
            foreach (var (n, file) in all.Index())
            {
                var found = Progress.Run("shots", r => Look(file, ProbeVerb.Share(r, n, all), cancel));
                bad += found.Error.Length > 0 ? 1 : 0;
                if (p.GetValue(json))
                    objects.Add(Json(found));
                else
                    Run.Print(false, [], Text(found)); // as they come
            }
            if (p.GetValue(json))
                Run.Print(true, new() { ["files"] = objects }, []);
            return bad == 0 ? Run.Done : Run.Failed;
        });
    }

    private static Found Look(string file, Action<double> share, CancellationToken cancel)
    {
        try
        {
            var info = Probe.Read(file, token: cancel);
            return new(file, "", VideoScan.Read(info, new(), share, cancel), info.Fps);
        }
        catch (UserException e) when (!cancel.IsCancellationRequested)
        {
            return new(file, UserException.Without(file, e.Message), null, 0);
        }
    }

    private static JsonObject Json(Found f) =>
        f.Error.Length > 0
            ? new() { ["file"] = f.File, ["error"] = f.Error }
            : new()
            {
                ["file"] = f.File,
                ["fps"] = Math.Round(f.Fps, 6),
                ["frames"] = f.Scan!.Frames,
                ["transitions"] = new JsonArray([
                    .. f.Scan!.Transitions.Select(t => new JsonObject
                    {
                        ["kind"] = t.Kind.ToString().ToLowerInvariant(),
                        ["start"] = Math.Round(t.Start, 6),
                        ["end"] = Math.Round(t.End, 6),
                        ["frame"] = t.Frame,
                        ["endFrame"] = t.EndFrame,
                        ["score"] = Math.Round(t.Score, 4),
                    }),
                ]),
            };

    private static IEnumerable<string> Text(Found f)
    {
        if (f.Scan is not { } scan)
            return [$"{f.File}: {f.Error}"];
        var found = scan.Transitions.Count == 0 ? "one shot" : $"{scan.Transitions.Count} transitions";
        return
        [
            $"{f.File}: {scan.Frames} frames, {found}",
            .. scan.Transitions.Select(t =>
                t.Kind == TransitionKind.Cut
                    ? $"  cut       {t.Start, 9:0.000} s          frame {t.Frame} (score {t.Score:0.00})"
                    : $"  {t.Kind.ToString().ToLowerInvariant(), -9} {t.Start, 9:0.000}-{t.End:0.000} s frames "
                        + $"{t.Frame}-{t.EndFrame} (score {t.Score:0.00})"
            ),
        ];
    }
}
