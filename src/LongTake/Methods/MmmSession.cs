using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>The losses of one MMM iteration; what the updates of an iteration share is the roll-out.</summary>
internal sealed class MmmSession(
    ModelConfig model,
    MmmConfig c,
    LatentSet data,
    TextEncoder text,
    VideoAutoencoder vae,
    DecoupledTransformer student,
    FlowMatching.Velocity teacher,
    FlowMatching.Velocity critic,
    TextEncoder? told = null
) : IDisposable
{
    private readonly IReadOnlyList<LatentItem> takes = FlowMatching.First(data.Takes, c.Takes);

    // Teacher and critic have the text encoder that the teacher learnt with.
    private readonly TextEncoder judging = told ?? text;
    private readonly List<Video> videos = [];

    /// <summary>A rolled-out video: latents cut off from the graph, and the take whose captions it has.</summary>
    private sealed record Video(Tensor Latents, LatentItem Take);

    public Head SftHead => c.SingleHead ? Head.DistributionMatching : Head.FlowMatching;

    /// <summary>
    /// Adds the gradients of both losses to the student; logs their norms on the encoder, their cosine, and the gap per
    /// exit step.
    /// </summary>
    public IReadOnlyDictionary<string, double> Student(
        Rng random,
        double weight,
        IReadOnlyList<KeyValuePair<string, Tensor>> parameters
    )
    {
        var take = takes[random.Int(takes.Count)];
        var encoder = parameters.Where(p => DecoupledTransformer.IsEncoder(p.Key)).Select(p => p.Value).ToList();
        using var scope = torch.NewDisposeScope();
        var start = Gradients(encoder);
        var (fm, anchor) = MeanSeeking(random, weight, take);
        var middle = Gradients(encoder);
        var log = ModeSeeking(random, weight, take);
        log["fm"] = fm;
        if (c.Anchor > 0)
            log["anchor"] = anchor;
        foreach (var (name, value) in Compare(start, middle, encoder))
            log[name] = value;
        return new Dictionary<string, double> { ["loss"] = c.SftWeight * fm + c.DmWeight * log["dm"] }
            .Concat(log)
            .ToDictionary();
    }

    /// <summary>
    /// Mean seeking: flow matching on a real take, on the FM head, and on the DM head by the anchor's weight.
    /// </summary>
    private (double Fm, double Anchor) MeanSeeking(Rng random, double weight, LatentItem take)
    {
        using var scope = torch.NewDisposeScope();
        if (c.SftWeight == 0 && c.Anchor == 0)
            return (0, 0);
        var e = FlowMatching.Frozen(text, take.Caption);
        var x0 = data.Latents(take).to(e.device);
        using var g = new torch.Generator((ulong)random.Seed());
        var sigma = Tensor.From<float>([(float)Times.DrawFlow(random, c.SftShift)]).to(x0.device);
        var noise = torch.randn(x0.shape, generator: g).to(x0.device);
        var (xt, t) = (Flow.Noisy(x0, noise, sigma), sigma * 1000);
        var state = student.Encode(xt, t, e);
        var fm = Flow.Loss(student.Decode(SftHead, state, xt, t), x0, noise);
        if (c.Anchor == 0)
        {
            (fm * (weight * c.SftWeight)).Backward();
            return (fm.Number(), 0);
        }
        var anchor = Flow.Loss(student.Decode(Head.DistributionMatching, state, xt, t), x0, noise);
        (fm * (weight * c.SftWeight) + anchor * (weight * c.Anchor)).Backward();
        return (fm.Number(), anchor.Number());
    }

    /// <summary>Mode seeking: the DM head's video, window by window, against teacher and critic.</summary>
    private Dictionary<string, double> ModeSeeking(Rng random, double weight, LatentItem take)
    {
        if (c.DmWeight == 0)
            return new() { ["dm"] = 0 };
        var video = Roll(random, take, graph: true, out var exit);
        var (windows, starts, captions) = Cut(random, video, Share(video, take), c.Windows);
        var (sigma, noise) = Levels(random, windows);
        var mask = c.Boundary == Boundary.Skip ? null : Windows.Mask(starts, (int)windows.size(2)).to(windows.device);
        Tensor Real(Tensor noisy) => Flow.Clean(noisy, Teacher(noisy, sigma, captions), sigma);
        Tensor Fake(Tensor noisy) => Flow.Clean(noisy, critic(noisy, sigma * 1000, judging.Encode(captions)), sigma);
        var (loss, gap) =
            c.Surrogate == Surrogate.Sid
                ? DistributionMatching.ScoreIdentity(windows, noise, sigma, Real, Fake, mask)
                : DistributionMatching.Match(windows, noise, sigma, Real, Fake, mask);
        (loss * (weight * c.DmWeight)).Backward();
        return new() { ["dm"] = loss.Number(), [$"gap {exit}"] = gap };
    }

    /// <summary>
    /// Adds the gradient of the critic's flow matching on windows of the iteration's video (or of a new one, before the
    /// student moves).
    /// </summary>
    public IReadOnlyDictionary<string, double> Critic(Rng random, double weight)
    {
        if (videos.Count == 0)
            RollForCritic(random);
        var video = videos[videos.Count == 1 ? 0 : random.Int(videos.Count)];
        Tensor windows;
        string[] captions;
        using (torch.no_grad())
            (windows, _, captions) = Cut(random, video.Latents, video, c.CriticWindows);
        var (sigma, noise) = Levels(random, windows);
        var loss = Flow.Loss(
            critic(Flow.Noisy(windows, noise, sigma), sigma * 1000, FlowMatching.Frozen(judging, captions)),
            windows,
            noise
        );
        (loss * weight).Backward();
        return new Dictionary<string, double> { ["loss"] = loss.Number() };
    }

    private void RollForCritic(Rng random)
    {
        using var off = torch.no_grad();
        var take = takes[random.Int(takes.Count)];
        Share(Roll(random, take, graph: false, out _), take);
    }

    /// <summary>
    /// A video of the DM head, as long and as large as the take whose caption it has; only the exit step has a graph
    /// (method family 1 or 2).
    /// </summary>
    private Tensor Roll(Rng random, LatentItem take, bool graph, out int exit)
    {
        var steps = model.FewSteps;
        exit = Times.DrawExit(random, c.Exit, steps.Length);
        using var g = new torch.Generator((ulong)random.Seed());
        var e = FlowMatching.Frozen(text, take.Caption);
        var shape = data.Shape(take);
        Tensor Noise() => torch.randn(shape, generator: g).to(e.device);
        Tensor Velocity(Tensor x, double t) =>
            student.Forward(Head.DistributionMatching, x, torch.full([1], t, device: e.device), e);
        Tensor Clean(Tensor x, double t) => x - Velocity(x, t) * (t / 1000);
        Tensor At(Tensor clean, double t) => clean * (1 - t / 1000) + Noise() * (t / 1000);
        Tensor x;
        using (torch.no_grad())
        {
            if (c.RollOut == RollOut.NoisedReal)
                x = At(data.Latents(take).to(e.device), steps[exit]);
            else
            {
                x = Noise();
                for (var i = 0; i < exit; i++)
                {
                    using var scope = torch.NewDisposeScope();
                    x = At(Clean(x, steps[i]), steps[i + 1]).MoveToOuterDisposeScope();
                }
            }
        }
        using var mode = graph ? torch.enable_grad() : torch.no_grad();
        return Clean(x, steps[exit]);
    }

    /// <summary>Remembers a video for the windows of this iteration.</summary>
    private Video Share(Tensor video, LatentItem take)
    {
        videos.Add(new Video(video.detach().clone().DetachFromDisposeScope(), take));
        return videos[^1];
    }

    /// <summary>
    /// Windows [n, C, L, h, w] of a video with their starts and captions; gradients flow to the video but for re-made
    /// first latents.
    /// </summary>
    private (Tensor Windows, int[] Starts, string[] Captions) Cut(Rng random, Tensor latents, Video video, int count)
    {
        var (total, length) = ((int)latents.size(2), Math.Min(model.ClipLatents, (int)latents.size(2)));
        var starts = Enumerable
            .Range(0, count)
            .Select(_ => Windows.DrawStart(random, total, length, c.FirstWindow, c.WindowSampling))
            .ToArray();
        string[] captions =
        [
            .. starts.Select(s => FlowMatching.Caption(video.Take, c.LocalCaptions ? s + length / 2.0 : null)),
        ];
        if (c.Boundary == Boundary.Skip)
            return (
                torch.cat([.. starts.Select(s => latents.narrow(2, s == 0 ? 0 : s + 1, length - 1))]),
                starts,
                captions
            );
        var inner = starts.Where(s => s > 0).ToArray();
        var firsts = inner.Length == 0 ? null : Firsts(video, inner);
        var next = 0;
        var parts = starts
            .Select(s => Windows.Crop(latents, s, length, s == 0 ? null : firsts!.narrow(0, next++, 1)))
            .ToArray();
        return (torch.cat(parts), starts, captions);
    }

    /// <summary>
    /// First latents of windows inside the video, [n, C, 1, h, w]: the last frame of each start's latent, encoded alone.
    /// </summary>
    private Tensor Firsts(Video video, int[] starts)
    {
        using var off = torch.no_grad();
        if (c.Boundary == Boundary.Raw)
            return torch.cat([.. starts.Select(s => video.Latents.narrow(2, s, 1))]);
        return vae.ImageLatents(video.Latents, [.. starts.Select(s => (long)s)]);
    }

    private (Tensor Sigma, Tensor Noise) Levels(Rng random, Tensor windows)
    {
        var levels = Enumerable
            .Range(0, (int)windows.size(0))
            .Select(_ => (float)Times.DrawMatching(random, c.MatchingShift))
            .ToArray();
        using var g = new torch.Generator((ulong)random.Seed());
        return (
            Tensor.From<float>(levels).to(windows.device),
            torch.randn(windows.shape, generator: g).to(windows.device)
        );
    }

    /// <summary>The teacher's velocity with guidance, away from the model's negative prompt.</summary>
    private Tensor Teacher(Tensor noisy, Tensor sigma, string[] captions)
    {
        var with = teacher(noisy, sigma * 1000, judging.Encode(captions));
        return c.Guidance == 1
            ? with
            : Flow.Guide(
                with,
                teacher(noisy, sigma * 1000, judging.Encode([.. captions.Select(_ => model.NegativePrompt)])),
                c.Guidance
            );
    }

    private static List<Tensor?> Gradients(List<Tensor> of) => [.. of.Select(p => p.grad?.clone())];

    /// <summary>Norms of what the two losses added to the encoder's gradients, and the cosine between them.</summary>
    private static IEnumerable<(string, double)> Compare(
        List<Tensor?> start,
        List<Tensor?> middle,
        List<Tensor> encoder
    )
    {
        List<Tensor> first = [],
            second = [],
            together = []; // read at the end, all at once: a device is waited for
        for (var i = 0; i < encoder.Count; i++)
        {
            using var scope = torch.NewDisposeScope(); // one weight's at a time
            var a = Added(start[i], middle[i]);
            var b = Added(middle[i], encoder[i].grad);
            if (a is not null)
                first.Add(a.square().sum().MoveToOuterDisposeScope());
            if (b is not null)
                second.Add(b.square().sum().MoveToOuterDisposeScope());
            if (a is not null && b is not null)
                together.Add((a * b).sum().MoveToOuterDisposeScope());
        }
        var (sft, dm, both) = (Sum(first), Sum(second), Sum(together));
        yield return ("encoder |fm|", Math.Sqrt(sft));
        yield return ("encoder |dm|", Math.Sqrt(dm));
        yield return ("encoder cosine", sft > 0 && dm > 0 ? both / Math.Sqrt(sft * dm) : 0);
    }

    private static double Sum(List<Tensor> numbers) =>
        numbers.Count == 0 ? 0 : torch.stack([.. numbers]).Numbers().Sum();

    private static Tensor? Added(Tensor? before, Tensor? after) =>
        before is null || after is null ? after : after - before;

    /// <summary>Starts an iteration: no video is shared yet, so that a resumed run equals an unbroken one.</summary>
    public void Forget()
    {
        foreach (var video in videos)
            video.Latents.Dispose();
        videos.Clear();
    }

    public void Dispose() => Forget();
}
