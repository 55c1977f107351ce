using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
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
        Option<Offload> offload = new("--offload")
        {
            Description =
                "keep the transformer's blocks in their files and bring each to the device for its turn; "
                + "auto: when they take more than 60 % of its memory",
            DefaultValueFactory = _ => Offload.Auto,
            HelpName = "auto|on|off",
        };
        Option<int?> upscale = new("--upscale")
        {
            Description = "enlarge by a whole factor; without it small pictures come to about 384 pixels",
        };
        var (dtype, device, dry, json) = (
            Options.Dtype(),
            Options.Device(),
            Options.Dry("the resolved request"),
            Options.Json()
        );
        var output = Options.Output("the video; .mp4, .mov, .mkv, .webm or .gif", "video.mp4");
        return Options.Verb(
            "generate",
            "Make a video from a prompt; what is not given is the model's own.",
            [
                .. request.All[..1],
                model,
                output,
                .. request.All[1..],
                recipe,
                dtype,
                device,
                offload,
                upscale,
                dry,
                json,
            ],
            p =>
            {
                var video = p.GetValue(recipe) is { } f ? Recipe.Read(f, [], VideoJson.Default.VideoRecipe) : null;
                var from = p.GetResult(model) is { Implicit: false } || video is null ? p.GetValue(model)! : video.From;
                if (p.GetValue(upscale) is { } factor and (< 1 or > 64))
                    throw new UserException($"--upscale {factor}: a whole number from 1 to 64", usage: true);
                var on = ComputeDevice.Choose(p.GetValue(device)!);
                using var files = ModelFiles.Open(Shipped.Located(from));
                var r = request.Read(p, video?.Video).Resolve(files); // mistakes are found before anything is loaded
                if (p.GetValue(dry))
                {
                    Console.WriteLine(JsonSerializer.Serialize(r, VideoJson.Default.ResolvedRequest));
                    return Run.Done;
                }
                var write = new WriteOptions
                {
                    Upscale = p.GetValue(upscale) ?? Math.Clamp(384 / Math.Min(r.Width, r.Height), 1, 64),
                };
                VideoGenerator.Require(r, p.GetValue(output)!, write); // before the work, not after it
                var cancel = Run.OnCtrlC();
                Run.UseAllCores();
                var made = Progress.Run("generate", report =>
                {
                    var type = ConvertVerb.Type(p.GetValue(dtype)) ?? ScalarType.BFloat16;
                    using var generator = new VideoGenerator(files, r, type, on, p.GetValue(offload));
                    return generator.Save(r, p.GetValue(output)!, write, report, cancel: cancel);
                });
                Run.Print(p.GetValue(json), Describe(made), Lines(made));
                return Run.Done;
            }
        );
    }

    public static JsonObject Describe(VideoResult r) =>
        new()
        {
            ["video"] = r.Path,
            ["latents"] = r.Latents,
            ["frames"] = r.Frames,
            ["seconds"] = r.Seconds,
            ["steps"] = r.Steps,
            ["sampleSeconds"] = Math.Round(r.SampleSeconds, 3),
            ["decodeSeconds"] = Math.Round(r.DecodeSeconds, 3),
        };

    public static IEnumerable<string> Lines(VideoResult r) =>
        [
            $"{r.Path}: {r.Frames} frames, {r.Seconds:0.##} s of video, {r.Steps} steps",
            $"sampled in {r.SampleSeconds:0.0} s, decoded and written in {r.DecodeSeconds:0.0} s "
                + $"({r.Seconds / (r.SampleSeconds + r.DecodeSeconds):0.0} s of video a second)",
        ];
}
