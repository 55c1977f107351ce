using LongTake.Data;
using LongTake.Models;
using LongTake.Video;
using Microsoft.Extensions.Logging;

namespace LongTake.Generation;

/// <summary>The steps of a video between its request and its file.</summary>
public sealed partial class VideoGenerator
{
    /// <summary>The latents of a request's video.</summary>
    public Tensor Sample(
        VideoRequest request,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    ) => Sample(Resolve(request), progress, cancel);

    /// <summary>
    /// The latents of a video, [1, C, T, h, w], on the CPU. Reports steps, and before them, of a video from a picture,
    /// the latents of the picture.
    /// </summary>
    public Tensor Sample(
        ResolvedRequest r,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    ) => Sample(r, null, null, progress, cancel);

    /// <summary>
    /// The latents of a video of which some are known, or that goes on from what a store kept; the request's length is
    /// that of <paramref name="filling"/>.
    /// </summary>
    public Tensor Sample(
        ResolvedRequest r,
        Filling? filling,
        IStepStore? store,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        turn.Wait(cancel);
        try
        {
            using var scope = torch.NewDisposeScope();
            using var off = torch.no_grad();
            var conditioning = Condition(r, progress, cancel);
            // Drawn on the CPU: the same noise on every device.
            using var random = new torch.Generator((ulong)new Rng(r.Seed).Seed());
            var done = 0;
            var on = filling is null
                ? null
                : new Filling(filling.Given.to(device), filling.Hold.to(device), filling.Frame?.to(device));
            var sampler = new LatentSampler(
                networks,
                r,
                conditioning,
                s => torch.randn(s, generator: random).to(device),
                on,
                store
            );
            var latents = sampler.Run(total =>
            {
                cancel.ThrowIfCancellationRequested();
                progress?.Report(new(++done, total, "steps", "sampling"));
            });
            return latents.cpu().MoveToOuterDisposeScope();
        }
        finally
        {
            turn.Release();
        }
    }

    private Conditioning Condition(ResolvedRequest r, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        prompts.Prepare(Texts(r));
        Tensor[] texts = [.. Shown(r).Select(prompts.Encode)];
        var negative = r.Guidance == 1 ? texts[0] : prompts.Encode(r.NegativePrompt);
        if (firstFrame is null)
            return new(texts, negative, null, null);
        var first = StartingWith(FirstFrame.Pixels(Picture.Read(r.Image!, cancel)), Tokens(r.Image!));
        return new(texts, negative, first, frame => StartingWith(frame, firstFrame.Clip(frame)));

        ImageCondition StartingWith(Tensor picture, Tensor tokens)
        {
            var count = r.RolledOut ? r.Model.ClipLatents : r.Latents;
            return new(tokens, firstFrame!.Latents(r.Model, networks.Vae, picture, count, r.TileSide, t =>
                {
                    cancel.ThrowIfCancellationRequested();
                    progress?.Report(new(t, count, "latents", "encoding the picture"));
                }));
        }
    }

    private static IEnumerable<string> Texts(ResolvedRequest r) =>
        Shown(r).Concat(r.Guidance == 1 ? [] : [r.NegativePrompt]);

    private static IEnumerable<string> Shown(ResolvedRequest r) =>
        r.Spans.Count > 0 ? r.Spans.Select(s => s.Text) : r.Scenes.Select(s => s.Prompt);

    // A picture's tokens, made once.
    private Tensor Tokens(string path) => pictures[path] ??= firstFrame!.Clip(FirstFrame.Pixels(Picture.Read(path)));

    /// <summary>The frames of latents, decoded a few latents at a time: memory does not grow with the video.</summary>
    public IEnumerable<Frame> Decode(Tensor latents, ResolvedRequest r, CancellationToken cancel = default) =>
        Decode(latents, r.TileSide, r.Fps, cancel);

    /// <summary>
    /// The frames of latents of any size. <paramref name="tile"/>: side of the tiles in latent pixels, 0 for none, null
    /// for the rule of <see cref="VaeTiles.Automatic"/>.
    /// </summary>
    public IEnumerable<Frame> Decode(
        Tensor latents,
        int? tile = null,
        double? fps = null,
        CancellationToken cancel = default
    ) =>
        Decode(
            (latents.size(2), latents.size(3), latents.size(4)),
            (t, count) => latents.narrow(2, t, count),
            tile,
            fps,
            cancel
        );

