namespace LongTake.Cli;

/// <summary>
/// What comes with the program, the bundled model and the recipes, found from any working folder.
/// </summary>
internal static class Shipped
{
    /// <summary>The bundled model, as a user writes it.</summary>
    public const string Model = "models/traveller";

    /// <summary>A relative folder or file is looked for here, then beside the program, then in its checkout.</summary>
    public static string Located(string path)
    {
        if (Path.Exists(path) || Path.IsPathRooted(path))
            return path;
        if (Path.Combine(AppContext.BaseDirectory, path) is var beside && Path.Exists(beside))
            return beside;
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (
                File.Exists(Path.Combine(at.FullName, "LongTake.slnx"))
                && Path.Combine(at.FullName, path) is var there
                && Path.Exists(there)
            )
                return there;
        return path;
    }
}
