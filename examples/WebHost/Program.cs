// Videos over HTTP:  dotnet run -- --model MODEL   then   GET /video?prompt=a+traveller&seconds=5
// The generator is shared: requests that come at once are worked on in turns. A client that leaves cancels its video.
using LongTake;
using LongTake.Generation;
using LongTake.Video;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddLongTake(o => o.Model = builder.Configuration["model"] ?? "models/traveller");
var app = builder.Build();

app.MapGet(
    "/video",
    async (string prompt, double? seconds, long? seed, VideoGenerator generator, CancellationToken gone) =>
    {
        var path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.mp4");
        var request = new VideoRequest
        {
            Prompt = prompt,
            Seconds = seconds,
            Seed = seed ?? 0,
        };
        try
        {
            var made = await generator.SaveAsync(request, path, new WriteOptions { Upscale = 8 }, cancel: gone);
            File.Delete(made.Latents);
            var file = new FileStream(
                made.Path,
                FileMode.Open,
                FileAccess.Read,
                FileShare.Delete,
                1 << 16,
                FileOptions.DeleteOnClose
            );
            return Results.File(file, "video/mp4");
        }
        catch (RequestException e)
        {
            return Results.Problem(e.Message, statusCode: 400);
        }
    }
);
app.Run();
