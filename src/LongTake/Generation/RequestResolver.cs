using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Generation;

/// <summary>Gives every setting of a request its value.</summary>
internal static class RequestResolver
{
    private const int CausalSteps = 4,
        SolverSteps = 50,
        ImageSteps = 40,
        RollOutSteps = 25;
    private const double LargeShift = 5;

    /// <param name="check">Whether mistakes are refused; without it only network and part count.</param>
    public static ResolvedRequest Resolve(VideoRequest request, ModelFiles files, bool check)
    {
        files.Check();
        var r = request with { Network = request.Network ?? Best(request, files) };
        var any = files.Part(PartKind.Student) ?? files.Part(PartKind.Transformer);
        var plain = any is null ? null : PartOf(r, files);
        files.Check(
            plain,
            files.Part(PartKind.Vae),
            files.Part(PartKind.TextEncoder),
            plain?.TakesImage == true ? files.Part(PartKind.ImageEncoder) : null
        );
        files.CheckWhole();
        var c = files.Config;
        var part = files.WithLoras(plain!, r.Loras.Select(Lora.Choice));
        if (r.Sampler is null && IsGenerator(part))
            r = r with { Sampler = IsScript(r) ? Sampler.InfinityRope : Sampler.Causal };
        if (part.TakesImage && r is { Image: { } image, Width: null, Height: null })
        {
            var picture = Picture.Read(image);
            var (width, height) = FirstFrame.Size(c, picture.Width, picture.Height);
            r = r with { Width = width, Height = height };
        }
        if (check && RequestProblems.Of(r, c).Concat(RequestProblems.Of(r, c, part)).ToList() is { Count: > 0 } wrong)
            throw new RequestException(wrong);
        var filled = Fill(r, c, files.Layout != Layout.LongTake, part);
        return check ? filled with { Warnings = [.. RequestWarnings.Of(request, filled, files)] } : filled;
    }

    public static ResolvedRequest Resolve(VideoRequest request, ModelConfig c)
    {
        request = request with { Network = request.Network ?? Network.DmHead };
        var wrong = RequestProblems.Of(request, c).ToList();
        return wrong.Count > 0 ? throw new RequestException(wrong) : Fill(request, c, clip: false, null);
    }

    /// <summary>
    /// Without a length a video is as long as a clip for the teacher, and for any network with <paramref name="clip"/>,
    /// else the longest.
    /// </summary>
    private static ResolvedRequest Fill(VideoRequest r, ModelConfig c, bool clip, ModelPart? part)
    {
        var own = Sized(r, c);
        var (scenes, spans) = (Scenes(r, own), PromptSchedule.Read(r.Prompt));
        var latents =
            r.Frames is { } frames ? (int)c.Geometry.Latents(frames)
            : r.Seconds is { } seconds ? own.Latents(seconds)
            : r.Sampler == Sampler.InfinityRope && IsScript(r) ? scenes.Sum(s => s.Blocks) * c.CausalBlock
            : spans.Count > 0 ? Math.Min(own.Latents(spans[^1].To), c.VideoLatents)
            : clip || r.Network == Network.Teacher ? c.ClipLatents
            : c.VideoLatents;
        var head = r.Network is Network.DmHead or Network.FmHead;
        var back = r.Sampler?.LooksBack() == true;
        var rolled = r.Network == Network.Teacher && !back && latents > c.ClipLatents;
        var sampler = rolled ? Sampler.Euler : r.Sampler ?? (head ? Sampler.FewStep : Sampler.UniPc);
        var larger = (long)own.Width * own.Height > (long)c.Width * c.Height;
        var shift = r.Shift
            ?? (
                back ? ResolvedRequest.FewStepShift
                : larger && sampler.Solves() ? Math.Max(c.Shift, LargeShift)
                : c.Shift
            );
        var steps =
            r.Steps is { } given ? given
            : rolled ? RollOutSteps
            : sampler.Solves()
                ? part?.TakesImage == true ? ImageSteps
                    : SolverSteps
            : back && clip ? CausalSteps
            : c.FewSteps.Length;
        return new()
        {
            Model = own with { Shift = shift },
            Weights = part,
            Prompt = r.Prompt,
            NegativePrompt = r.NegativePrompt ?? c.NegativePrompt,
            Seed = r.Seed is -1 ? Random.Shared.NextInt64(1L << 32) : r.Seed ?? 0,
            Frames = (int)c.Frames(latents),
            Network = r.Network!.Value,
            Sampler = sampler,
            Steps = steps,
            Timesteps = Timesteps(c, sampler, steps, shift),
            Guidance = r.Guidance ?? (sampler.Solves() && !head ? c.Guidance : 1),
            FmSteps = r.FmSteps,
            Int8 = r.Int8,
            Loras = r.Loras,
            Image = r.Image,
            Tile = r.Tile ?? VaeTiles.Automatic(c.Geometry, own.Height, own.Width) * c.Geometry.SpatialStride,
            Scenes = scenes,
            Spans = Starts(spans, own, 0, latents),
        };
    }