    /// <summary>
    /// The frames of latents that are asked for some at a time, from the first on, by their number and count; each part
    /// is in the current scope.
    /// </summary>
    public IEnumerable<Frame> Decode(
        (long Count, long Height, long Width) size,
        Func<long, long, Tensor> part,
        int? tile = null,
        double? fps = null,
        CancellationToken cancel = default
    )
    {
        var (stride, rate, index) = (Config.Geometry.SpatialStride, fps ?? Config.Fps, 0);
        var (height, width) = ((int)size.Height * stride, (int)size.Width * stride);
        var bytesEach = height * width * 3;
        using var tiles = new VaeTiles(
            networks.Vae,
            size.Height,
            size.Width,
            tile ?? VaeTiles.Automatic(Config.Geometry, height, width)
        );
        var (count, chunk) = (size.Count, VideoAutoencoder.Chunk(size.Height, size.Width));
        for (long t = 0; t < count; t += chunk)
        {
            byte[] bytes;
            turn.Wait(cancel);
            try
            {
                using var scope = torch.NewDisposeScope();
                using var off = torch.no_grad();
                bytes = Pixels.ToBytes(tiles.DecodeStep(part(t, Math.Min(chunk, count - t)).to(device)));
            }
            finally
            {
                turn.Release();
            }
            for (var at = 0; at < bytes.Length; at += bytesEach, index++)
                yield return new(
                    bytes.AsSpan(at, bytesEach).ToArray(),
                    width,
                    height,
                    index,
                    TimeSpan.FromSeconds(index / rate)
                );
        }
    }

    /// <summary>Decodes latents in one pass, [F, H, W, 3] bytes: fast, memory grows with the video.</summary>
    public byte[] DecodeWhole(Tensor latents)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        return Pixels.ToBytes(networks.Vae.Decode(latents.to(device), chunk: 0));
    }

    /// <summary>Real frames through the autoencoder and back: what the networks could at best make.</summary>
    public byte[] Through(byte[] frames)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var pixels = Pixels.ToTensor(frames, Config.Height, Config.Width).to(device);
        return Pixels.ToBytes(networks.Vae.Decode(networks.Vae.Encode(pixels, chunk: 0), chunk: 0));
    }

    /// <summary>Finds out, before a model is loaded, whether the video of a request can be written.</summary>
    /// <exception cref="UserException">The ending, the place or the disk is in the way, or another process is writing
    /// it.</exception>
    public static void Require(ResolvedRequest r, string path, WriteOptions? write = null) =>
        Writer(r, path, write ?? new(), default).Dispose();

    private static VideoWriter Writer(ResolvedRequest r, string path, WriteOptions write, CancellationToken cancel)
    {
        var writer = new VideoWriter(path, r.Width, r.Height, r.Fps, write, cancel);
        try
        {
            var bytes = sizeof(float) * r.Model.LatentShape(r.Latents).Aggregate(1L, (a, b) => a * b);
            OutputPlace.RequireFile(LatentFile(path), bytes);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    // By the whole name: a.mp4 and a.gif have latents of their own.
    private static string LatentFile(string path) => path + ".latents.safetensors";

    // The steps were most of the work: where the latents cannot be beside the video they go among the temporary files.
    private void Keep(Tensor latents, string file, ResolvedRequest r, WriteOptions write)
    {
        try
        {
            Write(file);
        }
        catch (UserException e)
        {
            var elsewhere = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}-{Path.GetFileName(file)}");
            Write(elsewhere);
            throw new UserException($"{e.Message} The latents are kept as {elsewhere}", inner: e);
        }

        void Write(string to) =>
            TensorFiles.Write(
                to,
                [KeyValuePair.Create("latents", latents)],
                new Dictionary<string, string>
                {
                    ["prompt"] = r.Prompt,
                    ["seed"] = r.Seed.ToString(),
                    [RequestHash] = HashOf(r, write),
                }
            );
    }

    private Dictionary<string, string> Metadata(ResolvedRequest r) =>
        new()
        {
            ["title"] = r.Prompt,
            ["longtake_prompt"] = r.Prompt,
            ["longtake_seed"] = r.Seed.ToString(),
            ["longtake_model"] = $"{Config.Name} {Part.Name} {Hash}",
            ["longtake_sampler"] =
                $"{r.Network} {r.Sampler} steps {r.Steps} shift {r.Shift} guidance {r.Guidance}"
                + $"{(r.Int8 ? " int8" : "")}{(r.Image is null ? "" : $" from {Path.GetFileName(r.Image)}")}",
        };

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded {Part} of {Model} on {Device}")]
    private static partial void Loaded(ILogger logger, string model, string part, torch.Device device);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Warning}")]
    private static partial void Warned(ILogger logger, string warning);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Made {Path}: {Frames} frames, sampled in {Sampled:0.0} s, decoded and written in {Decoded:0.0} s"
    )]
    private static partial void Made(ILogger logger, string path, int frames, double sampled, double decoded);
}
