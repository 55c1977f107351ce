using LongTake.Checkpoints;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Generation;

/// <summary>Finds what a request asks for and this model will not do, though it is no mistake.</summary>
internal static class RequestWarnings
{
    private const int MostNamed = 60;

    public static IEnumerable<string> Of(VideoRequest given, ResolvedRequest r, ModelFiles files)
    {
        if (given.NegativePrompt is not null && r.Guidance == 1)
            yield return "the negative prompt does nothing: guidance is 1, which is none";
        if (r.Sampler == Sampler.FewStep && r.Guidance != 1)
            yield return $"guidance {r.Guidance}: a model of few steps was trained to make videos without; "
                + "what the prompt says may turn out otherwise. 1 is none";
        if (r.Sampler != Sampler.InfinityRope && given.Prompt.Contains('|') && r.Spans.Count == 0)
            yield return "the prompt has a bar, but this model takes no script of several scenes: it is one text to it";
        if (Words(files) is not { } words)
            yield break;
        var texts = r.Spans.Count > 0 ? r.Spans.Select(s => s.Text) : r.Scenes.Select(s => s.Prompt);
        var unknown = texts.SelectMany(words.Unread).Distinct().ToList();
        if (unknown.Count > 0)
            yield return $"words that this model has never read, and does not understand: {string.Join(", ", unknown)}"
                + (words.Known.Count <= MostNamed ? $"; it knows {string.Join(' ', words.Known)}" : "");
    }

    // A vocabulary of words says what was read; beside one of pieces a list of words may lie.
    private static WordVocabulary? Words(ModelFiles files)
    {
        var list = Path.Combine(files.Path, ModelFolder.Words);
        var file = File.Exists(list) ? File.ReadAllBytes(list) : files.Tokenizer;
        return file is not null && WordVocabulary.Is(file) ? (WordVocabulary)Vocabulary.Read(file) : null;
    }
}