    /// <summary>
    /// The prompts of a window of so many latents that begins at latent <paramref name="first"/>; a prompt that no
    /// latent is left for goes. Empty for no prompts.
    /// </summary>
    public static IReadOnlyList<PromptStart> Starts(
        IReadOnlyList<PromptSpan> spans,
        ModelConfig c,
        int first,
        int latents
    ) =>
        [
            .. spans
                .Select(s => new PromptStart(Math.Max(0, c.FirstLatent(s.From) - first), s.Text))
                .Where(s => s.From < latents)
                .GroupBy(s => s.From)
                .Select((g, i) => i == 0 ? g.Last() with { From = 0 } : g.Last()),
        ];

    private static bool IsScript(VideoRequest r) => InfinityRope.IsScript(r.Prompt) && !PromptSchedule.Is(r.Prompt);

    // The model's own list, unless another length or shift is wanted.
    private static double[] Timesteps(ModelConfig c, Sampler sampler, int steps, double shift) =>
        sampler.Solves() ? []
        : steps == c.FewSteps.Length && shift == (sampler.LooksBack() ? ResolvedRequest.FewStepShift : c.Shift)
            ? c.FewSteps
        : sampler.LooksBack() ? new FlowTable(shift).Warp(Times.FewSteps(steps, 1))
        : Times.FewSteps(steps, shift);

    /// <summary>The model's config in the size and at the rate of a request.</summary>
    public static ModelConfig Sized(VideoRequest r, ModelConfig c) =>
        c with
        {
            Width = r.Width ?? c.Width,
            Height = r.Height ?? c.Height,
            Fps = r.Fps ?? c.Fps,
        };

    /// <summary>The scenes of a script, at the rate of <paramref name="c"/>; any other prompt is one scene.</summary>
    public static IReadOnlyList<ScriptScene> Scenes(VideoRequest r, ModelConfig c) =>
        r.Sampler == Sampler.InfinityRope && IsScript(r)
            ? InfinityRope.Scenes(r.Prompt, c.Fps, c.CausalBlock, c.Geometry.TemporalStride)
            : [new ScriptScene(r.Prompt, 0, false)];

    private static ModelPart PartOf(VideoRequest r, ModelFiles files) =>
        (r.Network, files.Layout) switch
        {
            (Network.DmHead or Network.FmHead, _) => files.Require(PartKind.Student),
            (Network.Teacher, Layout.LongTake) => files.Require(PartKind.Transformer, r.Part ?? ModelFolder.Teacher),
            (Network.Transformer, Layout.LongTake) => files.Require(
                PartKind.Transformer,
                r.Part ?? ModelFolder.Transformer
            ),
            (Network.Generator, Layout.LongTake) => files.Require(
                PartKind.Transformer,
                r.Part ?? ModelFolder.Generator
            ),
            _ => files.Require(PartKind.Transformer, r.Part),
        };

    // Self-Forcing's names, for networks that look back only.
    private static bool IsGenerator(ModelPart part) =>
        part is { Kind: PartKind.Transformer, Name: "generator" or "generator_ema" };

    // What was trained last; of another layout's transformers only those without a clip length make long videos at
    // once.
    private static Network Best(VideoRequest r, ModelFiles files)
    {
        if (files.Part(PartKind.Student) is { } student)
            return student.OnlyHead == Head.FlowMatching ? Network.FmHead : Network.DmHead;
        if (files.Layout == Layout.LongTake && files.Parts.Any(p => p.Name == ModelFolder.Generator))
            return Network.Generator;
        var whole =
            files.Layout == Layout.LongTake
                ? files.Parts.Any(p => p.Name == ModelFolder.Transformer)
                : r.Sampler?.LooksBack() == true
                    || files.Part(PartKind.Transformer, r.Part) is { } part && IsGenerator(part);
        return whole ? Network.Transformer : Network.Teacher;
    }
}
