using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Video;

namespace LongTake.Generation;

/// <summary>Which network of a model makes the video.</summary>
public enum Network
{
    /// <summary>The student's distribution-matching head: a minute in a few steps.</summary>
    DmHead,

    /// <summary>The student's flow-matching head.</summary>
    FmHead,

    /// <summary>A transformer, over the whole video at once.</summary>
    Transformer,

    /// <summary>A transformer of short clips; beyond its clip length it is rolled out window by window.</summary>
    Teacher,

    /// <summary>A transformer that looks back only: CausVid's and Self-Forcing's students, block by block.</summary>
    Generator,
}

/// <summary>How the video is sampled.</summary>
public enum Sampler
{
    /// <summary>Predict, renoise with fresh noise, predict: the student's sampler.</summary>
    FewStep,

    /// <summary>Euler steps along the flow, with guidance.</summary>
    Euler,

    /// <summary>UniPC of order 2, with guidance: Wan's own.</summary>
    UniPc,

    /// <summary>DPM-Solver++ of order 2, with guidance.</summary>
    Dpm,

    /// <summary>
    /// Few steps a block of latents, with a cache of what came before that rolls along: Self-Forcing's weights.
    /// </summary>
    Causal,

    /// <summary>
    /// The same in segments of a clip's length: the last block of one, its first latent re-made as an image latent,
    /// begins the next (CausVid).
    /// </summary>
    Segments,

    /// <summary>The same with Infinity-RoPE's window and scenes: endless, and the prompt may be a script.</summary>
    InfinityRope,
}

/// <summary>A video to make. What is null is left to the model: <see cref="For"/> fills it in.</summary>
public sealed record VideoRequest
{
    private const int TableSteps = 1000,
        CausalSteps = 4,
        SolverSteps = 50,
        ImageSteps = 40,
        RollOutSteps = 25;
    private const double FewStepShift = 5,
        LargeShift = 5;

    public required string Prompt { get; init; }
    public string? NegativePrompt { get; init; }
    public long Seed { get; init; }

    /// <summary>Length; or say it in <see cref="Frames"/>.</summary>
    public double? Seconds { get; init; }
    public int? Frames { get; init; }
    public int? Width { get; init; }
    public int? Height { get; init; }

    /// <summary>Frames a second the video is played at.</summary>
    public double? Fps { get; init; }
    public Network? Network { get; init; }

    /// <summary>Which transformer, where a checkpoint holds several (generator_ema).</summary>
    public string? Part { get; init; }
    public Sampler? Sampler { get; init; }

    /// <summary>Steps; 0 takes the model's few-step list, or 50 with a many-step sampler.</summary>
    public int Steps { get; init; }

    /// <summary>Shift of the noise levels, <see cref="Times.Shift"/>.</summary>
    public double? Shift { get; init; }

    /// <summary>Guidance, standard convention; 1 is none.</summary>
    public double? Guidance { get; init; }

    /// <summary>
    /// First steps the FM head makes before the DM head takes over (hybrid sampling); 0 is the paper.
    /// </summary>
    public int FmSteps { get; init; }

    /// <summary>
    /// Matrices of the transformer's blocks as bytes, and their products too (<see cref="Int8Matrix"/>): on the CPU,
    /// faster and smaller, with a loss.
    /// </summary>
    public bool Int8 { get; init; }

    /// <summary>Allows videos up to four times as long as the model was trained for.</summary>
    public bool Beyond { get; init; }

    /// <summary>
    /// Picture the video starts from, of image-to-video models; without a width and a height the video has its shape.
    /// </summary>
    public string? Image { get; init; }

    /// <summary>
    /// Pixels of a side of the autoencoder's tiles; 0 for whole pictures, null for the rule of <see
    /// cref="VaeTiles.Automatic"/>.
    /// </summary>
    public int? Tile { get; init; }

    /// <summary>The model's config with what this request changes of it.</summary>
    public ModelConfig Config(ModelConfig c) =>
        c with
        {
            Width = Width ?? c.Width,
            Height = Height ?? c.Height,
            Fps = Fps ?? c.Fps,
            Shift = Shift ?? c.Shift,
        };

    /// <summary>Latents of the video, of a request that <see cref="For"/> has filled in.</summary>
    public int Latents(ModelConfig c) =>
        Frames is { } frames ? (int)c.Vae.Latents(frames) : Config(c).Latents(Seconds ?? 0);

    /// <summary>
    /// Timesteps of the few-step sampler: the model's list, unless another length or shift is wanted.
    /// </summary>
    public double[] FewSteps(ModelConfig c) =>
        Shift is { } shift && shift != c.Shift || Steps > 0 && Steps != c.FewSteps.Length
            ? Times.FewSteps(Steps > 0 ? Steps : c.FewSteps.Length, Shift ?? c.Shift)
            : c.FewSteps;

