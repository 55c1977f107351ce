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
    private readonly HttpClient client = Client(endpoint);

    public void Dispose() => client.Dispose();

    /// <summary>The caption of some JPEG frames.</summary>
    /// <exception cref="UserException">No answer; usage: none to any question.</exception>
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
        for (var attempt = 0; ; attempt++)
        {
            var (answer, wait, problem) = Try(body, cancel);
            if (answer is not null)
                return answer;
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
            using var reader = new StreamReader(response.Content.ReadAsStream(cancel));
            var text = reader.ReadToEnd();
            if (response.IsSuccessStatusCode)
                return (Read(text), null, "");
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

    private Answer Read(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            var caption = document
                .RootElement.GetProperty("choices")[0]
                .GetProperty("message")
                .GetProperty("content")
                .GetString();
            var usage = document.RootElement.TryGetProperty("usage", out var u) ? u : default;
            long Tokens(string name) =>
                usage.ValueKind == JsonValueKind.Object
                && usage.TryGetProperty(name, out var n)
                && n.TryGetInt64(out var count)
                    ? count
                    : 0;
            if (!string.IsNullOrWhiteSpace(caption))
                return new(
                    string.Join(' ', caption.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)),
                    Tokens("prompt_tokens"),
                    Tokens("completion_tokens")
                );
        }
        catch (Exception e)
            when (e is JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        { }
        throw new UserException(
            $"{endpoint.Url}: answers, but not with choices[0].message.content: {VideoManifest.Quote(text)}; is it "
                + $"an OpenAI-compatible address ending in /v1?",
            usage: true
        );
    }
}
