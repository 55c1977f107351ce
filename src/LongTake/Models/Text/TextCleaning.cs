using System.Text;
using System.Text.RegularExpressions;
using System.Text.Unicode;

namespace LongTake.Models.Text;

/// <summary>
/// Wan's cleaning of prompts: what is broken in a text is mended (the steps and their order are ftfy's defaults), HTML
/// references are resolved twice, white space becomes single spaces. Differs from ftfy in one respect: only mojibake of
/// Latin-1 and Windows-1252 is recognised, by a rule of our own (<see cref="Mojibake"/>); other code pages and
/// sequences that lost a byte stay as they are.
/// </summary>
public static partial class TextCleaning
{
    /// <summary>The text as the text encoder's tokenizer wants it.</summary>
    public static string Clean(string text) => WhiteSpace().Replace(Unescape(Unescape(Mend(text))).Trim(), " ").Trim();

    /// <summary>Mends line by line; once a line holds '&lt;', HTML references are left alone from there on.</summary>
    private static string Mend(string text)
    {
        var mended = new StringBuilder();
        var html = true;
        for (var at = 0; at < text.Length; )
        {
            var end = text.IndexOf('\n', at) + 1;
            var line = end == 0 ? text[at..] : text[at..end];
            at += line.Length;
            html &= !line.Contains('<');
            mended.Append(MendLine(line, html));
        }
        return mended.ToString();
    }

    private static string MendLine(string text, bool html)
    {
        while (true)
        {
            var before = text;
            if (html)
                text = References().Replace(text, Reference);
            text = Mojibake.Mend(text);
            text = Compatibility(text);
            text = text.Replace("\r\n", "\n")
                .Replace('\r', '\n')
                .Replace('\u2028', '\n')
                .Replace('\u2029', '\n')
                .Replace('\u0085', '\n');
            text = LoneSurrogates().Replace(text, "\uFFFD");
            text = TerminalEscapes().Replace(text, "");
            text = Controls().Replace(text, "");
            text = Normalization.Compose(text);
            if (text == before)
                return text;
        }
    }

    /// <summary>
    /// Latin ligatures and digraphs apart, full and half width to the usual width, curly quotes straight.
    /// </summary>
    private static string Compatibility(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\x7F'))
            return text;
        var plain = new StringBuilder(text.Length);
        foreach (var c in text)
            plain.Append(
                c switch
                {
                    'Ĳ' => "IJ",
                    'ĳ' => "ij",
                    'ŉ' => "ʼn",
                    'Ǳ' => "DZ",
                    'ǲ' => "Dz",
                    'ǳ' => "dz",
                    'Ǆ' => "DŽ",
                    'ǅ' => "Dž",
                    'ǆ' => "dž",
                    'Ǉ' => "LJ",
                    'ǈ' => "Lj",
                    'ǉ' => "lj",
                    'Ǌ' => "NJ",
                    'ǋ' => "Nj",
                    'ǌ' => "nj",
                    'ﬀ' => "ff",
                    'ﬁ' => "fi",
                    'ﬂ' => "fl",
                    'ﬃ' => "ffi",
                    'ﬄ' => "ffl",
                    'ﬅ' => "ſt",
                    'ﬆ' => "st",
                    '\u3000' => " ",
                    >= '\uFF01' and <= '\uFF5E' => ((char)(c - 0xFEE0)).ToString(),
                    >= '\uFF5F' and <= '\uFFEF' => TextTables.Width.GetValueOrDefault(c) ?? c.ToString(),
                    '\u02BC' or (>= '\u2018' and <= '\u201B') => "'",
                    >= '\u201C' and <= '\u201F' => "\"",
                    _ => c.ToString(),
                }
            );
        return plain.ToString();
    }

    // ---- HTML references

    /// <summary>
    /// References with their semicolon; lower-case names also count when all in capitals (&amp;EACUTE;).
    /// </summary>
    private static string Reference(Match match)
    {
        var text = match.Value;
        if (text[1] == '#')
            return Unescape(text) is var plain && plain.Contains(';') ? text : plain;
        if (Entity(text[1..]) is { } value)
            return value;
        var name = text[1..];
        var shouted = !name.Any(char.IsAsciiLetterLower) && Unescape(text) == text;
        return shouted && Entity(name.ToLowerInvariant()) is { } small ? Upper(small) : text;
    }

    // the sharp s has no capital of its own
    private static string Upper(string text) => text == "ß" ? "SS" : text.ToUpperInvariant();