    /// <summary>Side of the autoencoder's tiles in latent pixels, as <see cref="VaeTiles"/> takes it.</summary>
    public int TileSide(ModelConfig c) =>
        Tile is { } pixels
            ? pixels / c.Vae.SpatialStride
            : VaeTiles.Automatic(c.Geometry, Height ?? c.Height, Width ?? c.Width);

    /// <summary>
    /// How a causal model is sampled for this: by the model's list of few steps, unless another length or shift is
    /// wanted.
    /// </summary>
    public CausalSampling Causal(ModelConfig c)
    {
        var shift = Shift ?? FewStepShift;
        var how = new CausalSampling
        {
            Shift = shift,
            BlockFrames = c.CausalBlock,
            Capacity = c.ClipLatents / c.CausalBlock * c.CausalBlock,
            Timesteps =
                shift == FewStepShift && Steps == c.FewSteps.Length
                    ? c.FewSteps
                    : new FlowTable(shift).Warp(Times.FewSteps(Steps, 1)),
        };
        if (Sampler == Generation.Sampler.InfinityRope)
            return InfinityRope.Sampling(how);
        return Sampler == Generation.Sampler.Causal && Latents(c) > how.Capacity
            ? how with
            {
                Window = how.Capacity,
            }
            : how;
    }

    /// <summary>What the video shows, one prompt after the other; more than one only of a script.</summary>
    public IReadOnlyList<ScriptScene> Scenes(ModelConfig c) =>
        Sampler == Generation.Sampler.InfinityRope && InfinityRope.IsScript(Prompt)
            ? InfinityRope.Scenes(Prompt, Config(c).Fps, c.CausalBlock, c.Vae.TemporalStride)
            : [new ScriptScene(Prompt, 0, false)];

    /// <summary>Whether a sampler makes videos block by block, looking back only.</summary>
    public static bool LooksBack(Sampler? sampler) =>
        sampler is Generation.Sampler.Causal or Generation.Sampler.Segments or Generation.Sampler.InfinityRope;

    /// <summary>The part of a checkpoint that makes the video.</summary>
    /// <exception cref="UserException">It is not there.</exception>
    public ModelPart PartOf(ModelFiles files) =>
        Network switch
        {
            Generation.Network.DmHead or Generation.Network.FmHead => files.Require(PartKind.Student),
            Generation.Network.Teacher when files.Layout == Layout.LongTake => files.Require(
                PartKind.Transformer,
                Part ?? ModelFolder.Teacher
            ),
            Generation.Network.Transformer when files.Layout == Layout.LongTake => files.Require(
                PartKind.Transformer,
                Part ?? ModelFolder.Transformer
            ),
            Generation.Network.Generator when files.Layout == Layout.LongTake => files.Require(
                PartKind.Transformer,
                Part ?? ModelFolder.Generator
            ),
            _ => files.Require(PartKind.Transformer, Part),
        };

    /// <summary>
    /// The request with all that it left open: the network, the sampler and their settings as the model has them.
    /// </summary>
    /// <exception cref="UserException">Usage: it asks for what the model cannot do, every mistake named. Or the network
    /// is not there.</exception>
    public VideoRequest For(ModelFiles files)
    {
        var c = files.Config;
        var r = this with { Network = Network ?? Best(files) };
        var part = r.PartOf(files);
        r = r with
        {
            Sampler = Sampler
                ?? (
                    IsGenerator(part)
                        ? InfinityRope.IsScript(Prompt)
                            ? Generation.Sampler.InfinityRope
                            : Generation.Sampler.Causal
                        : null
                ),
        };
        if (part.TakesImage && Image is not null && Width is null && Height is null)
        {
            var picture = Picture.Read(Image);
            var (width, height) = FirstFrame.Size(c, picture.Width, picture.Height);
            r = r with { Width = width, Height = height };
        }
        if (string.Join("; ", r.Problems(c).Concat(r.PartProblems(part, c))) is { Length: > 0 } problems)
            throw new UserException(problems, usage: true);
        return r.Filled(c, teachersVideo: files.Layout != Layout.LongTake, part.TakesImage);
    }

