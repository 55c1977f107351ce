namespace LongTake.Evaluation;

/// <summary>
/// Which build of the library made a result. The numbers of a table must all be of one: the same settings give other
/// numbers after a change of a sampler, a kernel or a metric.
/// </summary>
public static class Build
{
    private const string Name = "build";

    /// <summary>The hash of this build: the same for the same sources, compiled in the same place.</summary>
    public static string Hash { get; } = $"{typeof(Build).Assembly.ManifestModule.ModuleVersionId:N}"[..12];

    /// <summary>The build that made what lies in a folder; empty where none is written down.</summary>
    public static string Of(string folder) =>
        Path.Combine(folder, Name) is var file && File.Exists(file) ? File.ReadAllText(file).Trim() : "";

    /// <summary>Says that this build makes what lies in a folder.</summary>
    /// <exception cref="UserException">Another one has begun it.</exception>
    public static void Claim(string folder)
    {
        var before = Of(folder);
        if (before == Hash)
            return;
        if (before.Length > 0 || Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new UserException(
                $"{folder}: begun by {(before.Length > 0 ? $"build {before}" : "a build that is not known")}, and this "
                    + $"is build {Hash}. Numbers of two builds are not mixed: go on with that build, or move the "
                    + "folder away, or give another one"
            );
        Directory.CreateDirectory(folder);
        AtomicFile.Write(Path.Combine(folder, Name), s => s.Write(System.Text.Encoding.UTF8.GetBytes(Hash + "\n")));
    }
}