    /// <summary>All references of the HTML standard, also the ones that may lack their semicolon.</summary>
    private static string Unescape(string text) =>
        text.Contains('&') ? LooseReferences().Replace(text, LooseReference) : text;

    private static string LooseReference(Match match)
    {
        var body = match.Groups[1].Value;
        if (body[0] == '#')
            return Numeric(body.TrimEnd(';'));
        if (Entity(body) is { } whole)
            return whole;
        for (var length = body.Length - 1; length > 1; length--)
            if (Entity(body[..length]) is { } value)
                return value + body[length..];
        return match.Value;
    }

    /// <summary>The table keeps the semicolon in a name only where the standard requires it.</summary>
    private static string? Entity(string name) =>
        TextTables.Entities.GetValueOrDefault(name)
        ?? (name.EndsWith(';') ? TextTables.Entities.GetValueOrDefault(name[..^1]) : null);

    private static string Numeric(string body)
    {
        var hex = body[1] is 'x' or 'X';
        var code = 0L;
        foreach (var digit in body.AsSpan(hex ? 2 : 1))
            code = Math.Min(0x110000, code * (hex ? 16 : 10) + Convert.ToInt32(digit.ToString(), 16));
        return code switch
        {
            0 or (>= 0xD800 and <= 0xDFFF) or > 0x10FFFF => "\uFFFD",
            '\r' => "\r",
            >= 0x80 and <= 0x9F => Mojibake.Windows1252[(int)code - 0x80].ToString(),
            < 9 or 0xB or (>= 0xE and < 0x20) or 0x7F or (>= 0xFDD0 and <= 0xFDEF) => "",
            _ when (code & 0xFFFE) == 0xFFFE => "",
            _ => char.ConvertFromUtf32((int)code),
        };
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex("&#?[0-9A-Za-z]{1,24};")]
    private static partial Regex References();

    [GeneratedRegex("&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\\t\\n\\f <&#;]{1,32};?)")]
    private static partial Regex LooseReferences();

    [GeneratedRegex("\\e\\[[0-9;]*[a-zA-Z]")]
    private static partial Regex TerminalEscapes();

    [GeneratedRegex("[\0-\x08\x0B\x0E-\x1F\x7F\u206A-\u206F\uFEFF\uFFF9-\uFFFC]")]
    private static partial Regex Controls();

    [GeneratedRegex("[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]")]
    private static partial Regex LoneSurrogates();
}

/// <summary>
/// UTF-8 that was read as Latin-1 or Windows-1252 and so became several odd characters for one. A run of such
/// characters is read again as UTF-8 when all of it decodes and it is too unlikely to be meant: it has a sequence that
/// starts as Latin letters or signs do (Â, Ã), or one of three or four bytes, or a control character, or the text holds
/// several sequences.
/// </summary>
internal static class Mojibake
{
    /// <summary>
    /// What Windows-1252 has where Latin-1 has control characters, 0x80 to 0x9F; five places are free.
    /// </summary>
    public const string Windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ";

    public static string Mend(string text)
    {
        while (true)
        {
            var mended = Once(text);
            if (mended == text)
                return Controls(text);
            text = mended;
        }
    }

    private static string Once(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', '\x7F'))
            return text;
        var runs = new List<(int At, byte[] Bytes)>();
        for (int at = 0, end; at < text.Length; at = end + 1)
        {
            for (end = at; end < text.Length && Byte(text[end]) >= 0x80; )
                end++;
            if (end - at > 1)
                runs.Add((at, [.. text[at..end].Select(c => (byte)Byte(c))]));
        }
        var sequences = runs.Sum(r => r.Bytes.Count(b => b >= 0xC2));
        var result = new StringBuilder(text);
        for (var i = runs.Count - 1; i >= 0; i--)
        {
            var (at, bytes) = runs[i];
            var unlikely =
                sequences > 1
                || bytes[0] is 0xC2 or 0xC3 or >= 0xE0
                || text.AsSpan(at, bytes.Length).ContainsAnyInRange('\x80', '\x9F');
            if (unlikely && Utf8.IsValid(bytes))
                result.Remove(at, bytes.Length).Insert(at, Encoding.UTF8.GetString(bytes));
        }
        return result.ToString();
    }

    private static int Byte(char c) =>
        c < 0x100 ? c
        : Windows1252.IndexOf(c) is >= 0 and var i ? 0x80 + i
        : -1;

    /// <summary>C1 control characters that are left are Windows-1252's characters, as browsers take them.</summary>
    private static string Controls(string text) =>
        string.Concat(text.Select(c => c is >= '\x80' and <= '\x9F' ? Windows1252[c - 0x80] : c));
}
