using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Video;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace LongTake.Generation;

/// <summary>
/// Makes videos with one network of a model, loaded once from weights in any layout. It may be called from several
/// threads: work on networks happens in turns within a process, and every video has the bytes it would have alone.
/// </summary>
public sealed partial class VideoGenerator : IDisposable
{
    private static readonly SemaphoreSlim turn = new(1);

    private readonly torch.Device device;
    private readonly ILogger log;
    private readonly Prompts prompts;
    private readonly FirstFrame? firstFrame;
    private readonly TensorStore pictures = new(); // their tokens, by path
    private readonly VideoNetworks networks;
    private readonly ResolvedRequest loadedFor;
    private ModelFiles? ownFiles;

    /// <summary>
    /// Loads what <paramref name="request"/> needs; further requests are of the same network. Its texts are encoded
    /// before the transformer is loaded, so that a large text encoder and the transformer are not there at once.
    /// <paramref name="files"/> must stay open.
    /// </summary>
    /// <exception cref="UserException">A part or a weight is missing; the request does not go with the
    /// device.</exception>
    public VideoGenerator(
        ModelFiles files,
        ResolvedRequest request,
        ScalarType dtype = ScalarType.BFloat16,
        torch.Device? device = null,
        Offload offload = Offload.Auto,
        ILogger? logger = null
    )
    {
        (Files, loadedFor, Dtype) = (files, request, dtype);
        (this.device, log) = (device ?? torch.CPU, logger ?? NullLogger.Instance);
        prompts = new Prompts(files, dtype, this.device);
        try
        {
            if (Part.TakesImage)
                firstFrame = new FirstFrame(files, this.device);
            if (request.Image is not null)
                using (torch.NewDisposeScope())
                    Tokens(request.Image);
            if (request.Prompt.Length > 0)
                prompts.Prepare(Texts(request));
            networks = new VideoNetworks(files, request, dtype, this.device, offload);
            Hash = Part.Hash();
        }
        catch
        {
            Dispose();
            throw;
        }
        Loaded(log, files.Path, Part.Name, this.device);
    }

    /// <summary>Resolves a request and loads what it needs.</summary>
    /// <exception cref="UserException">A mistake in the request; a part or a weight is missing.</exception>
    public VideoGenerator(
        ModelFiles files,
        VideoRequest request,
        ScalarType dtype = ScalarType.BFloat16,
        torch.Device? device = null,
        Offload offload = Offload.Auto
    )
        : this(files, request.Resolve(files), dtype, device, offload) { }

