using LongTake.Generation;

namespace LongTake.Takes;

/// <summary>What a model is given of a take for a window, and how large windows are.</summary>
public sealed partial class TakeEditor
{
    private List<TakeWindow> Windows(TakeOperation plan)
    {
        var (rules, timeline) = (Rules(), take.Timeline(plan.After));
        var (hold, fade) = (plan.Settings.Hold, plan.Settings.Fade);
        return plan.Kind == OperationKind.Remake
            ? [rules.Inside(plan.From, plan.To, timeline.Length, timeline[plan.From].Window, fade)]
            :
            [
                .. rules.Onward(
                    plan.Start?.Latents ?? plan.From,
                    plan.To,
                    timeline.Length == 0 ? 0 : timeline[^1].Window,
                    hold,
                    fade
                ),
            ];
    }

    private Tensor Made(
        TakeOperation plan,
        TakeWindow w,
        IReadOnlyList<TakeSegment> made,
        IStepStore? store,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        using var scope = torch.NewDisposeScope();
        var r = TakeRequest.Window(settings, plan, w);
        var filling = Filling(w, take.Timeline(plan.After, made), r.TileSide);
        var latents = generator.Sample(r, filling, store, progress, cancel);
        return latents.narrow(2, w.From - w.Start, w.To - w.From).clone().MoveToOuterDisposeScope();
    }

    // Known latents stay; into a new window leads the last second before it, over again, as far as it is held.
    private Filling? Filling(TakeWindow w, TakeSegment[] timeline, int tile)
    {
        var end = Math.Min(timeline.Length, w.Start + w.Length);
        if (end <= w.Start)
            return null;
        var parts = new List<Tensor>();
        Tensor? frame = null;
        if (w.Start > 0)
        {
            var warm = Math.Min(w.Start, Config.Geometry.WarmUp);
            var before = take.Latents(timeline, w.Start - warm, w.Start + 1);
            (frame, var first) = generator.FirstOfWindow(before, warm, tile);
            parts.Add(first);
        }
        var from = w.Start + parts.Count;
        if (end > from)
            parts.Add(take.Latents(timeline, from, end));
        if (w.Start + w.Length - end is > 0 and var missing)
        {
            var second = Math.Clamp(end - 1, 1, Rules().Second);
            var again = take.Latents(timeline, end - second, end);
            parts.Add(torch.cat([.. Enumerable.Repeat(again, missing / second + 1)], 2).narrow(2, 0, missing));
        }
        var hold = new float[w.Length];
        for (var i = 0; i < w.Length; i++)
        {
            var at = w.Start + i;
            var (behind, ahead) = (at - w.From, timeline.Length > w.To ? w.To - 1 - at : int.MaxValue);
            if (behind < 0 || at >= w.To && at < timeline.Length)
                hold[i] = 1;
            else if (w.From > 0 && Math.Min(behind, ahead) is var near && near < w.Fade && at < w.To)
                hold[i] = (float)(Strength * (1 - near / (double)w.Fade));
            else if (w.From == 0 && ahead < w.Fade)
                hold[i] = (float)(Strength * (1 - ahead / (double)w.Fade));
        }
        return new(torch.cat([.. parts], 2), Tensor.From<float>(hold, 1, 1, w.Length, 1, 1), frame);
    }

    private WindowRules Rules()
    {
        var (c, s) = (Config, settings);
        var block = c.ClipLatents / c.CausalBlock * c.CausalBlock;
        var longest =
            s.Sampler == Sampler.Segments ? block
            : s.Sampler.LooksBack() ? 0
            : s.Network == Network.Teacher ? c.ClipLatents
            : c.VideoLatents;
        return new(
            longest,
            s.Sampler.LooksBack() ? 0 : 2 * c.ClipLatents,
            Math.Max(1, (int)Math.Round(c.Fps / c.Geometry.TemporalStride)),
            c.CausalBlock
        );
    }

    // A causal model's cache is filled with what it holds beside the block at hand.
    private int Hold(WindowRules rules)
    {
        if (!settings.Sampler.LooksBack())
            return Math.Min(RollOut.Overlap, rules.Longest - 1);
        var how = (settings with { Frames = Config.Frames(4 * Config.ClipLatents) }).Causal();
        return settings.Sampler == Sampler.Segments ? rules.Block : Math.Max(rules.Block, how.Window - how.BlockFrames);
    }

    // A model that is told positions begins its video anew with each window, and is led into it.
    private int Lead(WindowRules rules) =>
        rules.Longest > 0 && settings.Network != Network.Teacher && Config.Model.Longest > 0 ? LeadIn : 0;
}
