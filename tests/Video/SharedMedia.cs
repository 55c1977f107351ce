namespace LongTake.Tests.Video;

/// <summary>
/// Finds the folder of shared test media, which lies beside a checkout or where LONGTAKE_SHARED says; else tests skip.
/// </summary>
static class SharedMedia
{
    public static string? Folder { get; } = Find();

    /// <summary>Full path of a file or folder among the media; skips the test when there are none.</summary>
    public static string Get(string name)
    {
        Skip.If(Folder is null, "no shared test media: set LONGTAKE_SHARED to the folder that holds media/");
        return Path.Combine(Folder!, name);
    }

    public static string[] Files(string folder) =>
        [.. Directory.GetFiles(Get(folder)).Where(f => Path.GetExtension(f) != ".json").Order(StringComparer.Ordinal)];

    static string? Find()
    {
        if (Environment.GetEnvironmentVariable("LONGTAKE_SHARED") is { Length: > 0 } given)
            return Directory.Exists(Path.Combine(given, "media")) ? Path.Combine(given, "media") : null;
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (Path.Combine(at.FullName, "shared", "media") is var here && Directory.Exists(here))
                return here;
        return null;
    }
}
