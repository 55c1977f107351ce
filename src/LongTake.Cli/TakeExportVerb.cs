using System.CommandLine;
using LongTake.Takes;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake take export</summary>
internal static class TakeExportVerb
{
    public static Command Verb()
    {
        Argument<string> path = new("take") { Description = "the take, NAME.take or a single file" };
        var output = Options.Output(
            "a video (.mp4, .mov, .mkv, .webm, .gif), a folder for PNG frames (frames/), a poster (.png), or the whole "
                + "take as a single file (.zip) or a folder (.take)",
            "take.mp4"
        );
        Option<double?> from = new("--from") { Description = "first second; of a poster its second" };
        Option<double?> to = new("--to") { Description = "the second after the last one" };
        Option<string?> branch = new("--branch") { Description = "another branch than the current one" };
        Option<string?> model = new("--model", "--model-path")
        {
            Description = "where the take's model is, if it is not found",
        };
        Option<int?> upscale = new("--upscale")
        {
            Description = "enlarge by a whole factor; without it small pictures come to about 384 pixels",
        };
        Option<int> crf = new("--crf")
        {
            Description = "quality of the file, 0 (lossless) to 51 (worst)",
            DefaultValueFactory = _ => new WriteOptions().Crf,
        };
        var codec = Choices.Option<VideoCodec>("--codec", "another codec than the usual one of the ending");
        Option<bool> fragmented = new("--fragmented")
        {
            Description = "an mp4 in fragments, which plays while it is sent, instead of with its index first",
        };
        var (device, json) = (Options.Device(), Options.Json());
        return Options.Verb(
            "export",
            "Write a take as a video, as pictures, or as a single file for sending.",
            [path, output, from, to, branch, codec, fragmented, upscale, crf, model, device, json],
            p =>
            {
                var to_ = p.GetValue(output)!;
                var without = Unused(to_, from, to, branch, codec, fragmented, upscale, crf, model, device)
                    .Where(o => p.GetResult(o) is { Implicit: false })
                    .Select(o => o.Name);
                if (string.Join(", ", without) is { Length: > 0 } unused)
                    throw new UserException($"{unused}: nothing to do in {to_}; leave it out", usage: true);
                using var take = Take.Open(p.GetValue(path)!);
                if (Path.GetExtension(to_) is ".zip" or ".take")
                {
                    take.CopyTo(to_);
                    Run.Print(p.GetValue(json), new() { ["output"] = to_ }, [$"{to_}: the whole take"]);
                    return Run.Done;
                }
                TakeVerbs.Least("--upscale", p.GetValue(upscale), 1);
                var size = Math.Min(take.Document.Width, take.Document.Height);
                var write = new WriteOptions
                {
                    Crf = p.GetValue(crf),
                    Codec = p.GetResult(codec) is null ? null : p.GetValue(codec),
                    Fragmented = p.GetValue(fragmented),
                    Upscale = p.GetValue(upscale) ?? Math.Clamp(384 / size, 1, 64),
                };
                var cancel = Run.OnCtrlC();
                Run.UseAllCores();
                var (begin, end, name) = (p.GetValue(from) ?? 0, p.GetValue(to), p.GetValue(branch));
                var frames = Progress.Run("export", report =>
                {
                    using var editor = TakeVerbs.Open(take, p.GetValue(model), p.GetValue(device)!);
                    if (Path.EndsInDirectorySeparator(to_))
                        return editor.ExportFrames(to_, begin, end, name, report, cancel);
                    if (Path.GetExtension(to_) != ".png")
                        return editor.Export(to_, write, begin, end, name, report, cancel);
                    editor.ExportPoster(to_, begin, name, cancel);
                    return 1;
                });
                var seconds = frames / take.Document.Fps;
                Run.Print(
                    p.GetValue(json),
                    new()
                    {
                        ["output"] = to_,
                        ["frames"] = frames,
                        ["seconds"] = Math.Round(seconds, 3),
                    },
                    [$"{to_}: {frames} frames, {seconds:0.##} s"]
                );
                return Run.Done;
            }
        );
    }

    // Options that an output has no use for.
    private static IEnumerable<Option> Unused(
        string output,
        Option from,
        Option to,
        Option branch,
        Option codec,
        Option fragmented,
        Option upscale,
        Option crf,
        Option model,
        Option device
    )
    {
        Option[] picture = [codec, fragmented, upscale, crf];
        if (Path.EndsInDirectorySeparator(output))
            return picture;
        return Path.GetExtension(output) switch
        {
            ".zip" or ".take" => [from, to, branch, .. picture, model, device],
            ".png" => [to, .. picture],
            ".gif" => [fragmented, crf],
            ".mp4" or ".mov" => [],
            _ => [fragmented],
        };
    }
}
