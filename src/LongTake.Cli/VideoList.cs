using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>A video to make, and where.</summary>
internal sealed record ListedVideo(ResolvedRequest Request, string Path)
{
    public JsonObject Describe() =>
        new()
        {
            ["video"] = Path,
            ["prompt"] = Request.Prompt,
            ["seed"] = Request.Seed,
            ["seconds"] = Request.Frames / Request.Fps,
        };
}

/// <summary>The videos of one command line: one, several seeds of it, those of a prompt file.</summary>
internal static class VideoList
{
    /// <param name="wanted">What is asked for of all of them.</param>
    /// <param name="files">The model.</param>
    /// <param name="prompts">A prompt file, if one is given.</param>
    /// <param name="output">The path of a single one, from which those of several are made.</param>
    /// <param name="count">Seeds, one after another, of each.</param>
    public static List<ListedVideo> Of(VideoRequest wanted, ModelFiles files, string? prompts, string output, int count)
    {
        if (prompts is null)
            return
            [
                .. Seeds(wanted.Resolve(files), count).Select((r, i) => new ListedVideo(r, Numbered(output, i, count))),
            ];
        var rows = PromptFile.Read(prompts, wanted);
        if (rows.FirstOrDefault(row => row.Request.Seed == -1) is { } drawn)
            throw new UserException(
                $"{prompts}: line {drawn.Line}: seed -1 draws another one each time, so that no video would ever be "
                    + "there already; give a seed",
                usage: true
            );
        var width = $"{rows.Count}".Length;
        List<ListedVideo> videos =
        [
            .. rows.SelectMany(
                (row, n) =>
                {
                    var number = $"{n + 1}".PadLeft(width, '0');
                    var path = In(output, row.Name ?? $"{Path.GetFileNameWithoutExtension(output)}-{number}");
                    return Seeds(Resolved(row, files, prompts), count)
                        .Select((r, i) => new ListedVideo(r, Numbered(path, i, count)));
                }
            ),
        ];
        // Not all file systems tell a capital from a small letter.
        if (
            videos.GroupBy(v => v.Path, StringComparer.OrdinalIgnoreCase).FirstOrDefault(g => g.Count() > 1) is
            { } twice
        )
            throw new UserException(
                $"{prompts}: two of its videos would be {twice.Key}; name them otherwise",
                usage: true
            );
        return videos;
    }

    private static ResolvedRequest Resolved(PromptRow row, ModelFiles files, string file)
    {
        try
        {
            return row.Request.Resolve(files);
        }
        catch (UserException e)
        {
            throw new UserException($"{file}: line {row.Line}: {e.Message}", usage: true, inner: e);
        }
    }

    private static IEnumerable<ResolvedRequest> Seeds(ResolvedRequest r, int count) =>
        Enumerable.Range(0, count).Select(i => r with { Seed = r.Seed + i });

    private static string In(string path, string name) =>
        Path.Combine(Path.GetDirectoryName(path) ?? "", name + Path.GetExtension(path));

    // video.mp4 of several is video-1.mp4 and so on.
    private static string Numbered(string path, int i, int count) =>
        count == 1 ? path : In(path, $"{Path.GetFileNameWithoutExtension(path)}-{i + 1}");
}
