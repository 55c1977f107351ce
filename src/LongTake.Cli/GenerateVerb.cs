using System.Text.Json.Nodes;
using LongTake.Generation;
using LongTake.Media;
using LongTake.Models;

namespace LongTake.Cli;

/// <summary>longtake generate</summary>
internal static class GenerateVerb
{
    public static int Run(string folder, FilmRequest request, string output, int upscale, bool json)
    {
        var model = ModelFolder.Open(folder);
        if (upscale < 1 || upscale > 64) throw new UserException($"--upscale {upscale}: a whole number from 1 to 64", usage: true);
        if (string.Join("; ", request.Problems(model.Config)) is { Length: > 0 } problems) throw new UserException(problems, usage: true);
        Ffmpeg.Locate("ffmpeg");   // before the work, not after it
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        using var film = new FilmModel(model, request.Speaker, both: request.FmSteps > 0);
        var made = Progress.Run("generate", report =>
            FilmFile.Make(film, request, output, new WriteOptions { Upscale = upscale }, report, cancel: cancel));
        Cli.Run.Print(json, Describe(made), Lines(made));
        return Cli.Run.Done;
    }

    public static JsonObject Describe(FilmResult r) => new()
    {
        ["film"] = r.Path, ["latents"] = r.Latents, ["frames"] = r.Frames, ["seconds"] = r.Seconds, ["steps"] = r.Steps,
        ["sampleSeconds"] = Math.Round(r.SampleSeconds, 3), ["decodeSeconds"] = Math.Round(r.DecodeSeconds, 3),
    };

    public static IEnumerable<string> Lines(FilmResult r) =>
    [
        $"{r.Path}: {r.Frames} frames, {r.Seconds:0.##} s of film, {r.Steps} steps",
        $"sampled in {r.SampleSeconds:0.0} s, decoded and written in {r.DecodeSeconds:0.0} s ({r.Seconds / (r.SampleSeconds + r.DecodeSeconds):0.0} s of film a second)",
    ];
}
