using LongTake.Diffusion;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Settings of distribution matching, whatever makes the videos.</summary>
public abstract record MatchingConfig
{
    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;

    /// <summary>Shift of the noise levels at which teacher and critic are compared.</summary>
    public double MatchingShift { get; init; } = 5;

    /// <summary>How teacher and critic move the video.</summary>
    public Surrogate Surrogate { get; init; } = Surrogate.Dmd;

    /// <summary>Critic updates of an iteration, on the videos that the student made in it.</summary>
    public int CriticUpdates { get; init; } = 2;

    /// <summary>First iterations in which the critic alone learns.</summary>
    public int CriticFirst { get; init; } = 15;
    public OptimiserConfig Critic { get; init; } =
        new()
        {
            Lr = 4e-4,
            Beta1 = 0,
            WarmUp = 30,
            FlatUntil = 0.4,
            EndsAt = 0.2,
        };

    /// <summary>What is wrong, if anything; each sentence begins with the member.</summary>
    public virtual IEnumerable<string> Problems()
    {
        if (CriticUpdates < 1)
            yield return $"criticUpdates {CriticUpdates}: at least 1";
        if (!(Guidance >= 0))
            yield return $"guidance {Guidance}: at least 0; 1 is none";
    }
}

/// <summary>How teacher and critic move the video.</summary>
public enum Surrogate
{
    /// <summary>Distribution matching: by their difference.</summary>
    Dmd,

    /// <summary>Score identity: by a loss that both are differentiated in.</summary>
    Sid,
}

/// <summary>A video that a student made, cut off from its graph, and what it shows.</summary>
internal sealed record Made<T>(Tensor Latents, T Shown);

/// <summary>
/// What teacher and critic see: windows [n, C, L, h, w] with a caption each, and 1 where they carry gradient.
/// </summary>
internal sealed record Samples(Tensor Windows, string[] Captions, Tensor? Mask = null);

/// <summary>
/// Distribution matching of a student's videos, shared by MMM, CausVid and Self-Forcing: a frozen teacher with
/// guidance, and a critic that learns what the student makes. In an iteration the student's videos are pulled toward
/// the teacher and away from the critic (MMM eq. 9); then the critic learns windows of the same videos by flow
/// matching, at levels of its own.
/// </summary>
/// <param name="criticWeights">Take no gradients while the student learns.</param>
internal abstract class Matching<T>(
    MatchingConfig c,
    string negativePrompt,
    TextEncoder text,
    FlowMatching.Velocity teacher,
    FlowMatching.Velocity critic,
    Weights? criticWeights
) : IDisposable
{
    private readonly List<Made<T>> videos = [];

    /// <summary>The text encoder that the teacher learnt with.</summary>
    protected TextEncoder TeacherText { get; } = text;

    /// <summary>Makes a video, with a graph where one is recorded.</summary>
    protected abstract (Tensor Latents, T Shown) Make(Rng random);

    /// <summary>
    /// Cuts windows for the student's update or the critic's out of <paramref name="latents"/>, which are those of
    /// <paramref name="video"/>, with their graph if there is one.
    /// </summary>
    protected abstract Samples Cut(Rng random, Made<T> video, Tensor latents, bool forStudent);

    /// <summary>
    /// Adds the student's gradient of matching a new video. The gap is the critic's distance to the teacher over that
    /// of the video.
    /// </summary>
    protected (double Loss, double Gap) Match(Rng random, double weight)
    {
        var latents = MakeAndKeep(random);
        var x = Cut(random, videos[^1], latents, forStudent: true);
        var (sigma, noise) = Levels(random, x.Windows);
        criticWeights?.Trainable(false); // score identity differentiates the critic, in its input alone
        Tensor Real(Tensor noisy) => Flow.Clean(noisy, Teacher(noisy, sigma, x.Captions), sigma);
        Tensor Fake(Tensor noisy) =>
            Flow.Clean(noisy, critic(noisy, sigma * 1000, TeacherText.Encode(x.Captions)), sigma);
        var (loss, gap) =
            c.Surrogate == Surrogate.Sid
                ? DistributionMatching.ScoreIdentity(x.Windows, noise, sigma, Real, Fake, x.Mask)
                : DistributionMatching.Match(x.Windows, noise, sigma, Real, Fake, x.Mask);
        (loss * weight).Backward();
        criticWeights?.Trainable();
        return (loss.Number(), gap);
    }

    /// <summary>
    /// Adds the gradient of the critic's flow matching on one of the iteration's videos (or on a new one, before the
    /// student moves).
    /// </summary>
    public IReadOnlyDictionary<string, double> Critic(Rng random, double weight)
    {
        Samples x;
        using (torch.no_grad())
        {
            if (videos.Count == 0)
                MakeAndKeep(random);
            var video = videos[videos.Count == 1 ? 0 : random.Int(videos.Count)];
            x = Cut(random, video, video.Latents, forStudent: false);
        }
        var (sigma, noise) = Levels(random, x.Windows);
        var velocity = critic(
            Flow.Noisy(x.Windows, noise, sigma),
            sigma * 1000,
            FlowMatching.Frozen(TeacherText, x.Captions)
        );
        var loss = Flow.Loss(velocity, x.Windows, noise);
        (loss * weight).Backward();
        return new Dictionary<string, double> { ["loss"] = loss.Number() };
    }

    private Tensor MakeAndKeep(Rng random)
    {
        var (latents, shown) = Make(random);
        videos.Add(new(latents.detach().clone().DetachFromDisposeScope(), shown));
        return latents;
    }

    /// <summary>
    /// The teacher's flow-matching loss on windows, without guidance: low where it finds them likely.
    /// </summary>
    protected double TeacherLoss(Rng random, Samples x)
    {
        var (sigma, noise) = Levels(random, x.Windows);
        var noisy = Flow.Noisy(x.Windows, noise, sigma);
        return Flow.Loss(teacher(noisy, sigma * 1000, TeacherText.Encode(x.Captions)), x.Windows, noise).Number();
    }

    private (Tensor Sigma, Tensor Noise) Levels(Rng random, Tensor x)
    {
        float[] levels =
        [
            .. Enumerable.Range(0, (int)x.size(0)).Select(_ => (float)Times.DrawMatching(random, c.MatchingShift)),
        ];
        using var g = new torch.Generator((ulong)random.Seed());
        return (Tensor.From<float>(levels).to(x.device), torch.randn(x.shape, generator: g).to(x.device));
    }

    /// <summary>The teacher's velocity with guidance, away from the negative prompt.</summary>
    private Tensor Teacher(Tensor noisy, Tensor sigma, string[] captions)
    {
        var with = teacher(noisy, sigma * 1000, TeacherText.Encode(captions));
        return c.Guidance == 1
            ? with
            : Flow.Guide(
                with,
                teacher(noisy, sigma * 1000, TeacherText.Encode([.. captions.Select(_ => negativePrompt)])),
                c.Guidance
            );
    }

    /// <summary>Starts an iteration: no video is shared yet, so that a resumed run equals an unbroken one.</summary>
    public virtual void Begin() => Forget();

    private void Forget()
    {
        foreach (var video in videos)
            video.Latents.Dispose();
        videos.Clear();
    }

    public void Dispose() => Forget();
}
