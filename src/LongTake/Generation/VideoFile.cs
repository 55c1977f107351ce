using LongTake.Video;

namespace LongTake.Generation;

/// <summary>What came of making a video.</summary>
public sealed record VideoResult(
    string Path,
    string Latents,
    int Frames,
    double Seconds,
    int Steps,
    double SampleSeconds,
    double DecodeSeconds
);

/// <summary>Videos on disk: latents first, then the decoded frames streamed into ffmpeg.</summary>
public static class VideoFile
{
    /// <summary>
    /// Samples and writes a video. The latents are saved before decoding, beside the video (<c>.latents.safetensors</c>);
    /// each decoded frame also goes to <paramref name="frame"/>. Prompt, seed and model hash are in the file's
    /// metadata.
    /// </summary>
    public static VideoResult Make(
        VideoGenerator model,
        VideoRequest request,
        string path,
        WriteOptions? write = null,
        IProgress<ProgressReport>? progress = null,
        Action<byte[]>? frame = null,
        CancellationToken cancel = default
    )
    {
        request = model.Resolved(request);
        var c = request.Config(model.Config);
        using var scope = torch.NewDisposeScope();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var calls = 0;
        var latents = model.Sample(
            request,
            (done, total) =>
            {
                calls = done;
                progress?.Report(new ProgressReport(done, total, "steps", "sampling"));
            },
            (done, total) => progress?.Report(new ProgressReport(done, total, "latents", "encoding the picture")),
            cancel
        );
        var sampled = clock.Elapsed.TotalSeconds;
        if (!latents.AllFinite())
            throw new UserException(
                $"the {model.Part.Name} of {model.Files.Path} made numbers that are not finite; no video is "
                    + $"written. Check the file with 'longtake inspect'."
            );
        var latentFile = System.IO.Path.ChangeExtension(path, null) + ".latents.safetensors";
        TensorFiles.Write(
            latentFile,
            [KeyValuePair.Create("latents", latents)],
            new Dictionary<string, string> { ["prompt"] = request.Prompt, ["seed"] = request.Seed.ToString() }
        );
        var options = (write ?? new WriteOptions()) with { Metadata = Metadata(model, request) };
        using var writer = new VideoWriter(path, c.Width, c.Height, c.Fps, options, cancel);
        var total = c.Frames((int)latents.size(2));
        foreach (var rgb in model.Decode(latents, request.TileSide(model.Config)))
        {
            writer.Write(rgb);
            frame?.Invoke(rgb);
            if (writer.Count % 40 == 0)
                progress?.Report(new ProgressReport(writer.Count, total, "frames", "decoding"));
        }
        writer.Complete();
        return new VideoResult(
            path,
            latentFile,
            writer.Count,
            writer.Count / c.Fps,
            calls,
            sampled,
            clock.Elapsed.TotalSeconds - sampled
        );
    }

    private static Dictionary<string, string> Metadata(VideoGenerator model, VideoRequest r) =>
        new()
        {
            ["title"] = r.Prompt,
            ["longtake_prompt"] = r.Prompt,
            ["longtake_seed"] = r.Seed.ToString(),
            ["longtake_model"] = $"{model.Config.Name} {model.Part.Name} {model.Hash}",
            ["longtake_sampler"] =
                $"{r.Network} {r.Sampler} steps {r.Steps} shift {r.Shift} guidance "
                + $"{r.Guidance}{(r.Int8 ? " int8" : "")}{(r.Image is null ? "" : $" from {System.IO.Path.GetFileName(r.Image)}")}",
        };
}
