using System.Security.Cryptography;
using System.Text;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>
/// What the caption stage did: answers in the set, those of now, tokens, cost by the recipe's prices, questions without
/// an answer.
/// </summary>
public sealed record CaptionReport(
    int Answers,
    int Asked,
    long TokensIn,
    long TokensOut,
    double Cost,
    int Failed,
    string Problem
)
{
    /// <summary>Stretches that were asked about now and got no caption, each with the reason.</summary>
    public IReadOnlyList<string> Dropped { get; init; } = [];
}

/// <summary>
/// Asks an endpoint with OpenAI's chat protocol what is seen in the stretches that were kept. Each answer is a
/// file of its own, so none is paid for twice; several processes share the questions. Without answers a set is as good
/// as before.
/// </summary>
internal sealed class Captioner(string folder, CaptionEndpoint endpoint)
{
    // After so many questions in a row that failed nobody is asked any more.
    private const int EnoughFailures = 8;

    /// <summary>Pause before the first try again; it doubles.</summary>
    internal TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(1);

    private sealed record Question(Decision Of, int Window, int Windows, string Key);

    /// <summary>Asks what has not been answered yet.</summary>
    public CaptionReport Ask(
        IReadOnlyList<Decision> decisions,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        var questions = decisions.Where(Wanted).SelectMany(Questions).DistinctBy(q => q.Key).ToList();
        if (endpoint.Url.Length == 0 || questions.Count == 0)
            return new(0, 0, 0, 0, 0, 0, "");
        using var chat = new ChatEndpoint(endpoint, FirstPause);
        var (asked, row, problem) = (0, 0, "");
        var dropped = new SortedSet<string>(StringComparer.Ordinal);
        using var claims = new Claims(Path.Combine(folder, "claims"));
        try
        {
            SharedWork.Run(
                questions,
                q => q.Key,
                q => row >= EnoughFailures || Known(q.Key) is not null,
                q =>
                {
                    try
                    {
                        var answer = One(chat, q, cancel);
                        SealedJson.Write(Place(q.Key), answer, AnswerJson.Default.Answer);
                        Interlocked.Increment(ref asked);
                        Interlocked.Exchange(ref row, 0);
                    }
                    catch (UserException e)
                    {
                        problem = e.Message;
                        lock (dropped)
                            dropped.Add($"{q.Of.Name} at {q.Of.Start:0.0} s: {e.Message}");
                        // it will not have us: nobody needs to ask again
                        if (e.Usage)
                            Interlocked.Exchange(ref row, EnoughFailures);
                        Interlocked.Increment(ref row);
                        throw;
                    }
                },
                claims,
                endpoint.Concurrency,
                (done, waiting) =>
                    progress?.Report(
                        new(
                            done,
                            questions.Count,
                            "captions",
                            waiting.Length > 0
                                ? waiting
                                : $"{chat.TokensIn} + {chat.TokensOut} tokens, cost {Cost(chat):0.00}"
                        )
                    ),
                cancel
            );
        }
        // what is missing is counted below, and the set goes on without
        catch (UserException) when (problem.Length > 0) { }
        var failed = questions.Count(q => Known(q.Key) is null);
        var answers = questions.Count - failed;
        return new(answers, asked, chat.TokensIn, chat.TokensOut, Cost(chat), failed, problem)
        {
            Dropped = [.. dropped],
        };
    }

    /// <summary>The decisions with the captions that were answered.</summary>
    public IReadOnlyList<Decision> Apply(IReadOnlyList<Decision> decisions) =>
        endpoint.Url.Length == 0
            ? decisions
            :
            [
                .. decisions.Select(d =>
                {
                    if (!Wanted(d))
                        return d;
                    var answers = Questions(d).Select(q => (q.Windows, Answer: Known(q.Key))).ToList();
                    var whole = answers.FirstOrDefault(a => a.Windows == 0).Answer;
                    var windows = answers.Where(a => a.Windows > 0).ToList();
                    return d with
                    {
                        Caption = whole?.Caption ?? d.Caption,
                        CaptionFrom = whole is null ? d.CaptionFrom : endpoint.Model,
                        Windows =
                            windows.Count > 0 && windows.All(w => w.Answer is not null)
                                ? [.. windows.Select(w => w.Answer!.Caption)]
                                : d.Windows,
                    };
                }),
            ];

    private bool Wanted(Decision d) => d.Kept && (endpoint.Replace || d.CaptionFrom is "" or "name");

    private IEnumerable<Question> Questions(Decision d)
    {
        var windows = endpoint.WindowSeconds > 0 ? Math.Max(1, (int)Math.Round(d.Seconds / endpoint.WindowSeconds)) : 0;
        for (var n = -1; n < windows; n++)
        {
            var text =
                $"{d.Footage!.Id}\n{n} of {windows}\n{endpoint.Model}\n{endpoint.Prompt}\n{endpoint.Frames} "
                + $"{endpoint.Pixels} {endpoint.MaxTokens}";
            yield return new(
                d,
                n,
                n < 0 ? 0 : windows,
                Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32]
            );
        }
    }

    private string Place(string key) => Path.Combine(folder, "captions", key[..2], key + ".json");

    // What an older version took for a caption is looked at again.
    private Answer? Known(string key)
    {
        try
        {
            if (!File.Exists(Place(key)))
                return null;
            var answer = SealedJson.Read(Place(key), AnswerJson.Default.Answer);
            return CaptionAnswer.Clean(answer.Caption, endpoint.Prompt).Caption is { } caption
                ? answer with
                {
                    Caption = caption,
                }
                : null;
        }
        catch (UserException)
        {
            return null;
        }
    }

    private double Cost(ChatEndpoint chat) =>
        (chat.TokensIn * endpoint.PriceIn + chat.TokensOut * endpoint.PriceOut) / 1e6;

    private Answer One(ChatEndpoint chat, Question q, CancellationToken cancel)
    {
        var (footage, seconds) = (q.Of.Footage!, q.Of.Seconds);
        var from = footage.Start;
        if (q.Windows > 0)
            (from, seconds) = (
                (footage.Start ?? footage.First) + q.Of.Seconds * q.Window / q.Windows,
                q.Of.Seconds / q.Windows
            );
        var (count, pixels) = (endpoint.Frames, endpoint.Pixels);
        var frames = Jpegs.Read(footage.Path, from, seconds, count, pixels, footage.Crop, footage.Colour, cancel);
        return chat.Ask(frames, cancel);
    }
}
