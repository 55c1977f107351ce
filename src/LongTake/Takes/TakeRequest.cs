using System.Text.Json;
using LongTake.Checkpoints;
using LongTake.Generation;

namespace LongTake.Takes;

/// <summary>Requests as takes keep them, and back.</summary>
internal static class TakeRequest
{
    /// <summary>The model that a generator was loaded with.</summary>
    public static TakeModel ModelOf(VideoGenerator g) =>
        new(g.Config.Name, g.Part.Name, g.Hash, g.Files.Require(PartKind.Vae).Hash());

    public static TakeSettings Settings(ResolvedRequest r, int hold, int fade, VideoGenerator g) =>
        new()
        {
            Network = r.Network,
            Sampler = r.Sampler,
            Steps = r.Steps,
            Timesteps = r.Timesteps,
            Shift = r.Shift,
            Guidance = r.Guidance,
            NegativePrompt = r.NegativePrompt,
            FmSteps = r.FmSteps,
            Int8 = r.Int8,
            Loras = r.Loras,
            Image = r.Image,
            Tile = r.Tile,
            Hold = hold,
            Fade = fade,
            Computed = $"{g.Dtype} {g.Device.type}",
        };

    /// <summary>The prompts of a request, by the second.</summary>
    public static IReadOnlyList<PromptSpan> Prompts(ResolvedRequest r) =>
        PromptSchedule.Read(r.Prompt) is { Count: > 0 } spans
            ? spans
            : [new(0, Math.Round(r.Frames / r.Fps, 3), r.Prompt)];

    /// <summary>Whether an operation is what a plan describes.</summary>
    public static bool Same(TakeOperation made, TakeOperation plan)
    {
        return Text(made) == Text(plan);

        static string Text(TakeOperation o) =>
            JsonSerializer.Serialize(o with { Id = 0, Segments = [], Seconds = [] }, TakeJson.Default.TakeOperation);
    }

    /// <summary>A request for the network that made an operation; its length is one picture.</summary>
    public static VideoRequest Of(TakeDocument d, TakeOperation o) =>
        new()
        {
            Prompt = o.Prompts[0].Text,
            NegativePrompt = o.Settings.NegativePrompt,
            Seed = o.Seed,
            Frames = 1,
            Width = d.Width,
            Height = d.Height,
            Fps = d.Fps,
            Steps = o.Settings.Steps,
            Guidance = o.Settings.Guidance,
            Shift = o.Settings.Shift,
            Sampler = o.Settings.Sampler,
            Network = o.Settings.Network,
            Part = d.Model.Part,
            Image = o.Settings.Image,
            Tile = o.Settings.Tile,
            Loras = o.Settings.Loras,
            FmSteps = o.Settings.FmSteps,
            Int8 = o.Settings.Int8,
        };

    /// <summary>The request of a window of an operation.</summary>
    public static ResolvedRequest Window(ResolvedRequest r, TakeOperation o, TakeWindow w)
    {
        var c = r.Model with { Shift = o.Settings.Shift };
        var text = o.Prompts[0].Text;
        return r with
        {
            Model = c,
            Prompt = text,
            NegativePrompt = o.Settings.NegativePrompt,
            Seed = w.From == 0 ? o.Seed : new Rng(o.Seed, w.From).Seed(),
            Frames = c.Frames(w.Length),
            Sampler = o.Settings.Sampler,
            Steps = o.Settings.Steps,
            Timesteps = o.Settings.Timesteps,
            Guidance = o.Settings.Guidance,
            FmSteps = o.Settings.FmSteps,
            Image = o.Settings.Image,
            Tile = o.Settings.Tile,
            Scenes = RequestResolver.Scenes(new() { Prompt = text, Sampler = o.Settings.Sampler }, c),
            Spans = o.Prompts.Count > 1 ? RequestResolver.Starts(o.Prompts, c, w.Start, w.Length) : [],
        };
    }
}
