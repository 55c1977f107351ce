using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Methods;

/// <summary>
/// Both losses of MMM: mean seeking (eq. 14) and mode seeking (eq. 9, whose teacher and critic stand in <see
/// cref="Matching{T}"/>). What the updates of an iteration share is the roll-outs.
/// </summary>
internal sealed class MmmSession(
    ModelConfig model,
    MmmConfig c,
    LatentSet data,
    TextEncoder text,
    VideoAutoencoder vae,
    DecoupledTransformer student,
    FlowMatching.Velocity teacher,
    FlowMatching.Velocity critic,
    Weights? criticWeights = null,
    TextEncoder? teacherText = null
) : Matching<LatentItem>(c, model.NegativePrompt, teacherText ?? text, teacher, critic, criticWeights)
{
    private readonly FlowLevels levels = new(c.SftShift, c.SftLevels, c.SftWeighting);
    private int exit;
    private long iterations;
    private bool compares;

    /// <summary>What roll-outs show, when it is not what takes show.</summary>
    public IReadOnlyList<string> Prompts { get; } = ReadPrompts(c.RollOutPrompts);

    private Head SftHead => c.SingleHead ? Head.DistributionMatching : Head.FlowMatching;

    public override void Begin()
    {
        base.Begin();
        compares = c.CompareGradientsEvery > 0 && iterations++ % c.CompareGradientsEvery == 0;
    }

    /// <summary>Adds the gradients of both losses to the student (eq. 15).</summary>
    public IReadOnlyDictionary<string, double> Student(Rng random, double weight, IReadOnlyList<Tensor> encoder)
    {
        using var scope = torch.NewDisposeScope();
        var log = new Dictionary<string, double>();
        var (fm, anchor) = MeanSeeking(random, weight);
        var before = compares ? GradientComparison.Copies(encoder) : null;
        var (dm, gap) = c.DmWeight > 0 ? Match(random, weight * c.DmWeight) : (0, 0);
        (log["loss"], log["dm"], log["fm"]) = (c.SftWeight * fm + c.DmWeight * dm, dm, fm);
        if (c.DmWeight > 0)
            log[$"gap {exit}"] = gap;
        if (c.Anchor > 0)
            log["anchor"] = anchor;
        if (before is not null)
            foreach (var (name, value) in GradientComparison.Of(before, encoder))
                log[name] = value;
        compares = false;
        return log;
    }

    /// <summary>
    /// Mean seeking (eq. 14): flow matching on a real take, on the FM head, and on the DM head by the anchor's weight.
    /// </summary>
    private (double Fm, double Anchor) MeanSeeking(Rng random, double weight)
    {
        if (c.SftWeight == 0 && c.Anchor == 0)
            return (0, 0);
        using var scope = torch.NewDisposeScope();
        var take = data.Takes[random.Int(data.Takes.Count)];
        var e = FlowMatching.Frozen(text, random.Uniform() < c.CaptionDrop ? "" : take.Caption);
        var x0 = data.Latents(take).to(e.device);
        var (xt, sigma, noise, weights) = levels.Noise(x0, random);
        var t = sigma * 1000;
        var state = student.Encode(xt, t, e);
        var fm = Flow.Loss(student.Decode(SftHead, state, xt, t), x0, noise, weights);
        if (c.Anchor == 0)
        {
            (fm * (weight * c.SftWeight)).Backward();
            return (fm.Number(), 0);
        }
        var anchor = Flow.Loss(student.Decode(Head.DistributionMatching, state, xt, t), x0, noise, weights);
        (fm * (weight * c.SftWeight) + anchor * (weight * c.Anchor)).Backward();
        return (fm.Number(), anchor.Number());
    }

    /// <summary>
    /// A roll-out with a caption of its own, not that of the flow-matching sample, stopped at a step of the few-step
    /// list.
    /// </summary>
    protected override (Tensor Latents, LatentItem Shown) Make(Rng random)
    {
        var take = data.Takes[random.Int(data.Takes.Count)];
        if (Prompts.Count > 0)
            take = take with { Caption = Prompts[random.Int(Prompts.Count)], Locals = [] };
        exit = Times.DrawExit(random, c.Exit, model.FewSteps.Length);
        return (DmVideo(random, take, exit), take);
    }

    /// <summary>
    /// What the DM head makes, as long and as large as a take and with its caption: from noise, or in one step from the
    /// noised take.
    /// </summary>
    private Tensor DmVideo(Rng random, LatentItem take, int last)
    {
        using var g = new torch.Generator((ulong)random.Seed());
        var e = FlowMatching.Frozen(text, take.Caption);
        var (steps, noise) = (model.FewSteps, Noise(data.Shape(take)));
        if (c.RollOut == RollOut.OnPolicy)
            return Sampling.FewStep(Velocity, noise, Noise, steps, exit: last);
        var noisy = data.Latents(take).to(e.device).lerp(noise, steps[last] / 1000);
        return Sampling.FewStep(Velocity, noisy, Noise, [steps[last]]);

        Tensor Noise(long[] of) => torch.randn(of, generator: g).to(e.device);
        Tensor Velocity(Tensor x, double t) =>
            student.Forward(Head.DistributionMatching, x, torch.full([1], t, device: e.device), e);
    }

    /// <summary>
    /// Windows of the teacher's clip length (eq. 4 and 5). Where one starts inside the video, its first latent is
    /// re-made as an image latent, without a gradient.
    /// </summary>
    protected override Samples Cut(Rng random, Made<LatentItem> video, Tensor latents, bool forStudent)
    {
        var (total, length) = ((int)latents.size(2), Math.Min(model.ClipLatents, (int)latents.size(2)));
        int[] starts =
        [
            .. Enumerable
                .Range(0, forStudent ? c.Windows : c.CriticWindows)
                .Select(_ => Windows.DrawStart(random, total, length, c.FirstWindow, c.WindowSampling)),
        ];
        string[] captions =
        [
            .. starts.Select(s => FlowMatching.Caption(video.Shown, c.LocalCaptions ? s + length / 2.0 : null)),
        ];
        if (c.Boundary == Boundary.Skip)
            return new(torch.cat([.. starts.Select(s => latents.narrow(2, s == 0 ? 0 : s + 1, length - 1))]), captions);
        long[] inner = [.. starts.Where(s => s > 0).Select(s => (long)s)];
        var firsts =
            inner.Length == 0 ? null
            : c.Boundary == Boundary.Reencode ? vae.ImageLatents(video.Latents, inner)
            : torch.cat([.. inner.Select(s => video.Latents.narrow(2, s, 1))]);
        var next = 0;
        return new(
            torch.cat([
                .. starts.Select(s => Windows.Crop(latents, s, length, s == 0 ? null : firsts!.narrow(0, next++, 1))),
            ]),
            captions,
            Windows.Mask(starts, length).to(latents.device)
        );
    }

    /// <summary>
    /// Figures of held-out takes: the FM head's loss; and, of windows of finished videos of the DM head with their
    /// captions, the teacher's loss over that on the takes' own windows. Near 1 the teacher finds both as likely.
    /// </summary>
    public IReadOnlyDictionary<string, double> HeldOut()
    {
        var log = FlowMatching
            .HeldOut((x, t, e) => student.Forward(SftHead, x, t, e), text, data, "take", 0)
            .ToDictionary();
        var (made, real) = (0.0, 0.0);
        using var off = torch.no_grad();
        foreach (var (i, take) in data.Info.Items.Where(t => t is { HeldOut: true, Role: "take" }).Take(2).Index())
        {
            using var scope = torch.NewDisposeScope();
            Made<LatentItem> video = new(DmVideo(new(7, i), take, model.FewSteps.Length - 1), take);
            made += Loss(video);
            real += Loss(video with { Latents = data.Latents(take).to(video.Latents.device) });

            double Loss(Made<LatentItem> of) =>
                TeacherLoss(new(7, i, 2), Cut(new(7, i, 1), of, of.Latents, forStudent: true));
        }
        if (real > 0)
            log["held-out dm"] = made / real;
        return log;
    }

    private static string[] ReadPrompts(string file)
    {
        if (file.Length == 0)
            return [];
        if (!File.Exists(file))
            throw new UserException($"mmm.rollOutPrompts {file}: no such file; give one with a prompt a line");
        string[] prompts = [.. TextFile.Lines(file).Select(l => l.Trim()).Where(l => l.Length > 0)];
        return prompts.Length > 0
            ? prompts
            : throw new UserException($"mmm.rollOutPrompts {file}: it is empty; give one prompt a line");
    }
}
