using System.Globalization;

namespace LongTake;

/// <summary>
/// Numbers as they are written in options, recipes and lists, whatever the language of the system: a point before the
/// decimals, no thousands separators. So "2,5" is no number, and never 25.
/// </summary>
public static class Numbers
{
    private const NumberStyles Real =
        NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>Reads a finite number.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out double value) =>
        double.TryParse(text, Real, CultureInfo.InvariantCulture, out value) && double.IsFinite(value);

    /// <summary>Reads a whole number of 64 bits.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    /// <summary>Reads a whole number of 32 bits.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    /// <summary>How to write a number that was not understood, "; write 2.5" for "2,5"; empty where unknown.</summary>
    public static string Instead(string text)
    {
        var point = text.Trim().Replace(',', '.').Replace('\u066B', '.');
        return point != text && TryParse(point, out double _) ? $"; write {point}" : "";
    }
}
