using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Video;

namespace LongTake.Generation;

/// <summary>The networks that are needed to make videos, out of weights in any layout, loaded once.</summary>
public sealed class VideoGenerator : IDisposable
{
    // Larger text encoders are computed in the type asked for, and known by their small tensors: norms and positions
    // differ wherever training went on.
    private const long SmallTensor = 1 << 20;

    private readonly List<IDisposable> owned = [];
    private readonly torch.Device device;
    private readonly TextCache texts;
    private readonly VideoAutoencoder vae;
    private readonly Func<Head, Tensor, ImageCondition?, Sampling.Velocity>? velocity;
    private readonly CausalTransformer? causal;
    private readonly FirstFrame? firstFrame;
    private readonly TensorStore pictures = new(); // their tokens, by path
    private readonly Weights transformer;
    private readonly bool int8;

    /// <summary>
    /// Encodes the texts of <paramref name="request"/>, lets the encoder go, then loads what speaks: for the DM head
    /// the FM head's weights are not even read. Further requests are of the same network. <paramref name="files"/> must
    /// stay open. With a picture the image encoder comes and goes like the text encoder; with <paramref
    /// name="offload"/> the transformer's blocks stay in their files between turns.
    /// </summary>
    /// <exception cref="UserException">A mistake in the request; a part or a weight is missing; no such
    /// device.</exception>
    public VideoGenerator(
        ModelFiles files,
        VideoRequest request,
        ScalarType dtype = ScalarType.BFloat16,
        torch.Device? device = null,
        Offload offload = Offload.Auto
    )
    {
        (Files, this.device) = (files, device ?? torch.CPU);
        var r = request.For(files);
        (Network, Part) = (r.Network!.Value, r.PartOf(files));
        var (c, decoder) = (files.Config, files.Require(PartKind.Vae));
        texts = Texts(files, dtype, this.device);
        owned.Add(pictures);
        try
        {
            if (Part.TakesImage)
                firstFrame = new FirstFrame(files, this.device);
            if (firstFrame is not null)
                using (torch.NewDisposeScope())
                    Tokens(r.Image!);
            using (torch.NewDisposeScope())
                Encode(r);
            var vaeWeights = Load(decoder);
            vae = c.Model.Autoencoder(vaeWeights, dtype);
            var streams = Offloading.Streams(offload, Part.Count * (r.Int8 ? 1 : Tensor.SizeOf(dtype)), this.device);
            if (r.Int8 && (this.device.type != DeviceType.CPU || streams))
                throw new UserException(
                    $"--int8 with "
                        + $"{(streams ? "--offload: its blocks stay in memory, as bytes" : $"--device {device}: products of bytes are for the CPU")}; "
                        + $"leave one of them out",
                    usage: true
                );
            int8 = r.Int8;
            var weights = transformer = Load(Part, streams, int8);
            if (Part.Kind == PartKind.Student)
            {
                Head? only = r.FmSteps > 0 ? null : r.Main;
                var student = new DecoupledTransformer(weights, c.Model, c.HeadBlocks, dtype, only);
                velocity = (head, text, image) =>
                    streams
                        ? (x, t) => student.Forward(head, x, Time(t), text, image)
                        : Read(student.Prompt(text, image), (prompt, x, t) =>
                            student.Forward(head, x, t, prompt, image)
                        );
            }
            else if (VideoRequest.LooksBack(r.Sampler))
                causal = new CausalTransformer(weights, c.Model, dtype);
            else
            {
                var wan = new Transformer(weights, c.Model, dtype);
                velocity = (_, text, image) =>
                    streams
                        ? (x, t) => wan.Forward(x, Time(t), text, image)
                        : Read(wan.Prompt(text, image), (prompt, x, t) => wan.Forward(x, t, prompt, image));
            }
            Hash = Part.Hash();
        }
        catch
        {
            Dispose();
            throw;
        }

        // A prompt is read once for all steps, but streamed blocks are not fetched once more for it.
        Sampling.Velocity Read(EncodedPrompt prompt, Func<EncodedPrompt, Tensor, Tensor, Tensor> forward) =>
            (x, t) => forward(prompt, x, Time(t));

        Tensor Time(double t) => torch.full([1], t).to(this.device);

        Weights Load(ModelPart part, bool streams = false, bool bytes = false)
        {
            if (streams && files.Problems(part).FirstOrDefault() is { } problem)
                throw new UserException($"{files.Path}: {problem}");
            var weights =
                streams ? Weights.Streamed(part.Source(), Blocks.Holds, dtype, this.device)
                : bytes ? Weights.LoadInt8(part.Source(), Blocks.Holds, dtype)
                : Weights.Load(part.Source(), dtype, this.device);
            owned.Add(weights);
            return weights;
        }
    }

