namespace LongTake.Checkpoints;

/// <summary>
/// Wan 2.2's large models are two transformers, one for high noise and one for low. Their tensors are those of Wan 2.1,
/// so that names of files and folders alone tell one of them.
/// </summary>
internal static class Experts
{
    private const string Second = "transformer_2";

    /// <summary>Refuses a pair of experts, and one of them alone.</summary>
    /// <exception cref="UserException">The path is, holds or belongs to one.</exception>
    public static void Refuse(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Directory.Exists(full))
        {
            if (ModelFiles.Json(Path.Combine(full, "config.json"))?["wan"] is not null)
                return; // LongTake's own, in which there is no pair
            string[] inside =
            [
                .. Directory.GetDirectories(full).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal),
            ];
            if (inside.Contains(Second))
                throw Two(path, "transformer and transformer_2");
            if (inside.Where(IsOne).ToArray() is { Length: > 0 } found)
                throw Two(path, string.Join(" and ", found));
            var index = ModelFiles.Json(Path.Combine(full, "model_index.json"));
            if (index?["boundary_ratio"] is not null)
                throw Two(path, "model_index.json gives the noise level at which they change over");
        }
        var (name, folder) = (Path.GetFileName(full), Path.GetDirectoryName(full) ?? "");
        var part = File.Exists(full) ? Path.GetFileName(folder) : name;
        var pipeline = File.Exists(full) ? Path.GetDirectoryName(folder) ?? "" : folder;
        if (
            IsOne(name)
            || IsOne(part)
            || part == Second
            || part == "transformer" && Directory.Exists(Path.Combine(pipeline, Second))
        )
            throw new UserException(
                $"{path}: by its name one of the two experts of Wan 2.2, which make a video together. "
                    + $"{Which} If it is another model, rename it."
            );
    }

    /// <summary>Whether a file or folder is called as one of the experts is.</summary>
    public static bool IsOne(string name)
    {
        var plain = string.Concat(name.Where(char.IsLetter)).ToLowerInvariant();
        return plain.Contains("highnoise", StringComparison.Ordinal)
            || plain.Contains("lownoise", StringComparison.Ordinal);
    }

    /// <summary>The refusal of a pair.</summary>
    public static UserException Two(string path, string which) =>
        new($"{path}: this is Wan 2.2 with two experts ({which}), one for high noise and one for low. {Which}");

    private const string Which =
        "LongTake makes videos with one transformer; half of this model would make a wrong one. Take a Wan 2.1 model.";
}
