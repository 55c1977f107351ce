using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LongTake.Data;

/// <summary>An answer of the endpoint.</summary>
internal sealed record Answer(string Caption, long TokensIn, long TokensOut);

[JsonSerializable(typeof(Answer))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class AnswerJson : JsonSerializerContext;

/// <summary>An endpoint with OpenAI's chat protocol that is shown frames and asked for a caption.</summary>
/// <param name="firstPause">Pause before the first try again; it doubles.</param>
internal sealed class ChatEndpoint(CaptionEndpoint endpoint, TimeSpan firstPause) : IDisposable
{
    // An answer without a caption may come with one another time; more than this is paid for in vain.
    private const int Unusable = 2;

    private readonly HttpClient client = Client(endpoint);
    private long tokensIn,
        tokensOut;

    /// <summary>Tokens of all answers, those without a caption too.</summary>
    public long TokensIn => tokensIn;
    public long TokensOut => tokensOut;

    public void Dispose() => client.Dispose();

    /// <summary>The caption of some JPEG frames.</summary>
    /// <exception cref="UserException">No answer, or none with a caption; usage: none to any question.</exception>
    public Answer Ask(IReadOnlyList<byte[]> frames, CancellationToken cancel)
    {
        var content = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = endpoint.Prompt });
        foreach (var frame in frames)
            content.Add(
                new JsonObject
                {
                    ["type"] = "image_url",
                    ["image_url"] = new JsonObject
                    {
                        ["url"] = "data:image/jpeg;base64," + Convert.ToBase64String(frame),
                    },
                }
            );
        var body = new JsonObject
        {
            ["model"] = endpoint.Model,
            ["max_tokens"] = endpoint.MaxTokens,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = content }),
        }.ToJsonString();
        for (int attempt = 0, unusable = 0; ; attempt++)
        {
            var (answer, wait, problem) = Try(body, cancel);
            if (answer is { Caption.Length: > 0 })
                return answer;
            if (answer is not null && ++unusable >= Unusable)
                throw new UserException($"no caption after {attempt + 1} tries: {problem}");
            if (attempt >= endpoint.Retries)
                throw new UserException($"{endpoint.Url}: no answer after {attempt + 1} tries: {problem}");
            var pause = wait ?? firstPause * Math.Pow(2, attempt) * (0.75 + 0.5 * Random.Shared.NextDouble());
            cancel.WaitHandle.WaitOne(pause > TimeSpan.FromMinutes(5) ? TimeSpan.FromMinutes(5) : pause);
            cancel.ThrowIfCancellationRequested();
        }
    }

    private static HttpClient Client(CaptionEndpoint endpoint)
    {
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false })
        {
            Timeout = TimeSpan.FromSeconds(endpoint.PatienceSeconds),
        };
        client.DefaultRequestHeaders.UserAgent.Add(new("LongTake", "1"));
        if (Environment.GetEnvironmentVariable(endpoint.KeyVariable) is { Length: > 0 } key)
            client.DefaultRequestHeaders.Authorization = new("Bearer", key);
        return client;
    }

    // An answer, or how long to wait and why. What trying again cannot mend is thrown; as usage what holds for every
    // question.
    private (Answer? Answer, TimeSpan? Wait, string Problem) Try(string body, CancellationToken cancel)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, endpoint.Url.TrimEnd('/') + "/chat/completions")
            {
                Content = new StringContent(body, Encoding.UTF8, "application/json"),
            };
            using var response = client.Send(request, cancel);
            using var bytes = new MemoryStream();
            response.Content.ReadAsStream(cancel).CopyTo(bytes);
            if (response.IsSuccessStatusCode)
                return Read(bytes.ToArray());
            var text = Encoding.UTF8.GetString(bytes.ToArray());
            var problem = $"{(int)response.StatusCode} {response.ReasonPhrase} {VideoManifest.Quote(text)}";
            if (
                response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests
                || (int)response.StatusCode >= 500
            )
                return (null, Wait(response.Headers.RetryAfter), problem);
            throw new UserException(
                $"{endpoint.Url}: {problem}",
                usage: response.StatusCode
                    is HttpStatusCode.Unauthorized
                        or HttpStatusCode.Forbidden
                        or HttpStatusCode.NotFound
            );
        }
        catch (HttpRequestException e)
        {
            return (null, null, e.Message);
        }
        catch (IOException e)
        {
            return (null, null, e.Message);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, null, $"nothing came within {endpoint.PatienceSeconds:0} s");
        }
    }

    private static TimeSpan? Wait(RetryConditionHeaderValue? retry) =>
        retry?.Delta ?? (retry?.Date is { } date && date > DateTimeOffset.UtcNow ? date - DateTimeOffset.UtcNow : null);

    // Without a caption the answer's is "", and the problem says why.
    private (Answer Answer, TimeSpan? Wait, string Problem) Read(byte[] reply)
    {
        try
        {
            using var document = JsonDocument.Parse(reply);
            var root = document.RootElement;
            var (caption, problem) = CaptionAnswer.Read(root, endpoint.Prompt);
            var (tokens, made) = (Tokens(root, "prompt_tokens"), Tokens(root, "completion_tokens"));
            Interlocked.Add(ref tokensIn, tokens);
            Interlocked.Add(ref tokensOut, made);
            return (new(caption ?? "", tokens, made), null, problem);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or UserException { Usage: true })
        {
            var why = e is UserException ? e.Message : "answers, but not with JSON";
            throw new UserException(
                $"{endpoint.Url}: {why}: {VideoManifest.Quote(Encoding.UTF8.GetString(reply))}; is it an "
                    + "OpenAI-compatible address ending in /v1?",
                usage: true
            );
        }
    }

    private static long Tokens(JsonElement root, string name) =>
        root.TryGetProperty("usage", out var usage)
        && usage.ValueKind == JsonValueKind.Object
        && usage.TryGetProperty(name, out var n)
        && n.TryGetInt64(out var count)
            ? count
            : 0;
}
