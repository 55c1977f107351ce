using System.Net;
using System.Text;
using System.Text.Json;
using LongTake.Data;
using LongTake.Tests.Video;

namespace LongTake.Tests.Data;

/// <summary>Captions from an endpoint, played by a server on this machine.</summary>
public sealed class CaptionerTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-captions-").FullName;
    private readonly HttpListener server = new();
    private readonly List<JsonElement> asked = [];
    private readonly string url;
    private Func<int, (int Status, string Text)> reply = n => (200, Say($"caption {n}"));
    private int atOnce,
        mostAtOnce;

    public CaptionerTests()
    {
        var port = Random.Shared.Next(20_000, 60_000);
        url = $"http://127.0.0.1:{port}/v1";
        server.Prefixes.Add($"http://127.0.0.1:{port}/");
        server.Start();
        _ = Task.Run(async () =>
        {
            while (server.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await server.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
                _ = Task.Run(() => Answer(context));
            }
        });
    }

    private void Answer(HttpListenerContext context)
    {
        mostAtOnce = Math.Max(mostAtOnce, Interlocked.Increment(ref atOnce));
        int n;
        using (var reader = new StreamReader(context.Request.InputStream))
        {
            var body = JsonDocument.Parse(reader.ReadToEnd()).RootElement;
            lock (asked)
            {
                asked.Add(body);
                n = asked.Count;
            }
        }
        Thread.Sleep(30);
        var (status, text) = context.Request.Url!.AbsolutePath == "/v1/chat/completions" ? reply(n) : (404, "no");
        Interlocked.Decrement(ref atOnce);
        context.Response.StatusCode = status;
        context.Response.Close(Encoding.UTF8.GetBytes(text), willBlock: true);
    }

    public void Dispose()
    {
        server.Close();
        Directory.Delete(root, recursive: true);
    }

    private static string Say(string caption) =>
        """{"choices":[{"message":{"role":"assistant","content":"CAPTION\n of it"}}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}""".Replace(
            "CAPTION",
            caption
        );

    private List<Decision> Takes(int count)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var video = Videos.Write(Path.Combine(root, "video.mp4"), 4, t => t);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(n => new Decision(video, "video.mp4", "kept", "")
                {
                    Shot = 0,
                    End = 4,
                    Role = "take",
                    Value = 4,
                    Footage = new($"id{n}", video, "", 0, n == 0 ? null : 0.5, 8, 33, 32, 32, null),
                    Caption = "its name",
                    CaptionFrom = "name",
                }),
        ];
    }

    private CaptionEndpoint Endpoint =>
        new()
        {
            Url = url,
            Model = "seer",
            Frames = 3,
            Pixels = 32,
            Concurrency = 2,
            Retries = 3,
            PriceIn = 2,
            PriceOut = 10,
        };

    private Captioner Captioner(CaptionEndpoint e) =>
        new(Path.Combine(root, "set"), e) { FirstPause = TimeSpan.FromMilliseconds(20) };

    [SkippableFact]
    public void AsksOnceWithPicturesAndCountsTheCost()
    {
        var takes = Takes(5);
        var busy = 0;
        reply = n =>
            Interlocked.Increment(ref busy) <= 3 ? (busy == 1 ? 429 : 503, "busy") : (200, Say($"caption {n}"));
        var report = Captioner(Endpoint).Ask(takes, null, default);
        // three were told to come again
        Assert.Equal((5, 5, 0, 8), (report.Answers, report.Asked, report.Failed, asked.Count));
        Assert.Equal((5000, 500, 0.015), (report.TokensIn, report.TokensOut, Math.Round(report.Cost, 6)));
        Assert.InRange(mostAtOnce, 1, 2);
        var content = asked[0].GetProperty("messages")[0].GetProperty("content").EnumerateArray().ToList();
        Assert.Equal(4, content.Count);
        var picture = Convert.FromBase64String(
            content[1].GetProperty("image_url").GetProperty("url").GetString()!["data:image/jpeg;base64,".Length..]
        );
        Assert.Equal([0xFF, 0xD8], picture[..2]);
        Assert.Equal([0xFF, 0xD9], picture[^2..]);
        var captioned = Captioner(Endpoint).Apply(takes);
        Assert.All(captioned, d =>
            Assert.True(
                d.Caption.StartsWith("caption ", StringComparison.Ordinal)
                    && d.Caption.EndsWith(" of it", StringComparison.Ordinal)
                    && d.CaptionFrom == "seer"
            )
        );
        Assert.Equal(0, Captioner(Endpoint).Ask(takes, null, default).Asked); // nothing is paid for twice
        Assert.Equal(8, asked.Count);
        // Captions of people stay unless told otherwise; windows get their own.
        List<Decision> said = [takes[0] with { Caption = "said", CaptionFrom = "video.txt" }];
        Assert.Equal(0, Captioner(Endpoint).Ask(said, null, default).Answers);
        var windows = Endpoint with { Replace = true, WindowSeconds = 2 };
        Assert.Equal(3, Captioner(windows).Ask(said, null, default).Answers);
        Assert.Equal(2, Captioner(windows).Apply(said)[0].Windows.Count);
    }

    [SkippableFact]
    public void AnEndpointThatFailsCostsNothingButItsCaptions()
    {
        var takes = Takes(3);
        reply = _ => (500, "broken");
        var report = Captioner(Endpoint with { Retries = 1 }).Ask(takes, null, default);
        Assert.Equal((0, 3, 6), (report.Answers, report.Failed, asked.Count));
        Assert.Contains("no answer after 2 tries: 500", report.Problem);
        Assert.All(Captioner(Endpoint).Apply(takes), d => Assert.Equal("its name", d.Caption));
        reply = _ => (401, "who are you");
        asked.Clear();
        Assert.Contains("401", Captioner(Endpoint with { Concurrency = 1 }).Ask(takes, null, default).Problem);
        Assert.Single(asked); // it will not have us: nobody asks on
        reply = _ => (200, """{"other":1}""");
        Assert.Contains(
            "is it an OpenAI-compatible address",
            Captioner(Endpoint with { Concurrency = 1 }).Ask(takes, null, default).Problem
        );
        server.Stop();
        Assert.Equal(3, Captioner(Endpoint with { Retries = 0, PatienceSeconds = 2 }).Ask(takes, null, default).Failed);
    }

    [SkippableFact]
    public void AnswersWithoutACaptionAreAskedForOnceMoreThenDroppedWithTheReason()
    {
        var takes = Takes(3);
        string Raw(string content, string end = "stop") =>
            JsonSerializer.Serialize(
                new
                {
                    choices = new[] { new { message = new { content }, finish_reason = end } },
                    usage = new { prompt_tokens = 10, completion_tokens = 1 },
                }
            );
        var one = Endpoint with { Concurrency = 1 };
        string[] replies =
        [
            Raw("<think>hm</think>A fox runs."),
            Raw("I'm sorry, I can't."),
            Raw("I'm sorry, I can't."),
            Raw("A fox r", "length"),
            Raw("Sure! Here is a caption: A hen walks."),
        ];
        reply = n => (200, replies[n - 1]);
        var report = Captioner(one).Ask(takes, null, default);
        Assert.Equal((2, 2, 1, 5), (report.Answers, report.Asked, report.Failed, asked.Count));
        Assert.Equal((50, 5), (report.TokensIn, report.TokensOut)); // what is dropped is paid for too
        Assert.StartsWith(
            "video.mp4 at 0.0 s: no caption after 2 tries: it refuses: 'I'm sorry",
            report.Dropped.Single()
        );
        Assert.Equal(["A fox runs.", "its name", "A hen walks."], Captioner(one).Apply(takes).Select(d => d.Caption));
        // An answer that an older version kept as it came is no caption either.
        var kept = Directory.GetFiles(Path.Combine(root, "set", "captions"), "*.json", SearchOption.AllDirectories);
        foreach (var file in kept)
            File.WriteAllText(file, """{"caption":"<think>hm","tokensIn":1,"tokensOut":1}""");
        Assert.All(Captioner(one).Apply(takes), d => Assert.Equal("its name", d.Caption));
        reply = _ => (200, Raw("A cow."));
        Assert.Equal(3, Captioner(one).Ask(takes, null, default).Asked);
    }
}
