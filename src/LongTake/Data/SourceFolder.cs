namespace LongTake.Data;

/// <summary>One folder of a source, listed once: which names are of videos, and their side files.</summary>
internal sealed class SourceFolder
{
    /// <summary>Endings that are of no video.</summary>
    public static readonly string[] Aside = ".txt .json .jsonl .csv .md .srt .vtt .png .jpg .jpeg .webp .caption".Split(
        ' '
    );

    // in the order in which they count
    private static readonly string[] sides = [".txt", ".caption", ".json"];

    private readonly HashSet<string> videos = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SortedList<int, string>> beside = new(StringComparer.Ordinal);

    public SourceFolder(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            var (stem, ending) = (Path.GetFileNameWithoutExtension(file), Ending(file));
            if (!Aside.Contains(ending))
                videos.Add(stem);
            else if (Array.IndexOf(sides, ending) is >= 0 and var rank)
            {
                if (!beside.TryGetValue(stem, out var files))
                    beside[stem] = files = [];
                files.TryAdd(rank, file);
            }
        }
    }

    /// <summary>The ending of a name, in small letters.</summary>
    public static string Ending(string file) => Path.GetExtension(file).ToLowerInvariant();

    /// <summary>Files with the caption of a video, the one that counts first.</summary>
    public IEnumerable<string> Beside(string video) =>
        beside.TryGetValue(Path.GetFileNameWithoutExtension(video), out var files) ? files.Values : [];

    /// <summary>Whether a file is the caption of a video: a.txt beside a.mp4.</summary>
    public bool IsSide(string file) =>
        sides.Contains(Ending(file)) && videos.Contains(Path.GetFileNameWithoutExtension(file));
}
