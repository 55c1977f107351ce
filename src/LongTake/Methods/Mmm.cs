using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>
/// Mode Seeking meets Mean Seeking (arXiv 2602.24289). Each iteration: real takes pull encoder and FM head by flow
/// matching (eq. 14); a roll-out of the DM head, window by window, is pulled toward the frozen short teacher and away
/// from the learned critic (eq. 9), which moves encoder and DM head; then the critic learns the roll-out's windows.
/// </summary>
public static class Mmm
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<MmmConfig>("Mmm", Build, c => c.Problems()) with
        {
            Takes = true,
        };

    private static Method Build(Stage stage, MmmConfig c) =>
        Build(stage, c, stage.Student(), stage.StartOf(TeacherOf(stage.Model, c), ModelFolder.Teacher));

    /// <summary>The method on its own networks. The critic has the sizes of the teacher, not of the student.</summary>
    internal static Method Build(Stage stage, MmmConfig c, Weights student, Weights critic)
    {
        var (from, device) = (stage.Model, stage.Device);
        var other = TeacherOf(from, c);
        var (text, textWeights) = from.LoadText(device);
        var (teacher, teacherWeights) = other.LoadWan(ModelFolder.Teacher, ScalarType.BFloat16, device);
        var (teacherText, teacherTextWeights) = c.Teacher.Length > 0 ? other.LoadText(device) : (text, textWeights);
        var (vae, vaeWeights) = from.LoadVae(device: device);
        var session = new MmmSession(
            from.Config,
            c,
            stage.Takes,
            text,
            vae,
            new DecoupledTransformer(student, from.Config.Wan, from.Config.HeadBlocks),
            teacher.Forward,
            new WanTransformer(critic, other.Config.Wan).Forward,
            teacherText
        );
        critic.Trainable();
        student.Trainable();
        var trained = student
            .All.Where(p => !c.SingleHead || !p.Key.StartsWith("fm_head.", StringComparison.Ordinal))
            .ToList();
        var encoder = trained.Where(p => DecoupledTransformer.IsEncoder(p.Key)).Select(p => p.Value).ToList();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["student"] = student, ["critic"] = critic },
            Averaged = ["student"],
            Begin = session.Begin,
            Updates =
            [
                new Update("student", trained, stage.Optimiser, (random, weight) =>
                    session.Student(random, weight, encoder)
                )
                {
                    From = c.CriticFirst,
                },
                new Update("critic", [.. critic.All], c.Critic, session.Critic)
                {
                    Times = c.DmWeight > 0 ? c.CriticUpdates : 0,
                },
            ],
            Validate = session.HeldOut,
            Export = (folder, networks) => stage.Save(folder, ModelFolder.Student, networks["student"]),
        }
            .AlsoFree(session)
            .AlsoFree(textWeights)
            .AlsoFree(teacherTextWeights)
            .AlsoFree(teacherWeights)
            .AlsoFree(vaeWeights);
    }

    /// <summary>The model whose teacher is matched: the student's own, or another of the same latents.</summary>
    private static ModelFolder TeacherOf(ModelFolder from, MmmConfig c)
    {
        if (c.Teacher.Length == 0)
            return from;
        var other = ModelFolder.Open(c.Teacher);
        if (
            other.Hash(ModelFolder.Vae) != from.Hash(ModelFolder.Vae)
            || other.Config.ClipLatents != from.Config.ClipLatents
        )
            throw new UserException(
                $"mmm.teacher {c.Teacher}: it has another autoencoder or clip length than {from.Path}; give a "
                    + "teacher of the same latents",
                usage: true
            );
        return from.Config.Wan.Recompute ? other.Recomputing() : other;
    }
}

/// <summary>The losses of one iteration; what its updates share is the roll-outs.</summary>
internal sealed class MmmSession(
    ModelConfig model,
    MmmConfig c,
    LatentSet data,
    TextEncoder text,
    WanVae vae,
    DecoupledTransformer student,
    FlowMatching.Velocity teacher,
    FlowMatching.Velocity critic,
    TextEncoder? teacherText = null
) : Matching<LatentItem>(c, model.NegativePrompt, teacherText ?? text, teacher, critic)
{
    private readonly IReadOnlyList<LatentItem> takes = FlowMatching.First(data.Takes, c.Takes);
    private LatentItem? shared;
    private int exit;
    private long iterations;
    private bool compares;

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
        shared = takes[random.Int(takes.Count)];
        var (fm, anchor) = MeanSeeking(random, weight, shared);
        var before = compares ? GradientComparison.Copies(encoder) : null;
        var (dm, gap) = c.DmWeight > 0 ? Match(random, weight * c.DmWeight) : (0, 0);
        shared = null;
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
    private (double Fm, double Anchor) MeanSeeking(Rng random, double weight, LatentItem take)
    {
        if (c.SftWeight == 0 && c.Anchor == 0)
            return (0, 0);
        using var scope = torch.NewDisposeScope();
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

    /// <summary>
    /// A roll-out of the DM head, as long and as large as the take whose caption it has, stopped at a step of the
    /// few-step list: from noise, or one step from a noised take.
    /// </summary>
    protected override (Tensor Latents, LatentItem Shown) Make(Rng random)
    {
        var take = shared ?? takes[random.Int(takes.Count)];
        var (steps, shape) = (model.FewSteps, data.Shape(take));
        exit = Times.DrawExit(random, c.Exit, steps.Length);
        using var g = new torch.Generator((ulong)random.Seed());
        var e = FlowMatching.Frozen(text, take.Caption);
        var noise = Noise(shape);
        if (c.RollOut == RollOut.OnPolicy)
            return (Sampling.FewStep(Velocity, noise, Noise, steps, exit: exit), take);
        var noisy = data.Latents(take).to(e.device).lerp(noise, steps[exit] / 1000);
        return (Sampling.FewStep(Velocity, noisy, Noise, [steps[exit]]), take);

        Tensor Noise(long[] of) => torch.randn(of, generator: g).to(e.device);
        Tensor Velocity(Tensor x, double t) =>
            student.Forward(Head.DistributionMatching, x, torch.full([1], t, device: e.device), e);
    }

    /// <summary>
    /// Windows of the teacher's clip length (eq. 4 and 5). Where one starts inside the video, its first latent is re-made
    /// as an image latent, without a gradient.
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
            return new(
                torch.cat([.. starts.Select(s => latents.narrow(2, s == 0 ? 0 : s + 1, length - 1))]),
                captions
            );
        long[] inner = [.. starts.Where(s => s > 0).Select(s => (long)s)];
        var firsts =
            inner.Length == 0 ? null
            : c.Boundary == Boundary.Reencode ? vae.ImageLatents(video.Latents, inner)
            : torch.cat([.. inner.Select(s => video.Latents.narrow(2, s, 1))]);
        var next = 0;
        return new(
            torch.cat([
                .. starts.Select(s =>
                    Windows.Crop(latents, s, length, s == 0 ? null : firsts!.narrow(0, next++, 1))
                ),
            ]),
            captions,
            Windows.Mask(starts, length).to(latents.device)
        );
    }

    /// <summary>Figures of the held-out takes.</summary>
    public IReadOnlyDictionary<string, double> HeldOut() =>
        FlowMatching.HeldOut((x, t, e) => student.Forward(SftHead, x, t, e), text, data, "take", 0);
}
