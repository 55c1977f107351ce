namespace LongTake.Data;

/// <summary>Finds files of the sources by what manifests of other machines call them: ids, and paths there.</summary>
internal sealed class SourceIndex(IEnumerable<string> files)
{
    private readonly ILookup<string, string> stems = files.ToLookup(
        f => SourcePaths.Stem(Path.GetFileName(f)),
        StringComparer.OrdinalIgnoreCase
    );

    /// <summary>
    /// The files that a name can mean, one of each folder: those whose folders agree with it best, from the end.
    /// </summary>
    /// <param name="name">An id, or a path with either kind of slash.</param>
    /// <param name="whole">Whether the ending must agree too, but not the case of letters, as on Windows.</param>
    public IReadOnlyList<string> Find(string name, bool whole)
    {
        var parts = name.Split('/', '\\');
        List<(string File, int Agrees)> found =
        [
            .. stems[SourcePaths.Stem(name)]
                .Where(f =>
                    whole ? Same(Path.GetFileName(f), parts[^1]) : SourcePaths.Stem(f) == SourcePaths.Stem(name)
                )
                .Select(f => (f, Agreeing(f.Split(Path.DirectorySeparatorChar), parts))),
        ];
        var best = found.Count > 0 ? found.Max(f => f.Agrees) : 0;
        return [.. found.Where(f => f.Agrees == best).Select(f => f.File).DistinctBy(Path.GetDirectoryName)];
    }

    private static int Agreeing(string[] file, string[] name)
    {
        var n = 1;
        while (n < file.Length && n < name.Length && Same(file[^(n + 1)], name[^(n + 1)]))
            n++;
        return n;
    }

    private static bool Same(string a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase);
}
