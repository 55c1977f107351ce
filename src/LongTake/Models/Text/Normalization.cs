using System.Globalization;
using System.Text;

namespace LongTake.Models.Text;

/// <summary>
/// Unicode normalisation form C (Unicode Standard Annex 15). The runtime's own needs ICU, which this program does
/// without.
/// </summary>
internal static class Normalization
{
    public static string Compose(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\u02FF'))
            return text; // nothing below U+0300 changes
        var points = new List<int>();
        foreach (var rune in text.EnumerateRunes())
            Decompose(rune.Value, points);
        Order(points);
        Join(points);
        var composed = new StringBuilder(text.Length);
        foreach (var p in points)
            composed.Append(char.ConvertFromUtf32(p));
        return composed.ToString();
    }

    private static void Decompose(int point, List<int> to)
    {
        if (point is >= 0xAC00 and < 0xD7A4) // Hangul, by arithmetic
        {
            var s = point - 0xAC00;
            to.Add(0x1100 + s / 588);
            to.Add(0x1161 + s % 588 / 28);
            if (s % 28 != 0)
                to.Add(0x11A7 + s % 28);
        }
        else if (TextTables.Canonical.TryGetValue(point, out var parts))
            foreach (var p in parts)
                Decompose(p, to);
        else
            to.Add(point);
    }

    /// <summary>Sorts each stretch of combining marks by class, keeping the order of equals.</summary>
    private static void Order(List<int> points)
    {
        for (var i = 1; i < points.Count; i++)
        for (
            var j = i;
            j > 0 && TextTables.Class(points[j]) is not 0 and var c && c < TextTables.Class(points[j - 1]);
            j--
        )
            (points[j], points[j - 1]) = (points[j - 1], points[j]);
    }

    private static void Join(List<int> points)
    {
        var starter = -1;
        var last = -1; // class of the mark before, -1 directly after the starter
        var kept = 0;
        foreach (var p in points.ToArray())
        {
            var c = TextTables.Class(p);
            if (starter >= 0 && (last < c) && Pair(points[starter], p) is { } whole)
            {
                points[starter] = whole;
                continue;
            }
            if (c == 0)
                (starter, last) = (kept, -1);
            else
                last = c;
            points[kept++] = p;
        }
        points.RemoveRange(kept, points.Count - kept);
    }

    private static int? Pair(int a, int b)
    {
        if (a is >= 0x1100 and < 0x1113 && b is >= 0x1161 and < 0x1176)
            return 0xAC00 + (a - 0x1100) * 588 + (b - 0x1161) * 28;
        if (a is >= 0xAC00 and < 0xD7A4 && (a - 0xAC00) % 28 == 0 && b is > 0x11A7 and < 0x11C3)
            return a + b - 0x11A7;
        return TextTables.Composed.TryGetValue((a, b), out var whole) ? whole : null;
    }
}

/// <summary>The tables of TextTables.txt, read at first use.</summary>
internal static class TextTables
{
    public static readonly Dictionary<string, string> Entities = [];
    public static readonly Dictionary<int, int[]> Canonical = [];
    public static readonly Dictionary<(int, int), int> Composed = [];
    public static readonly Dictionary<char, string> Width = [];
    private static readonly Dictionary<int, int> classes = [];

    static TextTables()
    {
        using var stream = typeof(TextTables).Assembly.GetManifestResourceStream("TextTables.txt")!;
        using var reader = new StreamReader(stream);
        var section = "";
        while (reader.ReadLine() is { } line)
        {
            if (line[0] is '#' or '[')
            {
                section = line;
                continue;
            }
            var words = line.Split(' ');
            if (section == "[class]")
                for (var p = Hex(words[0]); p <= Hex(words[1]); p++)
                    classes[p] = int.Parse(words[2]);
            else if (section == "[canonical]")
            {
                int[] parts = [.. words[1..].Where(w => w != "!").Select(Hex)];
                Canonical[Hex(words[0])] = parts;
                if (words[^1] != "!")
                    Composed[(parts[0], parts[1])] = Hex(words[0]);
            }
            else
            {
                var text = string.Concat(words[1..].Select(w => char.ConvertFromUtf32(Hex(w))));
                if (section == "[width]")
                    Width[(char)Hex(words[0])] = text;
                else
                    Entities[words[0]] = text;
            }
        }
    }

    /// <summary>Canonical combining class; 0 for all but combining marks.</summary>
    public static int Class(int point) => classes.GetValueOrDefault(point);

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber);
}