    /// <summary>
    /// The same from a config alone, of a request that names its network: length, sampler, steps, shift, guidance.
    /// Without a length a video is as long as a clip for the teacher (and for any network with <paramref
    /// name="teachersVideo"/>), else the longest.
    /// </summary>
    public VideoRequest Filled(ModelConfig c, bool teachersVideo = false, bool image = false)
    {
        var r = this;
        var (head, teacher) = (
            r.Network is Generation.Network.DmHead or Generation.Network.FmHead,
            r.Network == Generation.Network.Teacher
        );
        if (
            r is { Seconds: null, Frames: null, Sampler: Generation.Sampler.InfinityRope }
            && InfinityRope.IsScript(Prompt)
        )
            r = r with { Frames = c.Frames(r.Scenes(c).Sum(s => s.Blocks) * c.CausalBlock) };
        if (r is { Seconds: null, Frames: null })
            r = r with { Frames = c.Frames(teacher || teachersVideo ? c.ClipLatents : c.VideoLatents) };
        var rolled = teacher && !LooksBack(r.Sampler) && r.Latents(c) > c.ClipLatents;
        var sampler = rolled
            ? Generation.Sampler.Euler
            : r.Sampler ?? (head ? Generation.Sampler.FewStep : Generation.Sampler.UniPc);
        var larger = (long)(r.Width ?? c.Width) * (r.Height ?? c.Height) > (long)c.Width * c.Height;
        return r with
        {
            Sampler = sampler,
            NegativePrompt = NegativePrompt ?? c.NegativePrompt,
            Shift = Shift
                ?? (
                    LooksBack(sampler) ? FewStepShift
                    : larger && ManySteps(sampler) ? Math.Max(c.Shift, LargeShift)
                    : c.Shift
                ),
            Guidance = Guidance ?? (ManySteps(sampler) && !head ? c.Guidance : 1),
            Steps =
                Steps > 0 ? Steps
                : rolled ? RollOutSteps
                : ManySteps(sampler)
                    ? image ? ImageSteps
                        : SolverSteps
                : LooksBack(sampler) && teachersVideo ? CausalSteps
                : c.FewSteps.Length,
        };
    }

    /// <summary>What is wrong with the request for a model, if anything.</summary>
    public IEnumerable<string> Problems(ModelConfig c)
    {
        var (stride, most) = (c.Vae.TemporalStride, c.Frames(Longest(c)));
        var own = (Fps is > 0 ? this : this with { Fps = null }).Config(c);
        if (Frames is not null && Seconds is not null)
            yield return "--num-frames and --seconds: give one of them";
        if (Seconds is { } seconds && (!(seconds > 0) || own.Latents(seconds) > Longest(c)))
            yield return $"--seconds {seconds}: this model makes videos of more than 0 and at most "
                + $"{most / own.Fps:0.#} seconds";
        if (Frames is { } frames && (frames < 1 || frames > most))
            yield return $"--num-frames {frames}: this model makes videos of 1 to {most} frames";
        else if (Frames is { } count && (count - 1) % stride is > 0 and var over)
            yield return $"--num-frames {count}: a video has 1 + {stride}k frames; the nearest counts are "
                + $"{count - over} and {count - over + stride}";
        var size = $"--size {own.Width}x{own.Height}";
        if (c.Geometry.FixedSize && (own.Width, own.Height) != (c.Width, c.Height))
            yield return $"{size}: this model makes pictures of {c.Width}x{c.Height} only";
        else
            foreach (
                var (name, pixels, patch) in new[]
                {
                    ("width", own.Width, c.Wan.PatchSize[2]),
                    ("height", own.Height, c.Wan.PatchSize[1]),
                }
            )
            {
                var unit = c.Vae.SpatialStride * patch;
                if (pixels >= 1 && pixels % unit == 0)
                    continue;
                var below = Math.Max(unit, pixels / unit * unit);
                yield return $"{size}: the {name} must be a multiple of {unit}; the nearest are {below} and "
                    + $"{below + unit}";
            }
        if (Fps is { } fps && !(fps is > 0 and <= 1000))
            yield return $"--fps {fps}: more than 0 and at most 1000";
        if (Shift is { } shift && !(shift is > 0 and < 1000))
            yield return $"--flow-shift {shift}: more than 0; Wan has 3 at 480p, 5 at 720p";
        if (Steps is < 0 or > TableSteps)
            yield return $"--steps {Steps}: 1 to {TableSteps}, or 0 for the model's own list";
        if (Guidance is { } guidance && !(double.IsFinite(guidance) && guidance >= 0))
            yield return $"--guidance {guidance}: a number of at least 0; 1 is none";
        if (string.IsNullOrWhiteSpace(Prompt))
            yield return "--prompt: say what the video shows";
        var tile = c.Vae.SpatialStride;
        if (Tile is { } side && (side < 0 || side % tile != 0 || side is > 0 && side < 8 * tile))
            yield return $"--tile {side}: a multiple of {tile} pixels, at least {8 * tile}, or 0 for whole pictures";
        if (Sampler == Generation.Sampler.InfinityRope)
        {
            if (InfinityRope.Mistaken(Prompt) is { } mistaken)
                yield return $"--prompt: '{mistaken}' is no duration; write [5s], or [5s#] for a cut after the scene";
            if (
                Frames is null
                && Seconds is null
                && InfinityRope.IsScript(Prompt)
                && c.Frames(Scenes(c).Sum(s => s.Blocks) * c.CausalBlock) is var told
                && told > most
            )
                yield return $"--prompt: its scenes come to {told} frames; this model makes videos of at most "
                    + $"{most}{(Beyond ? "" : " (--beyond allows four times that)")}";
        }
        else if (InfinityRope.HasDurations(Prompt))
            yield return "--prompt: scenes with durations, 'a man walks[5s] | he sits[10s#]', are for models "
                + "that look back only, with --sampler infinity-rope; this one makes one scene a video: "
                + "write one prompt, and its length in --seconds";
        if (FmSteps < 0)
            yield return $"--fm-steps {FmSteps}: at least 0";
        if (LooksBack(Sampler) && Guidance is { } with && with != 1)
            yield return $"--guidance {with}: the causal samplers take none; leave it out";
        if (LooksBack(Sampler) && Network is Generation.Network.DmHead or Generation.Network.FmHead)
            yield return $"--sampler {Sampler.ToString()!.ToLowerInvariant()}: the student's heads look at the "
                + $"whole video; take few-step";
        if (Network == Generation.Network.Generator && Sampler is { } whole && !LooksBack(whole))
            yield return $"--sampler {whole.ToString().ToLowerInvariant()}: a generator looks back only; take "
                + $"causal, segments or infinity-rope";
        if (
            Network == Generation.Network.Teacher
            && Sampler is { } asked
            && asked != Generation.Sampler.Euler
            && !LooksBack(asked)
            && Latents(c) > c.ClipLatents
        )
            yield return $"--sampler {asked.ToString().ToLowerInvariant()}: beyond its {c.Frames(c.ClipLatents)} "
                + $"frames a teacher is rolled out with euler; take that, or --network transformer for all "
                + $"frames at once";
    }

