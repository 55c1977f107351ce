using LongTake.Checkpoints;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Generation;

/// <summary>
/// What is wrong with a setting: its name, and the rest of the sentence, beginning with the value given, " 4: ...".
/// </summary>
public sealed record Mistake(string Setting, string Text)
{
    public override string ToString() => Setting + Text;
}

/// <summary>A request that a model cannot fulfil, with every mistake in it.</summary>
public sealed class RequestException(IReadOnlyList<Mistake> mistakes)
    : UserException(string.Join("; ", mistakes), usage: true)
{
    public IReadOnlyList<Mistake> Mistakes { get; } = mistakes;
}

/// <summary>Finds the mistakes in a request.</summary>
internal static class RequestProblems
{
    private const int TableSteps = 1000;

    /// <summary>Mistakes that the model's config shows.</summary>
    public static IEnumerable<Mistake> Of(VideoRequest r, ModelConfig c)
    {
        var own = RequestResolver.Sized(r.Fps is > 0 ? r : r with { Fps = null }, c);
        return
        [
            .. Length(r, c, own),
            .. Picture(r, c, own),
            .. Numbers(r, c),
            .. Script(r, c, own),
            .. Samplers(r, c, own),
        ];
    }

    private static IEnumerable<Mistake> Length(VideoRequest r, ModelConfig c, ModelConfig own)
    {
        var (stride, most) = (c.Geometry.TemporalStride, c.Frames(Longest(r, c)));
        if (r.Frames is not null && r.Seconds is not null)
            yield return new("frames", $" {r.Frames}: seconds are given too; give one of them");
        if (r.Seconds is { } seconds && (!(seconds > 0) || own.Latents(seconds) > Longest(r, c)))
            yield return new(
                "seconds",
                $" {seconds}: this model makes videos of more than 0 and at most {most / own.Fps:0.#} seconds"
                    + (r.Beyond && c.Model.Longest > 0 ? ", beyond which it cannot tell one moment from another" : "")
            );
        if (r.Frames is { } frames && (frames < 1 || frames > most))
            yield return new("frames", $" {frames}: this model makes videos of 1 to {most} frames");
        else if (r.Frames is { } count && (count - 1) % stride is > 0 and var over)
            yield return new(
                "frames",
                $" {count}: a video has 1 + {stride}k frames; the nearest counts are {count - over} and "
                    + $"{count - over + stride}"
            );
    }

    private static IEnumerable<Mistake> Picture(VideoRequest r, ModelConfig c, ModelConfig own)
    {
        var size = $" {own.Width}x{own.Height}";
        if ((c.Geometry.FixedSize) && (own.Width, own.Height) != (c.Width, c.Height))
        {
            yield return new("size", $"{size}: this model makes pictures of {c.Width}x{c.Height} only");
            yield break;
        }
        (string, int, int)[] sides = [("width", own.Width, c.Model.Patch[2]), ("height", own.Height, c.Model.Patch[1])];
        foreach (var (name, pixels, patch) in sides)
        {
            var unit = c.Geometry.SpatialStride * patch;
            if (pixels >= 1 && pixels % unit == 0)
                continue;
            var below = Math.Max(unit, pixels / unit * unit);
            yield return new(
                "size",
                $"{size}: the {name} must be a multiple of {unit}; the nearest are {below} and {below + unit}"
            );
        }
    }

    private static IEnumerable<Mistake> Numbers(VideoRequest r, ModelConfig c)
    {
        if (r.Fps is { } fps && !(fps is > 0 and <= 1000))
            yield return new("fps", $" {fps}: more than 0 and at most 1000");
        if (r.Shift is { } shift && !(shift is > 0 and < 1000))
            yield return new("shift", $" {shift}: more than 0; Wan has 3 at 480p, 5 at 720p");
        if (r.Steps is < 1 or > TableSteps)
            yield return new("steps", $" {r.Steps}: 1 to {TableSteps}; leave it out for the model's own list");
        if (r.Seed is < -1)
            yield return new("seed", $" {r.Seed}: at least 0, or -1 for one that is drawn");
        if (r.Guidance is { } guidance && !(double.IsFinite(guidance) && guidance >= 0))
            yield return new("guidance", $" {guidance}: a number of at least 0; 1 is none");
        if (r.FmSteps < 0)
            yield return new("fmSteps", $" {r.FmSteps}: at least 0");
        var unit = c.Geometry.SpatialStride;
        if (r.Tile is { } side && (side < 0 || side % unit != 0 || side is > 0 && side < 8 * unit))
            yield return new(
                "tile",
                $" {side}: a multiple of {unit} pixels, at least {8 * unit}, or 0 for whole pictures"
            );
    }

