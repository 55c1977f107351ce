using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Where the film that windows are cut from comes from.</summary>
public enum RollOut
{
    /// <summary>Backward simulation by the DM head itself, stopped at a random step.</summary>
    OnPolicy,
    /// <summary>A real take, noised to a random level of the few-step list, and one forward.</summary>
    NoisedReal,
}

/// <summary>How the first latent of a window inside the film is made.</summary>
public enum Boundary
{
    /// <summary>Decoded to pixels and encoded again as an image latent.</summary>
    Reencode,
    /// <summary>Left as it is (an ablation).</summary>
    Raw,
}

/// <summary>Settings of Mode Seeking meets Mean Seeking.</summary>
public sealed record MmmConfig
{
    /// <summary>Weight of the flow-matching loss on real takes (FM head). 0 is the ablation without SFT.</summary>
    public double SftWeight { get; init; } = 1;
    /// <summary>Weight of the distribution-matching loss (DM head).</summary>
    public double DmWeight { get; init; } = 1;
    /// <summary>Weight of the flow-matching loss on the DM head too. 0 is the paper.</summary>
    public double Anchor { get; init; }
    /// <summary>Both losses on one head: the ablation without dual heads.</summary>
    public bool SingleHead { get; init; }
    public RollOut RollOut { get; init; } = RollOut.OnPolicy;
    public Boundary Boundary { get; init; } = Boundary.Reencode;
    /// <summary>Windows of a roll-out that the student is judged on.</summary>
    public int Windows { get; init; } = 6;
    /// <summary>Windows of a critic update, drawn anew from the same roll-out.</summary>
    public int CriticWindows { get; init; } = 6;
    /// <summary>Critic updates of an iteration.</summary>
    public int CriticUpdates { get; init; } = 2;
    /// <summary>First iterations in which the critic alone learns.</summary>
    public int CriticFirst { get; init; } = 15;
    /// <summary>Probability that a window starts at the film's first latent.</summary>
    public double FirstWindow { get; init; } = 0.1;
    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;
    /// <summary>Shift of the noise levels the windows are compared at.</summary>
    public double MatchingShift { get; init; } = 2;
    /// <summary>Shift of the flow-matching levels.</summary>
    public double SftShift { get; init; } = 3;
    /// <summary>Teacher and critic are told the place and hour of each window, from the take whose caption the film has.</summary>
    public bool LocalCaptions { get; init; }
    public OptimiserConfig Critic { get; init; } = new() { Lr = 4e-4, Beta1 = 0, WarmUp = 30, FlatUntil = 0.4, EndsAt = 0.2 };
}

/// <summary>
/// Mode Seeking meets Mean Seeking (arXiv 2602.24289). Each iteration: real takes pull encoder and FM head by flow matching
/// (eq. 14); a roll-out of the DM head, window by window, is pulled toward the frozen short teacher and away from the learned
/// critic (eq. 9), which moves encoder and DM head; then the critic learns the roll-out's windows.
/// </summary>
public static class Mmm
{
    /// <summary>The method. The student starts from <paramref name="student"/>; the critic from the teacher.</summary>
    public static Method Build(ModelFolder from, MmmConfig c, OptimiserConfig optimiser, LatentSet data, Weights student, Weights critic,
        Action<string, IReadOnlyDictionary<string, Weights>> export)
    {
        var model = from.Config;
        if (data.Takes.Count == 0) throw new UserException($"{data.Folder}: no takes to train on; a take is a single shot of at least 10 s");
        var (text, textWeights) = from.LoadText();
        var (teacher, teacherWeights) = from.LoadWan(ModelFolder.Teacher, Dtype.BF16);
        var (vae, vaeWeights) = from.LoadVae();
        var network = new DecoupledTransformer(student, model.Wan, model.HeadBlocks);
        var fake = new WanTransformer(critic, model.Wan);
        foreach (var w in (Weights[])[student, critic]) w.Trainable();
        var session = new MmmSession(model, c, data, text, vae, network, teacher.Forward, fake.Forward);
        var trained = student.All.Where(p => !c.SingleHead || !p.Key.StartsWith("fm_head.", StringComparison.Ordinal)).ToList();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["student"] = student, ["critic"] = critic },
            Averaged = ["student"],
            Begin = session.Forget,
            Updates =
            [
                new Update("student", trained, optimiser, (random, weight) => session.Student(random, weight, trained)) { From = c.CriticFirst },
                new Update("critic", [.. critic.All], c.Critic, session.Critic) { Times = c.DmWeight > 0 ? c.CriticUpdates : 0 },
            ],
            Validate = () => FlowMatching.HeldOut((x, t, e) => network.Forward(session.SftHead, x, t, e), text, data, "take", 0, c.SftShift),
            Export = export,
            Release = () =>
            {
                session.Dispose();
                foreach (var w in (Weights[])[textWeights, teacherWeights, vaeWeights]) w.Dispose();
                text.Dispose();
            },
        };
    }
}