    public ModelFiles Files { get; }
    public ModelConfig Config => Files.Config;
    public Network Network { get; }

    /// <summary>The part that speaks, and the hash of its weights.</summary>
    public ModelPart Part { get; }
    public string Hash { get; }

    /// <summary>
    /// Bytes of the transformer's blocks that are streamed: there now, and the most that ever were; zeros when all stay
    /// on the device.
    /// </summary>
    public (long Now, long Peak) Streamed => transformer.StreamedBytes;

    /// <summary>The request as this model takes it: nothing left open.</summary>
    public VideoRequest Resolved(VideoRequest request) => (request with { Network = Network, Int8 = int8 }).For(Files);

    /// <summary>
    /// The latents of a video, [1, C, T, h, w], on the CPU. <paramref name="step"/> gets the network calls made and to
    /// make, and before them, of a video from a picture, <paramref name="encoded"/> the latents of the picture's
    /// encoding made and to make.
    /// </summary>
    public Tensor Sample(
        VideoRequest request,
        Action<int, int>? step = null,
        Action<int, int>? encoded = null,
        CancellationToken cancel = default
    )
    {
        var r = Resolved(request);
        var c = r.Config(Config);
        using var outer = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator((ulong)new Rng(r.Seed).Seed());
        var latents = r.Latents(Config);
        var (with, without) = Encode(r);
        var call = 0;
        void Step(int total)
        {
            cancel.ThrowIfCancellationRequested();
            step?.Invoke(++call, total);
        }
        // Drawn on the CPU: the same noise on every device.
        Tensor Draw(long[] shape) => torch.randn(shape, generator: g).to(this.device);
        Tensor Noise() => Draw(c.LatentShape(latents));
        Sampling.Velocity Guided(Head head, ImageCondition? image)
        {
            var conditional = velocity!(head, with, image);
            return Sampling.Guided(
                conditional,
                r.Guidance == 1 ? conditional : velocity(head, without, image),
                r.Guidance!.Value
            );
        }
        var rolled = causal is null && Network == Network.Teacher && latents > c.ClipLatents;
        var tile = r.TileSide(Config);
        var first = firstFrame is null
            ? null
            : StartingWith(FirstFrame.Pixels(Picture.Read(r.Image!, cancel)), Tokens(r.Image!));
        return Made().cpu().MoveToOuterDisposeScope();

        ImageCondition StartingWith(Tensor picture, Tensor tokens)
        {
            var count = rolled ? c.ClipLatents : latents;
            return new(tokens, firstFrame!.Latents(c, vae, picture, count, tile, t =>
                {
                    cancel.ThrowIfCancellationRequested();
                    encoded?.Invoke(t, count);
                }));
        }

        // A window beyond the first starts with the last frame of the one before, where the model takes a picture.
        Sampling.Velocity Window(Tensor? frame) =>
            Guided(
                r.Main,
                frame is null || firstFrame is null
                    ? first
                    : StartingWith(frame.squeeze(2), firstFrame.Clip(frame.squeeze(2)))
            );

        Tensor Made()
        {
            if (VideoRequest.LooksBack(r.Sampler) != (causal is not null))
                throw new UserException(
                    $"--sampler {r.Sampler}: the model was loaded for another sampler",
                    usage: true
                );
            if (causal is not null)
                return Causal(causal);
            if (rolled)
                return RollOut.Teacher(c, vae, Window, latents, r.Steps, Draw, Step, tile);
            if (r.Sampler == Sampler.FewStep)
            {
                var steps = r.FewSteps(Config);
                var (index, main, before) = (
                    0,
                    Guided(r.Main, first),
                    r.FmSteps > 0 ? Guided(Head.FlowMatching, first) : null
                );
                return Sampling.FewStep(
                    (x, t) => (index++ < r.FmSteps ? before! : main)(x, t),
                    Noise(),
                    Draw,
                    steps,
                    step: (_, _) => Step(steps.Length)
                );
            }
            using IFlowSolver solver = r.Sampler switch
            {
                Sampler.UniPc => new UniPcSolver(r.Steps, c.Shift),
                Sampler.Dpm => new DpmSolver(r.Steps, c.Shift),
                _ => new EulerSolver(Times.Sigmas(r.Steps, c.Shift)),
            };
            return Sampling.Solve(solver, Guided(r.Main, first), Noise(), _ => Step(r.Steps));
        }

        // Whole blocks are made, and the video cut to its length.
        Tensor Causal(CausalTransformer generator)
        {
            var (how, script, starts) = (r.Causal(c), r.Scenes(c), 0);
            var scenes = new List<CausalScene>();
            for (var i = 0; i < script.Count; starts += script[i++].Blocks * how.BlockFrames)
                scenes.Add(
                    new(
                        starts,
                        script.Count == 1 ? with : texts.Encode([script[i].Prompt]).to(this.device),
                        i > 0 ? InfinityRope.Entry(script[i - 1]) : default
                    )
                );
            if (r.Sampler == Sampler.Segments)
                return RollOut.Segments(c, vae, generator, how, with, latents, Draw, Step);
            var made = (latents + how.BlockFrames - 1) / how.BlockFrames * how.BlockFrames;
            using var cache = how.Cache();
            var calls = made / how.BlockFrames * (how.Timesteps.Length + 1);
            var video = CausalRollOut.Generate(
                generator,
                how,
                cache,
                scenes,
                Draw(c.LatentShape(made)),
                Draw,
                called: _ => Step(calls)
            );
            return made == latents ? video : video.narrow(2, 0, latents).clone();
        }
    }

