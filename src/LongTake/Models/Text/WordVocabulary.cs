using System.Text;

namespace LongTake.Models.Text;

/// <summary>
/// The words of a set of captions, each an id: the vocabulary of runs that make their own. A word is a run of letters,
/// digits and what joins them inside a word ("it's", "top-hat"); any other sign is a word of its own; capitals stay.
/// The file is text: a first line that says what it is, then a word a line. Ids start as those of T5: 0 pads, 1 ends a
/// text, 2 is unknown.
/// </summary>
public sealed class WordVocabulary : Vocabulary
{
    private const string Kind = "LongTake word vocabulary",
        Header = Kind + " 1";
    private static readonly string[] special = ["<pad>", "</s>", "<unk>"];
    private readonly string[] words;
    private readonly Dictionary<string, int> ids = [];

    private WordVocabulary(IEnumerable<string> words, string name)
    {
        this.words = [.. special, .. words];
        for (var id = special.Length; id < this.words.Length; id++)
        {
            var word = this.words[id];
            if (!Split(word).SequenceEqual([word]))
                throw new UserException(
                    $"word list '{name}': line {id - special.Length + 2} is no single word: '{word}'"
                );
            if (!ids.TryAdd(word, id))
                throw new UserException($"word list '{name}': '{word}' is there twice");
        }
    }

    /// <summary>
    /// The words of texts: the most frequent where there are more than fit, in the order of their frequency, then of
    /// their signs.
    /// </summary>
    public static WordVocabulary Train(IEnumerable<string> texts, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(most, special.Length);
        var counts = texts.SelectMany(Split).CountBy(w => w, StringComparer.Ordinal);
        return new(
            counts
                .OrderByDescending(c => c.Value)
                .ThenBy(c => c.Key, StringComparer.Ordinal)
                .Select(c => c.Key)
                .Take(most - special.Length),
            "in memory"
        );
    }

    /// <summary>Whether a file's bytes are such a list.</summary>
    public static bool Is(ReadOnlySpan<byte> file) => TextFile.Begins(file, Kind);

    /// <inheritdoc/>
    public override int Count => words.Length;

    /// <inheritdoc/>
    public override int Pad => 0;

    /// <inheritdoc/>
    public override int Eos => 1;

    /// <inheritdoc/>
    public override int Unknown => 2;

    /// <summary>Writes the list.</summary>
    public void Save(string path) =>
        File.WriteAllText(path, string.Join('\n', [Header, .. words[special.Length..], ""]));

    /// <inheritdoc/>
    public override int[] Encode(string text) => [.. Split(text).Select(w => ids.GetValueOrDefault(w, Unknown))];

    /// <summary>The words, without the special pieces.</summary>
    public IReadOnlyList<string> Known => words[special.Length..];

    /// <summary>The words of a text that are not in the list.</summary>
    public IEnumerable<string> Unread(string text) => Split(text).Where(w => !ids.ContainsKey(w));

    /// <summary>
    /// The words of ids, a space between two, none before a sign that closes; what is unknown is U+2047.
    /// </summary>
    public override string Decode(ReadOnlySpan<int> ids)
    {
        var text = new StringBuilder();
        foreach (var id in ids)
        {
            if (id < 0 || id >= Count)
                throw new ArgumentOutOfRangeException(
                    nameof(ids),
                    $"id {id} is not one of the {Count} of the word list"
                );
            if (id == Pad || id == Eos)
                continue;
            var word = id == Unknown ? "\u2047" : words[id];
            if (text.Length > 0 && word is not ("," or "." or ":" or ";" or "!" or "?" or ")"))
                text.Append(' ');
            text.Append(word);
        }
        return text.ToString();
    }

    internal static WordVocabulary Parse(ReadOnlySpan<byte> file, string name)
    {
        var text = TextFile.Decode(file.ToArray(), $"word list '{name}'");
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        if (lines[0] != Header)
            throw new UserException(
                $"word list '{name}' begins with '{lines[0]}', but only '{Header}' is known: a newer LongTake wrote it"
            );
        if (lines[^1].Length > 0)
            throw new UserException($"word list '{name}' is cut short: its last line does not end");
        return new(lines[1..^1], name);
    }

    private static IEnumerable<string> Split(string text)
    {
        var word = new StringBuilder();
        var runes = text.EnumerateRunes().ToArray();
        for (var i = 0; i < runes.Length; i++)
        {
            var joins =
                runes[i].Value is '\'' or '-' or '\u2019'
                && word.Length > 0
                && i + 1 < runes.Length
                && Rune.IsLetterOrDigit(runes[i + 1]);
            if (joins || Rune.IsLetterOrDigit(runes[i]) || IsMark(runes[i]))
            {
                word.Append(runes[i].ToString());
                continue;
            }
            if (word.Length > 0)
                yield return word.ToString();
            word.Clear();
            if (!Rune.IsWhiteSpace(runes[i]) && !Rune.IsControl(runes[i]))
                yield return runes[i].ToString();
        }
        if (word.Length > 0)
            yield return word.ToString();
    }

    private static bool IsMark(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is System.Globalization.UnicodeCategory.NonSpacingMark
                or System.Globalization.UnicodeCategory.SpacingCombiningMark;
}
