using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Video;
using LongTake.Worlds;

namespace LongTake.Cli;

/// <summary>
/// longtake demo: a minute of video from the bundled model, with its exact scores beside those of real takes.
/// </summary>
internal static class DemoVerb
{
    public const string Prompt = "a traveller in a red coat and a wizard hat walks";

    public static Command Verb()
    {
        var request = new VideoRequest
        {
            Prompt = Prompt,
            Seed = 2,
            Network = Network.DmHead,
        };
        RequestOptions options = new(request, "prompt", "seed");
        Option<string> model = new("--model")
        {
            Description = "model folder",
            DefaultValueFactory = _ => Shipped.Model,
        };
        var output = Options.Output("folder for video.mp4, sheet.png, report.html", Path.Combine("out", "demo"));
        var (device, json) = (Options.Device(), Options.Json());
        return Options.Verb(
            "demo",
            "Make a minute of video from the bundled model and show its exact scores.",
            [.. options.All, model, device, output, json],
            p =>
                Run(
                    p.GetValue(model)!,
                    options.Read(p, request),
                    ComputeDevice.Choose(p.GetValue(device)!),
                    p.GetValue(output)!,
                    p.GetValue(json)
                )
        );
    }

    private static int Run(string folder, VideoRequest request, torch.Device device, string output, bool json)
    {
        void Say(string line)
        {
            if (!json)
                Console.WriteLine(line);
        }
        var cancel = Cli.Run.OnCtrlC();
        var clock = Stopwatch.StartNew();
        using var model = ModelFiles.Open(Shipped.Located(folder));
        var c = model.Config;
        var world = World.Of(c.Width, c.Height);
        Cli.Run.UseAllCores();
        request = request with { Frames = c.Frames(c.VideoLatents) };
        var (sheet, report) = (Path.Combine(output, "sheet.png"), Path.Combine(output, "report.html"));
        OutputPlace.RequireFile(sheet);
        OutputPlace.RequireFile(report);
        VideoGenerator.Require(request.Resolve(model), Path.Combine(output, "video.mp4"));
        var prompt = request.Prompt;
        Say(
            $"LongTake demo: {c.Frames(c.VideoLatents) / c.Fps:0} s of video in {c.FewSteps.Length} steps of "
                + $"the distribution-matching head"
        );
        Say($"  model   {model.Path} ({c.Width}x{c.Height} at {c.Fps} fps, {c.VideoLatents} latents)");
        Say($"  prompt  {prompt}");
        using var video = new VideoGenerator(model, request, device: device);
        var frames = new List<byte[]>();
        var upscale = (int)Math.Ceiling(384.0 / Math.Min(c.Width, c.Height));
        var made = Progress.Run("demo", progress =>
            video.Save(
                request,
                Path.Combine(output, "video.mp4"),
                new WriteOptions { Upscale = upscale },
                progress,
                frame => frames.Add(frame.Rgb),
                cancel
            )
        );
        foreach (var line in GenerateVerb.Lines(made))
            Say("  " + line);

        var picked = Enumerable.Range(0, 32).Select(i => frames[(frames.Count - 1) * i / 31]).ToList();
        ContactSheet.Write(sheet, picked, c.Width, c.Height, 8, upscale: 4);
        var stride = World.Stride(c.Fps);
        var measure = VideoMeasure.Of([.. frames.SelectMany(f => f)], world, stride, prompt);
        var real = Enumerable.Range(0, 4).Select(i => Real(video, world.Like(new Rng(700_000 + i), prompt))).ToList();
        var rows = Rows(measure, real).ToList();
        Say("  " + Verdict(rows));
        Say("  exact metrics of this video | of real takes through the same autoencoder (mean of 4) | best");
        foreach (var (name, mine, theirs, best, what) in rows)
            Say($"    {name, -16} {Shown(mine), 6} | {Shown(theirs), 6} | {best, 4}   {what}");
        var page = Html(request, made, c, rows, File.ReadAllBytes(sheet), File.ReadAllBytes(made.Path));
        AtomicFile.Write(report, s => s.Write(Encoding.UTF8.GetBytes(page)));
        Say(
            $"Done in {clock.Elapsed.TotalSeconds:0} s. Look at: {Path.Combine(output, "video.mp4")} (any "
                + $"player), {sheet}, {report} (a browser)."
        );
        if (json)
        {
            var result = GenerateVerb.Describe(made);
            result["sheet"] = sheet;
            result["report"] = report;
            result["secondsTotal"] = Math.Round(clock.Elapsed.TotalSeconds, 1);
            result["scores"] = new JsonObject([
                .. rows.Select(r => KeyValuePair.Create(r.Name, r.Mine is { } v ? (JsonNode)Math.Round(v, 4) : null)),
            ]);
            Cli.Run.Print(json, result, []);
        }
        return Cli.Run.Done;
    }

