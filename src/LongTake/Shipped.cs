namespace LongTake;

/// <summary>
/// What comes with the program, the bundled model and the recipes, found from any working folder.
/// </summary>
public static class Shipped
{
    /// <summary>The bundled model, as a user writes it.</summary>
    public const string Model = "models/traveller";

    /// <summary>
    /// A relative path is looked for in the working folder, then beside the program, then in its checkout; where it is
    /// nowhere it is given back.
    /// </summary>
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
