using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Media;
using LongTake.Tensors;

namespace LongTake.Cli;

/// <summary>longtake generate</summary>
internal static class GenerateVerb
{
    public static int Run(
        string path,
        FilmRequest request,
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
            using var film = new FilmModel(files, request, dtype, device, offload);
            return FilmFile.Make(film, request, output, write, report, cancel: cancel);
        });
        Cli.Run.Print(json, Describe(made), Lines(made));
        return Cli.Run.Done;
    }

    /// <summary>A recipe's film with what the command line gives over it.</summary>
    public static FilmRequest Over(FilmRequest? film, FilmRequest given) =>
        film is null
            ? given
            : film with
            {
                Prompt = given.Prompt.Length > 0 ? given.Prompt : film.Prompt,
                NegativePrompt = given.NegativePrompt ?? film.NegativePrompt,
                Seed = given.Seed != 0 ? given.Seed : film.Seed,
                Seconds = given.Seconds ?? (given.Frames is null ? film.Seconds : null),
                Frames = given.Frames ?? (given.Seconds is null ? film.Frames : null),
                Width = given.Width ?? film.Width,
                Height = given.Height ?? film.Height,
                Fps = given.Fps ?? film.Fps,
                Speaker = given.Speaker ?? film.Speaker,
                Part = given.Part ?? film.Part,
                Sampler = given.Sampler ?? film.Sampler,
                Steps = given.Steps != 0 ? given.Steps : film.Steps,
                Shift = given.Shift ?? film.Shift,
                Guidance = given.Guidance ?? film.Guidance,
                FmSteps = given.FmSteps != 0 ? given.FmSteps : film.FmSteps,
                Image = given.Image ?? film.Image,
                Tile = given.Tile ?? film.Tile,
                Beyond = given.Beyond || film.Beyond,
                Int8 = given.Int8 || film.Int8,
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

    public static JsonObject Describe(FilmResult r) =>
        new()
        {
            ["film"] = r.Path,
            ["latents"] = r.Latents,
            ["frames"] = r.Frames,
            ["seconds"] = r.Seconds,
            ["steps"] = r.Steps,
            ["sampleSeconds"] = Math.Round(r.SampleSeconds, 3),
            ["decodeSeconds"] = Math.Round(r.DecodeSeconds, 3),
        };

    public static IEnumerable<string> Lines(FilmResult r) =>
        [
            $"{r.Path}: {r.Frames} frames, {r.Seconds:0.##} s of film, {r.Steps} steps",
            $"sampled in {r.SampleSeconds:0.0} s, decoded and written in {r.DecodeSeconds:0.0} s "
                + $"({r.Seconds / (r.SampleSeconds + r.DecodeSeconds):0.0} s of film a second)",
        ];
}