    private static IEnumerable<Mistake> Script(VideoRequest r, ModelConfig c, ModelConfig own)
    {
        if (PromptSchedule.Is(r.Prompt))
            PromptSchedule.Read(r.Prompt);
        else if (string.IsNullOrWhiteSpace(r.Prompt))
            yield return new("prompt", ": say what the video shows");
        else if (r.Sampler != Sampler.InfinityRope && InfinityRope.HasDurations(r.Prompt))
            yield return new(
                "prompt",
                ": scenes with durations, 'a man walks[5s] | he sits[10s#]', are for models that look back only, with "
                    + "the sampler infinity-rope; this one makes one scene a video: write one prompt, and its length "
                    + "in seconds"
            );
        else if (r.Sampler == Sampler.InfinityRope && InfinityRope.Mistaken(r.Prompt) is { } mistaken)
            yield return new(
                "prompt",
                $": '{mistaken}' is no duration; write [5s], or [5s#] for a cut after the scene"
            );
        else if (r is { Sampler: Sampler.InfinityRope, Frames: null, Seconds: null } && InfinityRope.IsScript(r.Prompt))
        {
            var frames = c.Frames(RequestResolver.Scenes(r, own).Sum(s => s.Blocks) * c.CausalBlock);
            var most = c.Frames(Longest(r, c));
            if (frames > most)
                yield return new(
                    "prompt",
                    $": its scenes come to {frames} frames; this model makes videos of at most {most}"
                        + (r.Beyond ? "" : " ('beyond' allows four times that)")
                );
        }
    }

    private static IEnumerable<Mistake> Samplers(VideoRequest r, ModelConfig c, ModelConfig own)
    {
        if (r.Sampler is not { } sampler)
            yield break;
        var (given, back) = ($" {sampler.Name()}", sampler.LooksBack());
        if (back && r.Guidance is { } guidance && guidance != 1)
            yield return new("guidance", $" {guidance}: the samplers that look back take none; leave it out");
        if (back && r.Network is Network.DmHead or Network.FmHead)
            yield return new("sampler", $"{given}: the student's heads look at the whole video; take few-step");
        if (r.Network == Network.Generator && !back)
            yield return new(
                "sampler",
                $"{given}: a generator looks back only; take causal, segments or infinity-rope"
            );
        if (
            r.Network == Network.Teacher
            && !back
            && sampler != Sampler.Euler
            && (
                r.Frames is { } f ? c.Geometry.Latents(f)
                : r.Seconds is { } s ? own.Latents(s)
                : 0
            ) > c.ClipLatents
        )
            yield return new(
                "sampler",
                $"{given}: beyond its {c.Frames(c.ClipLatents)} frames a teacher is rolled out with euler; take that, "
                    + "or the network transformer for all frames at once"
            );
    }

    /// <summary>Mistakes that the weights show.</summary>
    public static IEnumerable<Mistake> Of(VideoRequest r, ModelConfig c, ModelPart part)
    {
        if (part.TakesImage && r.Image is null)
            yield return new("image", $": {part.Name} is an image-to-video model; name the picture it starts from");
        if (part.TakesImage && r.Sampler?.LooksBack() == true)
            yield return new(
                "sampler",
                $" {r.Sampler.Value.Name()}: {part.Name} is an image-to-video model, which looks at "
                    + "the whole video; leave the sampler out"
            );
        if (!part.TakesImage && r.Image is not null)
            yield return new(
                "image",
                $" {r.Image}: {part.Name} is a text-to-video model, which takes no picture; leave it out"
            );
        if (part is not { Kind: PartKind.Student, OnlyHead: { } only })
            yield break;
        var main = r.Network == Network.FmHead ? Head.FlowMatching : Head.DistributionMatching;
        var other = only == Head.FlowMatching ? Head.DistributionMatching : Head.FlowMatching;
        if (only != main || r.FmSteps > 0)
            yield return new(
                "network",
                $" {r.Network}: the student has no {DecoupledTransformer.Name(other)}, only a "
                    + $"{DecoupledTransformer.Name(only)}; take the network "
                    + $"{(only == Head.FlowMatching ? Network.FmHead : Network.DmHead)}"
            );
    }

    // A network that sees the whole video at once needs positions for all of it.
    private static int Longest(VideoRequest r, ModelConfig c) =>
        !r.Beyond ? c.VideoLatents
        : c.Model.Longest == 0 || r.Network == Network.Teacher || r.Sampler?.LooksBack() == true ? 4 * c.VideoLatents
        : c.Model.Longest;
}