    private IEnumerable<string> PartProblems(ModelPart part, ModelConfig c)
    {
        var channels = part.TakesImage ? 2 * c.Vae.ZDim + c.Vae.TemporalStride : c.Vae.ZDim;
        if (c.Wan.InChannels != channels)
            yield return $"{part.Name} takes {c.Wan.InChannels} channels where "
                + $"{(part.TakesImage ? "an image-to-video" : "a text-to-video")} model of Wan 2.1 "
                + $"takes {channels}; it is of another kind, which is not known here";
        if (part.TakesImage && Image is null)
            yield return $"{part.Name} is an image-to-video model: say which picture the video starts from "
                + $"with --image FILE";
        if (part.TakesImage && LooksBack(Sampler))
            yield return $"--sampler {Sampler.ToString()!.ToLowerInvariant()}: {part.Name} is an "
                + $"image-to-video model, which looks at the whole video; leave the option out";
        if (!part.TakesImage && Image is not null)
            yield return $"--image {Image}: {part.Name} is a text-to-video model, which takes no picture; "
                + $"leave the option out";
        if (part.Kind == PartKind.Student && part.OnlyHead is { } only && (only != Main || FmSteps > 0))
            yield return $"the student has no "
                + $"{DecoupledTransformer.Name(only == Head.DistributionMatching ? Head.FlowMatching : Head.DistributionMatching)}, "
                + $"only a {DecoupledTransformer.Name(only)}; it makes videos with --network "
                + $"{(only == Head.FlowMatching ? Generation.Network.FmHead : Generation.Network.DmHead)}";
    }

    private int Longest(ModelConfig c) => Beyond ? 4 * c.VideoLatents : c.VideoLatents;

    internal Head Main => Network == Generation.Network.FmHead ? Head.FlowMatching : Head.DistributionMatching;

    private static bool ManySteps(Sampler sampler) =>
        sampler is Generation.Sampler.Euler or Generation.Sampler.UniPc or Generation.Sampler.Dpm;

    // Self-Forcing's names, for networks that look back only.
    private static bool IsGenerator(ModelPart part) =>
        part is { Kind: PartKind.Transformer, Name: "generator" or "generator_ema" };

    // What a model was trained for last speaks; of another layout's transformers only those without a clip length make
    // long videos at once.
    private Network Best(ModelFiles files)
    {
        if (files.Part(PartKind.Student) is { } student)
            return student.OnlyHead == Head.FlowMatching ? Generation.Network.FmHead : Generation.Network.DmHead;
        if (files.Layout == Layout.LongTake && files.Parts.Any(p => p.Name == ModelFolder.Generator))
            return Generation.Network.Generator;
        var whole =
            files.Layout == Layout.LongTake
                ? files.Parts.Any(p => p.Name == ModelFolder.Transformer)
                : LooksBack(Sampler) || files.Part(PartKind.Transformer, Part) is { } part && IsGenerator(part);
        return whole ? Generation.Network.Transformer : Generation.Network.Teacher;
    }
}
