using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Tensors;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake generate</summary>
internal static class GenerateVerb
{
    public static int Run(
        string path,
        VideoRequest request,
        string output,
        ScalarType dtype,
        torch.Device device,
        Offload offload,
        int? upscale,
        bool json
    )
    {
        if (upscale is < 1 or > 64)
            throw new UserException($"--upscale {upscale}: a whole number from 1 to 64", usage: true);
        using var files = ModelFiles.Open(path);
        Ffmpeg.Locate("ffmpeg"); // before the work, not after it
        request = request.For(files); // mistakes are told before anything is loaded
        var picture = request.Config(files.Config);
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        var write = new WriteOptions
        {
            Upscale = upscale ?? Math.Clamp(384 / Math.Min(picture.Width, picture.Height), 1, 64),
        };
        var made = Progress.Run("generate", report =>
        {
            using var video = new VideoGenerator(files, request, dtype, device, offload);
            return VideoFile.Make(video, request, output, write, report, cancel: cancel);
        });
        Cli.Run.Print(json, Describe(made), Lines(made));
        return Cli.Run.Done;
    }

    /// <summary>A recipe's video with what the command line gives over it.</summary>
    public static VideoRequest Over(VideoRequest? video, VideoRequest given) =>
        video is null
            ? given
            : video with
            {
                Prompt = given.Prompt.Length > 0 ? given.Prompt : video.Prompt,
                NegativePrompt = given.NegativePrompt ?? video.NegativePrompt,
                Seed = given.Seed != 0 ? given.Seed : video.Seed,
                Seconds = given.Seconds ?? (given.Frames is null ? video.Seconds : null),
                Frames = given.Frames ?? (given.Seconds is null ? video.Frames : null),
                Width = given.Width ?? video.Width,
                Height = given.Height ?? video.Height,
                Fps = given.Fps ?? video.Fps,
                Network = given.Network ?? video.Network,
                Part = given.Part ?? video.Part,
                Sampler = given.Sampler ?? video.Sampler,
                Steps = given.Steps != 0 ? given.Steps : video.Steps,
                Shift = given.Shift ?? video.Shift,
                Guidance = given.Guidance ?? video.Guidance,
                FmSteps = given.FmSteps != 0 ? given.FmSteps : video.FmSteps,
                Image = given.Image ?? video.Image,
                Tile = given.Tile ?? video.Tile,
                Beyond = given.Beyond || video.Beyond,
                Int8 = given.Int8 || video.Int8,
            };

    /// <summary>832x480 or 832*480, or width and height for themselves.</summary>
    public static (int? Width, int? Height) Size(string? size, int? width, int? height)
    {
        if (size is null)
            return (width, height);
        if (width is not null || height is not null)
            throw new UserException("--size together with --width or --height: give one or the other", usage: true);
        return
            size.Split('x', 'X', '*') is [var w, var h]
            && int.TryParse(w, out var across)
            && int.TryParse(h, out var down)
            ? (across, down)
            : throw new UserException($"--size {size}: WIDTHxHEIGHT, for example 832x480", usage: true);
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
