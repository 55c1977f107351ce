using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>Settings of distribution matching of whole clips.</summary>
public abstract record ClipMatchingConfig : MatchingConfig
{
    /// <summary>Clips of an iteration.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Share of clips whose caption also names place and hour.</summary>
    public double LocalCaptions { get; init; } = 0.5;

    public override IEnumerable<string> Problems()
    {
        if (Batch < 1)
            yield return $"batch {Batch}: at least 1";
        foreach (var problem in base.Problems())
            yield return problem;
    }
}

/// <summary>
/// Clips to be made: the items whose captions and size they have, and the captions' features [B, L, textDim].
/// </summary>
public sealed record ClipBatch(IReadOnlyList<LatentItem> Items, Tensor Text);

/// <summary>
/// What CausVid and Self-Forcing share: a causal generator of clips, matched with a teacher and a critic that see whole
/// clips in both directions.
/// </summary>
internal sealed class ClipMatching(
    Stage stage,
    ClipMatchingConfig c,
    TextEncoder text,
    CausalTransformer generator,
    FlowMatching.Velocity teacher,
    FlowMatching.Velocity critic,
    Weights criticWeights,
    ClipMatching.Maker maker
) : Matching<string[]>(c, stage.Config.NegativePrompt, text, teacher, critic, criticWeights)
{
    private readonly SizeBuckets sizes = new(
        stage.Latents.Clips.Count > 0 ? stage.Latents.Clips : stage.Latents.Takes
    );

    /// <summary>Makes clips [B, C, T, h, w] of a batch's captions, with a graph where one is recorded.</summary>
    public delegate Tensor Maker(CausalTransformer generator, Rng random, ClipBatch batch);

    /// <summary>
    /// The method: "generator" and "critic", of which the first is averaged and saved as the model's generator.
    /// </summary>
    public static Method Build(string name, Stage stage, ClipMatchingConfig c, Maker maker)
    {
        var (text, textWeights) = stage.Model.LoadText(stage.Device);
        var (teacher, teacherWeights) = stage.Model.LoadTransformer(ModelFolder.Teacher, ScalarType.BFloat16, stage.Device);
        var (weights, criticWeights) = (
            stage.Start(ModelFolder.Generator, ModelFolder.Teacher),
            stage.Start(ModelFolder.Teacher)
        );
        var generator = new CausalTransformer(weights, stage.Config.Model);
        var critic = new Transformer(criticWeights, stage.Config.Model);
        var session = new ClipMatching(
            stage,
            c,
            text,
            generator,
            teacher.Forward,
            critic.Forward,
            criticWeights,
            maker
        );
        return new Method
        {
            Networks = new Dictionary<string, Weights>
            {
                ["generator"] = weights.Trainable(),
                ["critic"] = criticWeights.Trainable(),
            },
            Averaged = ["generator"],
            Batch = c.Batch,
            Begin = session.Begin,
            Updates =
            [
                new Update(name, [.. weights.All], stage.Optimiser, session.Generator) { From = c.CriticFirst },
                new Update("critic", [.. criticWeights.All], c.Critic, session.Critic) { Times = c.CriticUpdates },
            ],
            Export = (folder, networks) => stage.Save(folder, ModelFolder.Generator, networks["generator"]),
        }
            .AlsoFree(session)
            .AlsoFree(textWeights)
            .AlsoFree(teacherWeights);
    }

    private IReadOnlyDictionary<string, double> Generator(Rng random, double weight)
    {
        var (loss, gap) = Match(random, weight);
        return new Dictionary<string, double> { ["loss"] = loss, ["gap"] = gap };
    }

    protected override (Tensor Latents, string[] Shown) Make(Rng random)
    {
        var next = sizes.Batch();
        var drawn = Enumerable
            .Range(0, c.Batch)
            .Select(_ => (Item: next(random), Local: random.Uniform() < c.LocalCaptions))
            .ToList();
        double? middle = stage.Config.ClipLatents / 2.0;
        string[] captions = [.. drawn.Select(d => FlowMatching.Caption(d.Item, d.Local ? middle : null))];
        ClipBatch batch = new([.. drawn.Select(d => d.Item)], FlowMatching.Frozen(TeacherText, captions));
        return (maker(generator, random, batch), captions);
    }

    protected override Samples Cut(Rng random, Made<string[]> video, Tensor latents, bool forStudent) =>
        new(latents, video.Shown);
}