    private static VideoMeasure Real(VideoGenerator video, WorldVideo take)
    {
        var (c, stride) = (video.Config, World.Stride(video.Config.Fps));
        var rgb = video.Through(take.Frames(0, c.Frames(c.VideoLatents), stride));
        return VideoMeasure.Of(rgb, take.World, stride, take.Caption);
    }

    private static string Shown(double? value) => value?.ToString("0.000") ?? "n/a";

    private static IEnumerable<(string Name, double? Mine, double? Theirs, string Best, string What)> Rows(
        VideoMeasure video,
        List<VideoMeasure> real
    )
    {
        var units = new RealTakes(real);
        return Metric
            .All.Where(m => video.Values.ContainsKey(m.Name))
            .Select(m => (m.Name, units.Value(m, video), real.Average(r => units.Value(m, r)), m.Ideal, m.What));
    }

    // The table in a sentence: a figure is as good where its error is at most a tenth above that of real takes.
    private static string Verdict(IReadOnlyList<(string Name, double? Mine, double? Theirs, string, string)> rows)
    {
        var both = rows.Where(r => r is { Mine: not null, Theirs: not null }).ToList();
        string[] behind = [.. both.Where(r => Behind(r.Name, r.Mine!.Value, r.Theirs!.Value)).Select(r => r.Name)];
        var good =
            $"{both.Count - behind.Length} of {both.Count} figures are as good as those of real takes or nearly so";
        return behind.Length == 0 ? good : $"{good}; not so {string.Join(", ", behind)}";

        static bool Behind(string name, double mine, double theirs) =>
            Metric.Named(name).Error(mine) > Metric.Named(name).Error(theirs) + 0.1 * Math.Abs(theirs);
    }

    private static string Html(
        VideoRequest request,
        VideoResult made,
        ModelConfig c,
        IEnumerable<(string Name, double? Mine, double? Theirs, string Best, string What)> rows,
        byte[] sheet,
        byte[] video
    ) =>
        $$"""
            <!doctype html><html lang="en"><meta charset="utf-8">
            <meta name="viewport" content="width=device-width"><title>LongTake demo</title>
            <style>
              body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
                color: #1c1e26; background: #fafafa }
              video, img { width: 100%; image-rendering: pixelated; border-radius: 6px } video { max-width: 24rem }
              table { border-collapse: collapse }
              td, th { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
              :is(td, th):is(:first-child, :last-child) { text-align: left }
            </style>
            <h1>A minute in {{c.FewSteps.Length}} steps</h1>
            <p>{{WebUtility.HtmlEncode(
                request.Prompt
            )}} &middot; seed {{made.Seed}} &middot; {{made.Frames}} frames at {{c.Fps}} fps &middot;
            sampled in {{made.SampleSeconds:0.0}} s, decoded and written in {{made.DecodeSeconds:0.0}} s</p>
            <video controls loop muted src="data:video/mp4;base64,{{Convert.ToBase64String(video)}}"></video>
            <p>Thirty-two moments from the first second to the last:</p>
            <img alt="contact sheet" src="data:image/png;base64,{{Convert.ToBase64String(sheet)}}">
            <h2>Exact metrics</h2>
            <p>The rules of this world are known, so each figure is exact for the video;
            real takes went through the same autoencoder.</p>
            <table><tr><th>metric</th><th>this video</th><th>real takes</th><th>best</th><th>what it is</th></tr>
            {{string.Join(
                "\n",
                rows.Select(r =>
                    $"<tr><td>{r.Name}</td><td>{Shown(r.Mine)}</td><td>{Shown(r.Theirs)}</td>"
                    + $"<td>{r.Best}</td><td>{r.What}</td></tr>"
                )
            )}}
            </table></html>
            """;
}