    // A picture's tokens, made once.
    private Tensor Tokens(string path) => pictures[path] ??= firstFrame!.Clip(FirstFrame.Pixels(Picture.Read(path)));

    // Each text for itself, so that a video does not depend on what else is asked for.
    private (Tensor With, Tensor Without) Encode(VideoRequest r)
    {
        var scenes = r.Scenes(Config);
        // for later, as long as the encoder is there
        foreach (var scene in scenes.Skip(1))
            texts.Encode([scene.Prompt]);
        var with = texts.Encode([scenes[0].Prompt]).to(this.device);
        return (with, r.Guidance == 1 ? with : texts.Encode([r.NegativePrompt!]).to(this.device));
    }

    private static TextCache Texts(ModelFiles files, ScalarType wanted, torch.Device device)
    {
        var part = files.Require(PartKind.TextEncoder);
        var tokens = files.Tokenizer
            ?? throw new UserException(
                $"{files.Path}: no tokenizer, without which prompts cannot be read; "
                    + "it is google/umt5-xxl/spiece.model in Wan's folder, tokenizer/spiece.model in a "
                    + "diffusers folder, part of ComfyUI's umT5 file"
            );
        var dtype = part.Count < TextCache.Large ? ScalarType.Float32 : wanted;
        var (c, id) = (files.Config, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(tokens)));
        return new(TextCache.Folder, $"{part.Hash(SmallTensor)} {id} {c.Wan.TextLength} {dtype}", () =>
        {
            // An encoder that the device could not hold is read on the CPU.
            var streams = Offloading.Streams(Offload.Auto, part.Count * Tensor.SizeOf(dtype), device);
            var weights = Weights.Load(part.Source(), dtype, streams ? torch.CPU : device);
            try
            {
                return (new TextEncoder(weights, c.Text, Vocabulary.Read(tokens), c.Wan.TextLength), weights);
            }
            catch
            {
                weights.Dispose();
                throw;
            }
        });
    }

    /// <summary>
    /// Decodes latents one, or of small pictures some, at a time; memory does not grow with the video. Frames of H x W x
    /// 3 bytes. <paramref name="tile"/>: side of the tiles in latent pixels, 0 for none, null for the rule of <see
    /// cref="VaeTiles.Automatic"/>.
    /// </summary>
    public IEnumerable<byte[]> Decode(Tensor latents, int? tile = null)
    {
        var stride = Config.Vae.SpatialStride;
        var size = (int)(latents.size(3) * latents.size(4)) * stride * stride * 3;
        using var tiles = new VaeTiles(
            vae,
            latents.size(3),
            latents.size(4),
            tile ?? VaeTiles.Automatic(Config.Geometry, latents.size(3) * stride, latents.size(4) * stride)
        );
        var (count, chunk) = (latents.size(2), VideoAutoencoder.Chunk(latents.size(3), latents.size(4)));
        for (long t = 0; t < count; t += chunk)
        {
            byte[] bytes;
            using (torch.NewDisposeScope())
            using (torch.no_grad())
                bytes = Pixels.ToBytes(
                    tiles.DecodeStep(latents.narrow(2, t, Math.Min(chunk, count - t)).to(this.device))
                );
            for (var at = 0; at < bytes.Length; at += size)
                yield return bytes.AsSpan(at, size).ToArray();
        }
    }

    /// <summary>Decodes latents in one pass, [F, H, W, 3] bytes: fast, memory grows with the video.</summary>
    public byte[] DecodeWhole(Tensor latents)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        return Pixels.ToBytes(vae.Decode(latents.to(this.device), chunk: 0));
    }

    /// <summary>Real frames through the autoencoder and back: what the networks could at best make.</summary>
    public byte[] Through(byte[] frames)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        return Pixels.ToBytes(
            vae.Decode(
                vae.Encode(Pixels.ToTensor(frames, Config.Height, Config.Width).to(this.device), chunk: 0),
                chunk: 0
            )
        );
    }

    /// <summary>Frees the networks.</summary>
    public void Dispose() => owned.ForEach(o => o.Dispose());
}
