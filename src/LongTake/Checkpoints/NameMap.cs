namespace LongTake.Checkpoints;

/// <summary>
/// Names of Wan's original checkpoint beside another's, as one table that both directions are read from. An entry
/// stands for a module: what follows it (".weight") is carried over. A "#" stands for a number, the same on both sides.
/// </summary>
public sealed class NameMap
{
    private readonly Dictionary<string, string> toOther,
        toWan;

    /// <summary>A map of (Wan's, other's) names.</summary>
    public NameMap(IReadOnlyCollection<(string Wan, string Other)> table)
    {
        toOther = table.ToDictionary(t => t.Wan, t => t.Other, StringComparer.Ordinal);
        toWan = table.ToDictionary(t => t.Other, t => t.Wan, StringComparer.Ordinal);
    }

    /// <summary>The other's name of a Wan name; null when the table has none.</summary>
    public string? ToOther(string wan) => Find(wan, toOther);

    /// <summary>Wan's name of an other's name; null when the table has none.</summary>
    public string? ToWan(string other) => Find(other, toWan);

    // The longest entry counts; written out before with a "#".
    private static string? Find(string name, Dictionary<string, string> map)
    {
        var words = name.Split('.');
        for (var length = words.Length; length > 0; length--)
        {
            var rest = length == words.Length ? "" : "." + string.Join('.', words[length..]);
            var entry = words[..length];
            if (map.TryGetValue(string.Join('.', entry), out var found))
                return found + rest;
            for (var i = 1; i < length; i++)
            {
                if (!int.TryParse(words[i], out _))
                    continue;
                entry[i] = "#";
                if (map.TryGetValue(string.Join('.', entry), out found))
                    return found.Replace("#", words[i], StringComparison.Ordinal) + rest;
                entry[i] = words[i];
            }
        }
        return null;
    }
}