/// <summary>The losses of one MMM iteration; what the updates of an iteration share is the roll-out.</summary>
internal sealed class MmmSession(
    ModelConfig model, MmmConfig c, LatentSet data, TextEncoder text, WanVae vae, DecoupledTransformer student,
    FlowMatching.Velocity teacher, FlowMatching.Velocity critic) : IDisposable
{
    private Film? shared;

    /// <summary>A rolled-out film: latents cut off from the graph, its pixels, and the take whose captions it has.</summary>
    private sealed record Film(Tensor Latents, Tensor Pixels, LatentItem Take, int ExitStep);

    public Head SftHead => c.SingleHead ? Head.DistributionMatching : Head.FlowMatching;

    /// <summary>Adds the gradients of both losses to the student; logs their norms on the encoder, their cosine, and the gap per exit step.</summary>
    public IReadOnlyDictionary<string, double> Student(Rng random, double weight, IReadOnlyList<KeyValuePair<string, Tensor>> parameters)
    {
        var take = data.Takes[random.Int(data.Takes.Count)];
        var (fm, anchor) = MeanSeeking(random, weight, take);
        var encoder = parameters.Where(p => DecoupledTransformer.IsEncoder(p.Key)).Select(p => p.Value).ToList();
        using var scope = new Scope();
        var before = encoder.Select(p => p.Grad?.Clone()).ToList();
        var log = ModeSeeking(random, weight, take);
        log["fm"] = fm;
        if (c.Anchor > 0) log["anchor"] = anchor;
        foreach (var (name, value) in Compare(before, encoder)) log[name] = value;
        return new Dictionary<string, double> { ["loss"] = c.SftWeight * fm + c.DmWeight * log["dm"] }.Concat(log).ToDictionary();
    }

    /// <summary>Mean seeking: flow matching on a real take, on the FM head, and on the DM head by the anchor's weight.</summary>
    private (double Fm, double Anchor) MeanSeeking(Rng random, double weight, LatentItem take)
    {
        using var scope = new Scope();
        if (c.SftWeight == 0 && c.Anchor == 0) return (0, 0);
        var (x0, e) = (data.Latents(take), FlowMatching.Frozen(text, take.Caption));
        using var g = new Generator(random.Seed());
        var (sigma, noise) = (Tensor.From<float>([(float)Times.DrawFlow(random, c.SftShift)]), Randn(x0.Shape, g));
        var (xt, t) = (Flow.Noisy(x0, noise, sigma), sigma * 1000);
        var state = student.Encode(xt, t, e);
        var fm = Flow.Loss(student.Decode(SftHead, state, xt, t), x0, noise);
        if (c.Anchor == 0)
        {
            (fm * (weight * c.SftWeight)).Backward();
            return (fm.Scalar(), 0);
        }
        var anchor = Flow.Loss(student.Decode(Head.DistributionMatching, state, xt, t), x0, noise);
        (fm * (weight * c.SftWeight) + anchor * (weight * c.Anchor)).Backward();
        return (fm.Scalar(), anchor.Scalar());
    }

    /// <summary>Mode seeking: the DM head's film, window by window, against teacher and critic.</summary>
    private Dictionary<string, double> ModeSeeking(Rng random, double weight, LatentItem take)
    {
        if (c.DmWeight == 0) return new() { ["dm"] = 0 };
        var film = Roll(random, take, graph: true, out var exit);
        Share(film, take, exit);
        var (windows, starts, captions) = Cut(random, film, take, c.Windows);
        Tensor gradient, normaliser;
        double gap;
        using (GradMode.Off())
        {
            var (noisy, sigma, _) = Noised(random, windows.Detach());
            var real = Flow.Clean(noisy, Teacher(noisy, sigma, captions), sigma);
            var fake = Flow.Clean(noisy, critic(noisy, sigma * 1000, text.Encode(captions)), sigma);
            gradient = DistributionMatching.Gradient(windows.Detach(), real, fake);
            normaliser = DistributionMatching.Normaliser(windows.Detach(), real);
            gap = (Mean(Abs(fake - real)) / Mean(normaliser)).Scalar();
        }
        var loss = DistributionMatching.Surrogate(windows, gradient, Windows.Mask(starts, (int)windows.Size(2)));
        (loss * (weight * c.DmWeight)).Backward();
        return new() { ["dm"] = loss.Scalar(), [$"gap {exit}"] = gap };
    }

    /// <summary>Adds the gradient of the critic's flow matching on windows of the iteration's film (or of a new one, before the student moves).</summary>
    public IReadOnlyDictionary<string, double> Critic(Rng random, double weight)
    {
        if (shared is null) RollForCritic(random);
        var film = shared!;
        Tensor windows;
        string[] captions;
        using (GradMode.Off()) (windows, _, captions) = Cut(random, film.Latents, film.Take, c.CriticWindows);
        var (noisy, sigma, noise) = Noised(random, windows);
        var loss = Flow.Loss(critic(noisy, sigma * 1000, FlowMatching.Frozen(text, captions)), windows, noise);
        (loss * weight).Backward();
        return new Dictionary<string, double> { ["loss"] = loss.Scalar() };
    }

    private void RollForCritic(Rng random)
    {
        using var off = GradMode.Off();
        var take = data.Takes[random.Int(data.Takes.Count)];
        Share(Roll(random, take, graph: false, out var exit), take, exit);
    }

    /// <summary>A film of the DM head, as long as the take whose caption it has; only the exit step has a graph (method family 1 or 2).</summary>
    private Tensor Roll(Rng random, LatentItem take, bool graph, out int exit)
    {
        var steps = model.FewSteps;
        exit = random.Int(steps.Length);
        using var g = new Generator(random.Seed());
        var e = FlowMatching.Frozen(text, take.Caption);
        Tensor Noise() => Randn(model.LatentShape(take.Latents), g);
        Tensor Clean(Tensor x, double t) => x - student.Forward(Head.DistributionMatching, x, Full([1], t), e) * (t / 1000);
        Tensor At(Tensor clean, double t) => clean * (1 - t / 1000) + Noise() * (t / 1000);
        Tensor x;
        using (GradMode.Off())
        {
            if (c.RollOut == RollOut.NoisedReal) x = At(data.Latents(take), steps[exit]);
            else
            {
                x = Noise();
                for (var i = 0; i < exit; i++)
                {
                    using var scope = new Scope();
                    x = scope.Keep(At(Clean(x, steps[i]), steps[i + 1]));
                }
            }
        }
        using var mode = graph ? GradMode.On() : GradMode.Off();
        return Clean(x, steps[exit]);
    }

    /// <summary>Remembers a film for the windows of this iteration, with its pixels when boundaries are re-encoded.</summary>
    private void Share(Tensor film, LatentItem take, int exit)
    {
        Forget();
        using var off = GradMode.Off();
        using var scope = new Scope();
        var latents = film.Detach().Clone().Unscoped();
        var pixels = (c.Boundary == Boundary.Reencode ? vae.Decode(latents, chunk: 0) : Zeros([1])).Unscoped();
        shared = new Film(latents, pixels, take, exit);
    }

    /// <summary>Windows [n, C, L, h, w] of a film with their starts and captions; gradients flow to the film but for re-made first latents.</summary>
    private (Tensor Windows, int[] Starts, string[] Captions) Cut(Rng random, Tensor film, LatentItem take, int count)
    {
        var (total, length) = ((int)film.Size(2), Math.Min(model.ClipLatents, (int)film.Size(2)));
        var starts = Enumerable.Range(0, count).Select(_ => Windows.DrawStart(random, total, length, c.FirstWindow)).ToArray();
        var parts = starts.Select(s => Windows.Crop(film, s, length, s == 0 ? null : First(film, s))).ToArray();
        return (Cat(parts), starts, [.. starts.Select(s => FlowMatching.Caption(take, c.LocalCaptions ? s + length / 2.0 : null))]);
    }

    private Tensor First(Tensor film, int start)
    {
        if (c.Boundary == Boundary.Raw) return Narrow(film, 2, start, 1).Detach();
        return vae.ImageLatents(shared!.Pixels, start);
    }

    private (Tensor Noisy, Tensor Sigma, Tensor Noise) Noised(Rng random, Tensor windows)
    {
        var levels = Enumerable.Range(0, (int)windows.Size(0)).Select(_ => (float)Times.DrawMatching(random, c.MatchingShift)).ToArray();
        using var g = new Generator(random.Seed());
        var (sigma, noise) = (Tensor.From<float>(levels), Randn(windows.Shape, g));
        return (Flow.Noisy(windows, noise, sigma), sigma, noise);
    }

    /// <summary>The teacher's velocity with guidance.</summary>
    private Tensor Teacher(Tensor noisy, Tensor sigma, string[] captions)
    {
        var with = teacher(noisy, sigma * 1000, text.Encode(captions));
        return c.Guidance == 1 ? with
            : Flow.Guide(with, teacher(noisy, sigma * 1000, text.Encode([.. captions.Select(_ => "")])), c.Guidance);
    }

    /// <summary>Norms of the two losses' gradients on the encoder and the cosine between them.</summary>
    private static IEnumerable<(string, double)> Compare(List<Tensor?> before, List<Tensor> encoder)
    {
        using var scope = new Scope();
        double sft = 0, dm = 0, both = 0;
        for (var i = 0; i < encoder.Count; i++)
        {
            if (encoder[i].Grad is not { } total) continue;
            if (before[i] is not { } a) { dm += Sum(Square(total)).Scalar(); continue; }
            var b = total - a;
            sft += Sum(Square(a)).Scalar();
            dm += Sum(Square(b)).Scalar();
            both += Sum(a * b).Scalar();
        }
        yield return ("encoder |fm|", Math.Sqrt(sft));
        yield return ("encoder |dm|", Math.Sqrt(dm));
        yield return ("encoder cosine", sft > 0 && dm > 0 ? both / Math.Sqrt(sft * dm) : 0);
    }

    /// <summary>Starts an iteration: no film is shared yet, so that a resumed run equals an unbroken one.</summary>
    public void Forget()
    {
        shared?.Latents.Free();
        shared?.Pixels.Free();
        shared = null;
    }

    public void Dispose() => Forget();
}
