using System.Globalization;
using System.Text.RegularExpressions;

namespace LongTake.Generation;

/// <summary>A prompt, and the seconds of the video that it is for.</summary>
public sealed record PromptSpan(double From, double To, string Text);

/// <summary>A prompt, and the latent that it is for, and those after it up to the next prompt's.</summary>
public sealed record PromptStart(int From, string Text);

/// <summary>
/// Prompts by the second, <c>0-20 s: a man walks | 20-40 s: he sits down</c>: in order, without gaps, from the first
/// second on.
/// </summary>
public static partial class PromptSchedule
{
    /// <summary>Whether a prompt is a schedule: its first part begins with seconds.</summary>
    public static bool Is(string prompt) => Part().IsMatch(prompt.Split('|')[0]);

    /// <summary>
    /// The prompts of a schedule, the first of which begins at second <paramref name="begin"/> or before; of any other
    /// prompt none.
    /// </summary>
    /// <exception cref="RequestException">A part without seconds or text, or seconds that do not follow each
    /// other.</exception>
    public static IReadOnlyList<PromptSpan> Read(string prompt, double begin = 0)
    {
        if (!Is(prompt))
            return [];
        var spans = new List<PromptSpan>();
        foreach (var part in prompt.Split('|'))
        {
            var m = Part().Match(part);
            if (!m.Success || m.Groups[3].Value.Trim().Length == 0)
                throw Wrong($"'{part.Trim()}' is no part of a schedule");
            var (from, to) = (Second(m.Groups[1]), Second(m.Groups[2]));
            if (spans.Count == 0 ? from > begin : from != spans[^1].To)
                throw Wrong($"'{part.Trim()}' must begin at {(spans.Count == 0 ? begin : spans[^1].To):0.###} s");
            if (!(to > from))
                throw Wrong($"'{part.Trim()}' ends before it begins");
            spans.Add(new(from, to, m.Groups[3].Value.Trim()));
        }
        return spans;
    }

    private static RequestException Wrong(string what) =>
        new([new("prompt", $": {what}; write '0-20 s: a man walks | 20-40 s: he sits down'")]);

    private static double Second(Group text) => double.Parse(text.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\s*(\d{1,6}(?:\.\d{1,6})?)\s*-\s*(\d{1,6}(?:\.\d{1,6})?)\s*s\s*:(.*)$", RegexOptions.Singleline)]
    private static partial Regex Part();
}