    /// <summary>Opens a model in any layout: a folder or a file of weights.</summary>
    /// <exception cref="UserException">Not a model; a part or a weight is missing; no such device.</exception>
    public static VideoGenerator Open(string model, GeneratorOptions? options = null, ILogger? logger = null)
    {
        Engine.Start();
        options ??= new();
        var files = ModelFiles.Open(model);
        try
        {
            var sort = new VideoRequest
            {
                Prompt = "",
                Network = options.Network,
                Part = options.Part,
                Sampler = options.Sampler,
                Int8 = options.Int8,
                Loras = options.Loras,
            };
            return new(
                files,
                RequestResolver.Resolve(sort, files, check: false),
                options.Dtype,
                ComputeDevice.Choose(options.Device),
                options.Offload,
                logger
            )
            {
                ownFiles = files,
            };
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    public ModelFiles Files { get; }
    public ModelConfig Config => Files.Config;
    public Network Network => loadedFor.Network;

    /// <summary>The part of the checkpoint that makes the videos.</summary>
    public ModelPart Part => loadedFor.Weights!;

    /// <summary>The element type, and the device, that it computes in.</summary>
    public ScalarType Dtype { get; }
    public torch.Device Device => device;

    /// <summary>The hash of that part's weights.</summary>
    public string Hash { get; } = "";

    /// <summary>
    /// Bytes of the transformer's blocks that are streamed: there now, and the most that ever were; zeros when all stay
    /// on the device.
    /// </summary>
    public (long Now, long Peak) Streamed => networks.Streamed;

    /// <summary>A request as this generator takes it, with a value for everything.</summary>
    /// <exception cref="RequestException">The model cannot do what is asked for.</exception>
    public ResolvedRequest Resolve(VideoRequest request)
    {
        var r = (
            request with
            {
                Network = Network,
                Part = request.Part ?? Part.Name,
                Int8 = loadedFor.Int8,
                Loras = loadedFor.Loras,
            }
        ).Resolve(Files);
        if (r.Part != Part.Name)
            throw new RequestException([new("part", $" {r.Part}: the generator was loaded for {Part.Name}")]);
        if (r.FmSteps > 0 && loadedFor.FmSteps == 0)
            throw new RequestException([new("fmSteps", $" {r.FmSteps}: the generator was loaded with one head")]);
        foreach (var warning in r.Warnings)
            Warned(log, warning);
        return r;
    }

    /// <summary>
    /// Makes a video and gives its frames one by one, as they are decoded; the next ones are made meanwhile, sixteen
    /// ahead at most. Leaving the loop, or cancelling, ends the work.
    /// </summary>
    /// <exception cref="RequestException">The model cannot do what is asked for.</exception>
    public async IAsyncEnumerable<Frame> GenerateAsync(
        VideoRequest request,
        IProgress<ProgressReport>? progress = null,
        [EnumeratorCancellation] CancellationToken cancel = default
    )
    {
        var r = Resolve(request);
        var made = Channel.CreateBounded<Frame>(16);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var work = Task.Run(
            () =>
            {
                try
                {
                    using var scope = torch.NewDisposeScope();
                    foreach (var frame in Decode(Sample(r, progress, stop.Token), r, stop.Token))
                        made.Writer.WriteAsync(frame, stop.Token).AsTask().GetAwaiter().GetResult();
                    made.Writer.Complete();
                }
                catch (Exception e)
                {
                    made.Writer.Complete(e);
                }
            },
            CancellationToken.None
        );
        try
        {
            await foreach (var frame in made.Reader.ReadAllAsync(cancel).ConfigureAwait(false))
                yield return frame;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
        }
    }

    /// <summary>Makes a video file on a thread of its own; see <see cref="Save(VideoRequest, string, WriteOptions?,
    /// IProgress{ProgressReport}?, Action{Frame}?, CancellationToken)"/>.</summary>
    public Task<VideoResult> SaveAsync(
        VideoRequest request,
        string path,
        WriteOptions? write = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    ) => Task.Run(() => Save(request, path, write, progress, cancel: cancel), cancel);

    /// <summary>
    /// Makes a video file, of the format that the path's ending names. The latents are saved beside it
    /// (<c>video.mp4.latents.safetensors</c>) before they are decoded; each frame also goes to
    /// <paramref name="frame"/>. Prompt, seed and model hash are in the file's metadata. A cancelled call leaves no
    /// file behind.
    /// </summary>
    /// <exception cref="RequestException">The model cannot do what is asked for.</exception>
    /// <exception cref="UserException">The file cannot be written there, which is found out before the work, or another
    /// process is writing it.</exception>
    public VideoResult Save(
        VideoRequest request,
        string path,
        WriteOptions? write = null,
        IProgress<ProgressReport>? progress = null,
        Action<Frame>? frame = null,
        CancellationToken cancel = default
    ) => Save(Resolve(request), path, write, progress, frame, cancel);

    /// <summary>Makes the video file of a resolved request.</summary>
    public VideoResult Save(
        ResolvedRequest r,
        string path,
        WriteOptions? write = null,
        IProgress<ProgressReport>? progress = null,
        Action<Frame>? frame = null,
        CancellationToken cancel = default
    )
    {
        using var scope = torch.NewDisposeScope();
        write ??= new();
        using var writer = Writer(r, path, write with { Metadata = Metadata(r) }, cancel);
        var latentFile = LatentFile(path);
        var (clock, steps) = (Stopwatch.StartNew(), 0L);
        var latents = Sample(r, new Relay(p => steps = p.Unit == "steps" ? p.Done : steps, progress), cancel);
        var sampled = clock.Elapsed.TotalSeconds;
        if (!latents.AllFinite())
            throw new UserException(
                $"the {Part.Name} of {Files.Path} made numbers that are not finite; no video is written. "
                    + "Check the file with 'longtake inspect'."
            );
        Keep(latents, latentFile, r, write);
        try
        {
            foreach (var next in Decode(latents, r, cancel))
            {
                writer.Write(next.Rgb);
                frame?.Invoke(next);
                if (writer.Count % 40 == 0)
                    progress?.Report(new(writer.Count, r.Frames, "frames", "decoding"));
            }
            writer.Complete();
        }
        catch when (cancel.IsCancellationRequested)
        {
            writer.Dispose();
            File.Delete(latentFile);
            File.Delete(writer.Partial);
            throw new OperationCanceledException("cancelled; nothing is left behind", cancel);
        }
        catch (UserException e)
        {
            throw new UserException($"{e.Message}; the latents are kept as {latentFile}", inner: e);
        }
        var decoded = clock.Elapsed.TotalSeconds - sampled;
        Made(log, path, r.Frames, sampled, decoded);
        return new(path, latentFile, r.Seed, r.Frames, r.Frames / r.Fps, (int)steps, sampled, decoded);
    }

    /// <summary>Frees the networks.</summary>
    public void Dispose()
    {
        networks?.Dispose();
        pictures.Dispose();
        prompts.Dispose();
        ownFiles?.Dispose();
    }

    private sealed class Relay(Action<ProgressReport> heard, IProgress<ProgressReport>? to) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            heard(value);
            to?.Report(value);
        }
    }
}
