using System.Text.RegularExpressions;

namespace LongTake.Takes;

/// <summary>Finds what is wrong with a take's document before anything in it is used.</summary>
internal static partial class TakeProblems
{
    private const int MostOperations = 10_000,
        MostLatents = 1_000_000,
        MostText = 100_000;

    /// <summary>Latents of all segments together, that no document can keep a reader busy.</summary>
    private const long MostMade = 10_000_000;

    /// <summary>What is wrong, if anything; the first mistake of each operation.</summary>
    public static IEnumerable<string> Of(TakeDocument d)
    {
        if (d.Width is < 1 or > 16_384 || d.Height is < 1 or > 16_384)
            yield return $"a picture of {d.Width}x{d.Height}";
        if (!(d.Fps is > 0 and <= 1000))
            yield return $"{d.Fps} frames a second";
        if (d.TemporalStride is < 1 or > 64)
            yield return $"a stride of {d.TemporalStride} pictures";
        if (!ShortHash().IsMatch(d.Model.Weights) || !ShortHash().IsMatch(d.Model.Autoencoder))
            yield return "a hash of the model that is none";
        if (d.Operations.Count > MostOperations)
        {
            yield return $"{d.Operations.Count} operations";
            yield break;
        }
        if (d.Operations.Sum(o => o.Segments.Sum(s => (long)Math.Max(0, s.Latents))) > MostMade)
        {
            yield return "more latents than any take has";
            yield break;
        }
        var lengths = new List<int> { 0 };
        foreach (var (i, o) in d.Operations.Index())
        {
            var problem = Of(o, i + 1, lengths);
            if (problem is not null)
            {
                yield return $"operation {i + 1} has {problem}";
                yield break; // what comes after builds on it
            }
            lengths.Add(o.Kind == OperationKind.Remake ? lengths[o.After] : o.To);
        }
        foreach (var b in d.Branches)
            if (!Name().IsMatch(b.Name))
                yield return $"a branch with the name {SafetensorsHeader.Quote(b.Name)}";
            else if (b.Operation < 0 || b.Operation > d.Operations.Count)
                yield return $"branch {b.Name} at operation {b.Operation}";
            else if (b.Parent is not null && d.Branches.All(o => o.Name != b.Parent))
                yield return $"branch {b.Name} of a branch that is not there";
        if (d.Branches.DistinctBy(b => b.Name).Count() != d.Branches.Count)
            yield return "two branches of one name";
        if (d.Branches.All(b => b.Name != d.Branch))
            yield return "a current branch that is not there";
    }

    /// <summary>Whether an operation can be one of which some segments are made.</summary>
    public static bool IsPart(TakeOperation o)
    {
        var made = o.Segments.Sum(s => (long)s.Latents);
        return o.From >= 0
            && o.To is var to and <= MostLatents
            && made <= to - o.From
            && o.Segments.All(s =>
                s.Latents > 0 && s.From >= o.From && s.From < to && s.Window >= 0 && IsHash(s.Sha256)
            );
    }

    /// <summary>Whether a text can be the name of a branch.</summary>
    public static bool IsName(string name) => Name().IsMatch(name);

    /// <summary>Whether a text is a SHA-256.</summary>
    public static bool IsHash(string hash) => Hash().IsMatch(hash);

    private static string? Of(TakeOperation o, int id, List<int> lengths)
    {
        if (o.Id != id)
            return $"the number {o.Id}";
        if (o.After < 0 || o.After >= id)
            return $"no earlier operation {o.After}";
        var before = lengths[o.After];
        if (
            o.From < 0
            || o.To <= o.From
            || o.To > MostLatents
            || o.Kind switch
            {
                OperationKind.Generate => o.After != 0 || o.From != 0,
                OperationKind.Extend => o.From != before || before == 0,
                _ => o.To > before,
            }
        )
            return $"latents {o.From} to {o.To}, after {before}";
        if (o.Seed < 0)
            return $"the seed {o.Seed}";
        if (o.Prompts.Count is 0 or > 1000 || o.Prompts.Any(p => p.Text.Length is 0 or > MostText))
            return "prompts that cannot be";
        if (o.Prompts.Any(p => !(p.From >= 0 && p.To > p.From && p.To < 1e7)))
            return "a prompt of seconds that cannot be";
        var s = o.Settings;
        if (
            s.Steps is < 1 or > 1000
            || s.Timesteps.Count > 1000
            || s.Timesteps.Any(t => !(t is >= 0 and <= 1000))
            || !(s.Shift is > 0 and < 1000)
            || !(s.Guidance is >= 0 and < 1000)
            || s.FmSteps is < 0 or > 1000
            || s.Tile is < 0 or > 16_384
            || s.Hold is < 0 or > MostLatents
            || s.Fade is < 0 or > MostLatents
        )
            return "settings that cannot be";
        if (o.Start is { } start && (!IsHash(start.Sha256) || start.Latents < 1 || start.Latents > o.To))
            return "a start that cannot be";
        var at = o.From;
        foreach (var segment in o.Segments)
        {
            if (segment.From != at || segment.Latents < 1 || segment.Latents > o.To - at)
                return $"a segment of latents {segment.From} and {segment.Latents} on, where {at} comes next";
            if (segment.Window < 0 || segment.Window > segment.From)
                return $"a segment of a window at {segment.Window}";
            if (!IsHash(segment.Sha256))
                return "a segment whose hash is none";
            at += segment.Latents;
        }
        return at == o.To ? null : $"no latents {at} to {o.To}";
    }

    [GeneratedRegex("^[0-9a-f]{64}$")]
    private static partial Regex Hash();

    [GeneratedRegex("^[0-9a-f]{16,64}$")]
    private static partial Regex ShortHash();

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    private static partial Regex Name();
}
