using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Takes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake generate</summary>
internal static class GenerateVerb
{
    public static Command Verb()
    {
        RequestOptions request = new();
        Option<string> model = new("--model", "--model-path")
        {
            Description = "weights of a whole model in any layout: Wan's folder, diffusers, ComfyUI, LongTake's",
            DefaultValueFactory = _ => Shipped.Model,
        };
        Option<string?> recipe = new("--recipe")
        {
            Description = "a video as a file, for example recipes/wan-1.3b/generate.json; options go over it",
        };
        var offload = Choices.Option<Offload>(
            "--offload",
            "keep the transformer's blocks in their files and bring each to the device for its turn; "
                + "auto: when they take more than 60 % of its memory"
        );
        offload.DefaultValueFactory = _ => Offload.Auto;
        Argument<string?> prompt = new("prompt")
        {
            Description = "the prompt, as --prompt",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<int> count = new("--num-videos")
        {
            Description = "videos to make, with seeds one after another: video-1.mp4, video-2.mp4, ...",
            DefaultValueFactory = _ => 1,
        };
        Option<string?> prompts = new("--prompts")
        {
            Description =
                "a file of prompts, a video each: .txt, .csv or .jsonl; the same command goes on where it stopped",
        };
        Option<int?> upscale = new("--upscale")
        {
            Description = "enlarge by a whole factor; without it small pictures come to about 384 pixels",
        };
        Option<int> crf = new("--crf")
        {
            Description = "quality of the file, 0 (lossless) to 51 (worst): x264's constant rate factor",
            DefaultValueFactory = _ => new WriteOptions().Crf,
        };
        var (dtype, device, dry, json) = (
            Options.Dtype(),
            Options.Device(),
            Options.Dry("the resolved request"),
            Options.Json()
        );
        Option<string?> start = new("--start")
        {
            Description = "of a take: picture or video that it starts with, kept and continued",
        };
        var output = Options.Output("the video; .mp4, .mov, .mkv, .webm or .gif; .take for a take", "video.mp4");
        return Options.Verb(
            "generate",
            "Make a video from a prompt; what is not given is the model's own.",
            [
                prompt,
                .. request.All[..1],
                model,
                output,
                .. request.All[1..],
                start,
                count,
                prompts,
                recipe,
                dtype,
                device,
                offload,
                upscale,
                crf,
                dry,
                json,
            ],
            p =>
            {
                Between("--upscale", p.GetValue(upscale) ?? 1, 1, 64);
                Between("--crf", p.GetValue(crf), 0, 51);
                Between("--num-videos", p.GetValue(count), 1, 10_000);
                var video = p.GetValue(recipe) is { } f
                    ? Recipe.Read(Shipped.Located(f), [], VideoJson.Default.VideoRecipe)
                    : null;
                var from = p.GetResult(model) is { Implicit: false } || video is null ? p.GetValue(model)! : video.From;
                var wanted = request.Read(p, video?.Video);
                if (
                    p.GetValue(prompts) is { } list
                    && (p.GetValue(prompt) is not null || p.GetResult(request.All[0]) is not null)
                )
                    throw new UserException($"--prompts {list}, and a prompt beside it: give one of them", usage: true);
                if (p.GetValue(prompt) is { } text)
                    wanted = p.GetResult(request.All[0]) is null
                        ? wanted with
                        {
                            Prompt = text,
                        }
                        : throw new UserException("two prompts, one of them by --prompt: give one", usage: true);
                var on = ComputeDevice.Choose(p.GetValue(device)!);
                using var files = ModelFiles.Open(Shipped.Located(from));
                // Mistakes are found before anything is loaded.
                var videos = VideoList.Of(wanted, files, p.GetValue(prompts), p.GetValue(output)!, p.GetValue(count));
                var r = videos[0].Request;
                List<string> warnings = [.. videos.SelectMany(v => v.Request.Warnings).Distinct()];
                if (p.GetResult(crf) is { Implicit: false } && IsGif(p.GetValue(output)!))
                    warnings.Add("--crf does nothing: a GIF has no quality to choose");
                var take = Path.GetExtension(p.GetValue(output)!) == ".take";
                if (take && p.GetValue(prompts) is not null)
                    throw new UserException("--prompts makes videos; takes are made one by one", usage: true);
                foreach (var option in take ? (Option[])[crf, upscale] : [])
                    if (p.GetResult(option) is { Implicit: false })
                        warnings.Add($"{option.Name} does nothing in a take: give it to 'longtake take export'");
                if (p.GetValue(start) is { } from_ && !take)
                    throw new UserException(
                        $"--start {from_}: only a take starts with a picture or a video; give -o NAME.take, then "
                            + "'longtake take export'",
                        usage: true
                    );
                foreach (var warning in warnings)
                    Console.Error.WriteLine($"longtake: warning: {warning}");
                if (p.GetValue(dry))
                {
                    var shown = JsonSerializer.SerializeToNode(r, VideoJson.Default.ResolvedRequest)!.AsObject();
                    shown.Insert(0, "model", files.Path);
                    shown.Insert(1, "device", $"{on}");
                    shown.Insert(2, "video", videos[0].Path);
                    if (videos.Count > 1)
                        shown.Insert(3, "videos", new JsonArray([.. videos.Select(v => v.Describe())]));
                    Run.PrintDry(p.GetValue(json), "request", shown);
                    return Run.Done;
                }
                var write = new WriteOptions
                {
                    Crf = p.GetValue(crf),
                    Upscale = p.GetValue(upscale) ?? Math.Clamp(384 / Math.Min(r.Width, r.Height), 1, 64),
                };
                foreach (var v in take ? [] : videos)
                    VideoGenerator.Require(v.Request, v.Path, write); // before the work, not after it
                var cancel = Run.OnCtrlC();
                Run.UseAllCores();
                var all = Progress.Run<List<VideoResult>>("generate", report =>
                {
                    var type = ConvertVerb.Type(p.GetValue(dtype)) ?? ScalarType.BFloat16;
                    using var generator = new VideoGenerator(files, r, type, on, p.GetValue(offload));
                    if (take)
                    {
                        foreach (var v in videos)
                            TakeEditor.Generate(v.Path, generator, v.Request, p.GetValue(start), report, cancel);
                        return [];
                    }
                    var results = new List<VideoResult>();
                    foreach (var (i, v) in videos.Index())
                        if (p.GetValue(prompts) is not null && generator.IsMade(v.Request, v.Path, write))
                            Console.Error.WriteLine($"longtake: {v.Path} is there already");
                        else
                            results.Add(
                                generator.Save(
                                    v.Request,
                                    v.Path,
                                    write,
                                    videos.Count == 1 ? report : new Numbered(report, i + 1, videos.Count),
                                    cancel: cancel
                                )
                            );
                    return results;
                });
                var warned = new JsonArray([.. warnings.Select(w => JsonValue.Create(w))]);
                if (take)
                {
                    var takes = videos.Select(v => Take.Open(v.Path)).ToList();
                    Run.Print(
                        p.GetValue(json),
                        new()
                        {
                            ["takes"] = new JsonArray([.. takes.Select(TakeText.Describe)]),
                            ["warnings"] = warned,
                        },
                        takes.SelectMany(t => TakeText.Done(t, t.Document.Operations[0]))
                    );
                }
                else
                    Run.Print(
                        p.GetValue(json),
                        new() { ["videos"] = new JsonArray([.. all.Select(Describe)]), ["warnings"] = warned },
                        all.SelectMany(Lines)
                    );
                return Run.Done;
            }
        );
    }

    private static bool IsGif(string path) => path.EndsWith(".gif", StringComparison.OrdinalIgnoreCase);

    private static void Between(string option, int given, int least, int most)
    {
        if (given < least || given > most)
            throw new UserException($"{option} {given}: a whole number from {least} to {most}", usage: true);
    }

    // Which of several videos is being made.
    private sealed class Numbered(IProgress<ProgressReport> to, int number, int count) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) =>
            to.Report(value with { Text = $"video {number} of {count}: {value.Text}" });
    }

    public static JsonObject Describe(VideoResult r) =>
        new()
        {
            ["video"] = r.Path,
            ["latents"] = r.Latents,
            ["frames"] = r.Frames,
            ["seconds"] = r.Seconds,
            ["seed"] = r.Seed,
            ["steps"] = r.Steps,
            ["sampleSeconds"] = Math.Round(r.SampleSeconds, 3),
            ["decodeSeconds"] = Math.Round(r.DecodeSeconds, 3),
        };

    public static IEnumerable<string> Lines(VideoResult r) =>
        [
            $"{r.Path}: {r.Frames} frames, {r.Seconds:0.##} s of video, seed {r.Seed}, {r.Steps} steps",
            $"sampled in {r.SampleSeconds:0.0} s, decoded and written in {r.DecodeSeconds:0.0} s "
                + $"({r.Seconds / (r.SampleSeconds + r.DecodeSeconds):0.0} s of video a second)",
            $"its latents: {r.Latents}",
        ];
}
