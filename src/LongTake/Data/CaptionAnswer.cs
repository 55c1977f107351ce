using System.Text.Json;
using System.Text.RegularExpressions;

namespace LongTake.Data;

/// <summary>
/// The caption in what a chat endpoint answers, or why there is none. What a model thinks before it answers, and what
/// it wraps its answer into, is taken off; an answer that was cut off, is empty or refuses is no caption.
/// </summary>
internal static partial class CaptionAnswer
{
    private static readonly string[] members = ["caption", "description", "text", "answer"];

    /// <summary>The caption of a whole reply; null, and the reason, where it has none.</summary>
    /// <exception cref="UserException">Usage: the reply is not one of this protocol.</exception>
    public static (string? Caption, string Problem) Read(JsonElement reply, string prompt)
    {
        if (Member(reply, "error") is { ValueKind: JsonValueKind.Object } error)
            return (null, $"it answers with an error: {VideoManifest.Quote(error.GetRawText())}");
        if (Member(reply, "choices") is not { ValueKind: JsonValueKind.Array } choices)
            throw new UserException("answers, but without choices", usage: true);
        if (choices.GetArrayLength() == 0)
            return (null, "it answers with no choice");
        var choice = choices[0];
        if (Member(choice, "message") is not { ValueKind: JsonValueKind.Object } message)
            throw new UserException("answers, but without choices[0].message", usage: true);
        if (Text(message, "refusal") is { Length: > 0 } refusal)
            return (null, $"it refuses: {VideoManifest.Quote(refusal)}");
        switch (Text(choice, "finish_reason"))
        {
            case "length" or "max_tokens":
                return (null, "its answer is cut off; raise captions.endpoint.maxTokens");
            case "content_filter":
                return (null, "its answer was filtered");
            case "tool_calls" or "function_call":
                return (null, "it calls a tool instead of answering");
        }
        return Clean(Content(message), prompt);
    }

    /// <summary>The caption in a text; null, and the reason, where it has none.</summary>
    public static (string? Caption, string Problem) Clean(string text, string prompt)
    {
        if (Thoughts().Match(text) is { Success: true } closed)
            text = text[(closed.Index + closed.Length)..];
        else if (Thinks().IsMatch(text))
            return (null, $"it only thinks: {VideoManifest.Quote(text)}");
        text = Tokens().Replace(text, " ").Trim();
        for (var before = ""; before != text; )
        {
            before = text;
            text = Fence().Match(text) is { Success: true } fence ? fence.Groups[1].Value.Trim() : text;
            text = Tag().Match(text) is { Success: true } tag ? tag.Groups[2].Value.Trim() : text;
            text = Preface().Replace(text, "").Trim();
            text = Quoted().Match(text) is { Success: true } quoted ? quoted.Groups[2].Value.Trim() : text;
            if (Json().IsMatch(text))
            {
                if (Inside(text) is not { } inside)
                    return (null, $"it answers with JSON that has no caption: {VideoManifest.Quote(text)}");
                text = inside.Trim();
            }
        }
        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        if (!text.Any(char.IsLetter))
            return (null, text.Length == 0 ? "its answer is empty" : $"its answer has no words: '{text}'");
        if (Refuses().IsMatch(text))
            return (null, $"it refuses: {VideoManifest.Quote(text)}");
        return text.StartsWith(prompt, StringComparison.OrdinalIgnoreCase)
            ? (null, "it repeats the question")
            : (text, "");
    }

    // A text, or a list of parts of which the texts count.
    private static string Content(JsonElement message) =>
        Member(message, "content") switch
        {
            { ValueKind: JsonValueKind.String } text => text.GetString()!,
            { ValueKind: JsonValueKind.Array } parts => string.Concat(
                parts
                    .EnumerateArray()
                    .Select(p =>
                        p.ValueKind == JsonValueKind.String ? p.GetString()
                        : Text(p, "type") is "text" or "output_text" ? Text(p, "text")
                        : ""
                    )
            ),
            _ => "",
        };

    private static string? Inside(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return members.Select(m => Text(document.RootElement, m)).FirstOrDefault(t => t is { Length: > 0 });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonElement? Member(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : null;

    private static string? Text(JsonElement element, string name) =>
        Member(element, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private const RegexOptions Options =
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline;

    // Up to the last closing tag; its opening one may be part of the model's template, and lack here.
    [GeneratedRegex(
        @"^.*(</\s*(think|thinking|thought|thoughts|reasoning|reflection)\s*>|<\|end_of_thought\|>|\[/THINK\]"
            + @"|◁/think▷|<\|channel\|>\s*final\s*<\|message\|>)",
        Options
    )]
    private static partial Regex Thoughts();

    [GeneratedRegex(
        @"<\s*(think|thinking|thought|thoughts|reasoning|reflection)\s*>|<\|begin_of_thought\|>|\[THINK\]"
            + @"|◁think▷|<\|channel\|>",
        Options
    )]
    private static partial Regex Thinks();

    // What ends a turn: <|im_end|>, </s>, <eos> ...
    [GeneratedRegex(@"<\|[\w ]{1,40}\|>|</?s>|<(eos|bos|pad|end_of_turn|end_of_utterance)>|<｜[^｜]{1,40}｜>", Options)]
    private static partial Regex Tokens();

    [GeneratedRegex(@"^```[\w-]*\s*\n(.*?)\n?\s*```$", Options)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^<(answer|caption|description|output|response)>(.*)</\1>$", Options)]
    private static partial Regex Tag();

    // "Sure! Here is a caption of the video:", "**Caption:**"
    [GeneratedRegex(
        @"^((sure|certainly|of course|okay|ok|absolutely|yes)\b[^.!:\n]{0,60}[.!:,]\s*)?"
            + @"(here\s*(is|are|['’]s)\b[^:\n]{0,100}(caption|descri|paragraph|summary|answer)[^:\n]{0,60}:"
            + @"|[#*_\s]*((video|detailed|final|one-paragraph)\s+)?(caption|description|answer)[*_\s]*:)[*_\s]*",
        Options
    )]
    private static partial Regex Preface();

    [GeneratedRegex("""^(\{|\[\s*[{"\[])""", Options)]
    private static partial Regex Json();

    [GeneratedRegex("^([\"'`*“‘«„])([^\"`*“”«»„]*)[\"'`*”’»“]$", Options)]
    private static partial Regex Quoted();

    [GeneratedRegex(
        @"^(\W*)((i['’]?m|i am) (very |so |really )?(sorry|afraid|unable|not able|not sure what)\b"
            + @"|sorry\s*[,.!:]|sorry,? (but )?i\b"
            + @"|i (can(no|['’])t|cannot|can not|could ?n['’]?t|won['’]t|will not|am unable|don['’]t (see|have))\b"
            + @"|as an? (ai|artificial|language model|assistant)\b|unfortunately\b[^.]{0,20}\bi\b|i apologi[sz]e\b"
            + @"|my apologies\b"
            + @"|(the|these|no) (frames?|images?|pictures?) (were|was|are|is) not (provided|visible|attached)"
            + @"|no (frames?|images?|pictures?|video) (were|was|is|are)? ?(provided|attached|visible)"
            + @"|抱歉|很抱歉|对不起|我无法|申し訳|すみません)",
        Options
    )]
    private static partial Regex Refuses();
}
