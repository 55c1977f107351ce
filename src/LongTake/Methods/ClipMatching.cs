using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Settings of distribution matching of whole clips, whatever makes them.</summary>
public abstract record ClipMatchingConfig
{
    /// <summary>Clips of an iteration.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;

    /// <summary>Shift of the noise levels clips are compared at.</summary>
    public double MatchingShift { get; init; } = 5;

    /// <summary>Share of clips whose caption also names place and hour.</summary>
    public double LocalCaptions { get; init; } = 0.5;

    /// <summary>
    /// Critic updates of an iteration; the first of them learn the clips that the generator was judged on.
    /// </summary>
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

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (Batch < 1)
            yield return $"batch {Batch}: at least 1";
        if (CriticUpdates < 1)
            yield return $"criticUpdates {CriticUpdates}: at least 1";
        if (!(Guidance >= 0))
            yield return $"guidance {Guidance}: at least 0; 1 is none";
    }
}

/// <summary>
/// Clips to be made: the items whose captions and size they have, and the captions' features [B, L, textDim].
/// </summary>
public sealed record ClipBatch(IReadOnlyList<LatentItem> Items, Tensor Text);

/// <summary>
/// What asymmetric distribution matching is whatever makes the clips: a causal generator, a frozen teacher and a
/// learned critic that both see whole clips in both directions. An iteration: the generator's clips are pulled toward
/// the teacher and away from the critic; then the critic learns the same clips at levels of its own.
/// </summary>
internal sealed class ClipMatching
{
    /// <summary>Makes clips [B, C, T, h, w] of a batch's captions, with a graph where one is recorded.</summary>
    public delegate Tensor Make(CausalTransformer generator, Rng random, ClipBatch batch);

    private readonly ClipMatchingConfig c;
    private readonly SizeBuckets sizes;
    private readonly int length;
    private readonly string negative;
    private readonly TextEncoder text;
    private readonly CausalTransformer generator;
    private readonly Transformer teacher,
        critic;
    private readonly Make make;
    private readonly TensorStore made = new();
    private string[] captions = [];

    private ClipMatching(
        Stage stage,
        ClipMatchingConfig c,
        TextEncoder text,
        Weights generator,
        Transformer teacher,
        Weights critic,
        Make make
    )
    {
        (this.c, this.text, this.teacher, this.make) = (c, text, teacher, make);
        sizes = new(stage.Latents.Clips.Count > 0 ? stage.Latents.Clips : stage.Latents.Takes);
        (length, negative) = (stage.Config.ClipLatents, stage.Config.NegativePrompt);
        (this.generator, this.critic) = (
            new CausalTransformer(generator, stage.Config.Model),
            new Transformer(critic, stage.Config.Model)
        );
    }

    /// <summary>
    /// The method: "generator" and "critic", of which the first is averaged and saved as the model's generator.
    /// </summary>
    public static Method Build(string name, Stage stage, ClipMatchingConfig c, Make make)
    {
        var (text, textWeights) = stage.Model.LoadText(stage.Device);
        var (teacher, teacherWeights) = stage.Model.LoadTransformer(
            ModelFolder.Teacher,
            ScalarType.BFloat16,
            stage.Device
        );
        var (generator, critic) = (
            stage.Start(ModelFolder.Generator, ModelFolder.Teacher),
            stage.Start(ModelFolder.Teacher)
        );
        var session = new ClipMatching(stage, c, text, generator, teacher, critic, make);
        return new Method
        {
            Networks = new Dictionary<string, Weights>
            {
                ["generator"] = generator.Trainable(),
                ["critic"] = critic.Trainable(),
            },
            Averaged = ["generator"],
            Batch = c.Batch,
            Begin = session.made.Dispose,
            Updates =
            [
                new Update(name, [.. generator.All], stage.Optimiser, session.Generator) { From = c.CriticFirst },
                new Update("critic", [.. critic.All], c.Critic, session.Critic) { Times = c.CriticUpdates },
            ],
            Export = (folder, networks) => stage.Save(folder, ModelFolder.Generator, networks["generator"]),
        }
            .AlsoFree(session.made)
            .AlsoFree(textWeights)
            .AlsoFree(teacherWeights);
    }

    private IReadOnlyDictionary<string, double> Generator(Rng random, double weight)
    {
        var x = Clips(random);
        var (noise, sigma) = Levels(random, x);
        var (loss, gap) = DistributionMatching.Match(
            x,
            noise,
            sigma,
            noisy => Flow.Clean(noisy, Teacher(noisy, sigma * 1000), sigma),
            noisy => Flow.Clean(noisy, critic.Forward(noisy, sigma * 1000, text.Encode(captions)), sigma)
        );
        (loss * weight).Backward();
        return new Dictionary<string, double> { ["loss"] = loss.Number(), ["gap"] = gap };
    }

    private IReadOnlyDictionary<string, double> Critic(Rng random, double weight)
    {
        if (made["clips"] is null)
            using (torch.no_grad())
                Clips(random);
        var x = made["clips"]!;
        var (noise, sigma) = Levels(random, x);
        var loss = Flow.Loss(
            critic.Forward(Flow.Noisy(x, noise, sigma), sigma * 1000, FlowMatching.Frozen(text, captions)),
            x,
            noise
        );
        (loss * weight).Backward();
        return new Dictionary<string, double> { ["loss"] = loss.Number() };
    }

    /// <summary>Clips of drawn captions; the critic's updates of this iteration find them again.</summary>
    private Tensor Clips(Rng random)
    {
        var next = sizes.Batch();
        var drawn = Enumerable
            .Range(0, c.Batch)
            .Select(_ => (Item: next(random), Local: random.Uniform() < c.LocalCaptions))
            .ToList();
        captions = [.. drawn.Select(d => FlowMatching.Caption(d.Item, d.Local ? length / 2.0 : null))];
        var x = make(generator, random, new([.. drawn.Select(d => d.Item)], FlowMatching.Frozen(text, captions)));
        using (torch.no_grad())
            made["clips"] = x.detach().clone();
        return x;
    }

    private (Tensor Noise, Tensor Sigma) Levels(Rng random, Tensor x)
    {
        var levels = Enumerable
            .Range(0, c.Batch)
            .Select(_ => (float)Times.DrawMatching(random, c.MatchingShift))
            .ToArray();
        using var g = new torch.Generator((ulong)random.Seed());
        return (torch.randn(x.shape, generator: g).to(x.device), Tensor.From<float>(levels).to(x.device));
    }

    private Tensor Teacher(Tensor noisy, Tensor timesteps)
    {
        var with = teacher.Forward(noisy, timesteps, text.Encode(captions));
        return c.Guidance == 1
            ? with
            : Flow.Guide(
                with,
                teacher.Forward(noisy, timesteps, text.Encode([.. captions.Select(_ => negative)])),
                c.Guidance
            );
    }
}
