using System.Text.Json.Serialization;
using LongTake.Generation;

namespace LongTake.Takes;

/// <summary>
/// What <c>take.json</c> says: which model made a take, every operation on it in order, and its branches. The latents
/// themselves lie beside it, in files named by their hash.
/// </summary>
public sealed record TakeDocument
{
    /// <summary>The format that this program writes, and the only one that it reads.</summary>
    public const int CurrentFormat = 1;

    public int Format { get; init; } = CurrentFormat;
    public required TakeModel Model { get; init; }
    public required int Width { get; init; }
    public required int Height { get; init; }
    public required double Fps { get; init; }

    /// <summary>Pictures of every latent but the first.</summary>
    public required int TemporalStride { get; init; }

    /// <summary>The branch that operations go on with.</summary>
    public required string Branch { get; init; }
    public required IReadOnlyList<TakeBranch> Branches { get; init; }

    /// <summary>The log: operation n is entry n - 1.</summary>
    public IReadOnlyList<TakeOperation> Operations { get; init; } = [];

    /// <summary>The branch of a name; without one, the current branch.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public TakeBranch BranchNamed(string? name) =>
        Branches.FirstOrDefault(b => b.Name == (name ?? Branch))
        ?? throw new UserException(
            $"no branch '{name}'; the take has {string.Join(", ", Branches.Select(b => b.Name))}",
            usage: true
        );

    /// <summary>An operation by its number; null for 0, before the first.</summary>
    public TakeOperation? Operation(int id) => id == 0 ? null : Operations[id - 1];

    /// <summary>The operations that lead to one, the first of them first.</summary>
    public IReadOnlyList<TakeOperation> LeadingTo(int id)
    {
        var chain = new List<TakeOperation>();
        for (var at = Operation(id); at is not null; at = Operation(at.After))
            chain.Add(at);
        chain.Reverse();
        return chain;
    }

    /// <summary>Frames of so many latents.</summary>
    public int Frames(int latents) => latents == 0 ? 0 : 1 + (latents - 1) * TemporalStride;

    /// <summary>Seconds that so many latents take.</summary>
    public double Seconds(int latents) => Frames(latents) / Fps;
}

/// <summary>The model of a take: what it is called, and the hashes by which it is known again.</summary>
public sealed record TakeModel(string Name, string Part, string Weights, string Autoencoder);

/// <summary>
/// A line of operations under a name; <paramref name="Operation"/> is its last one, 0 before the first.
/// </summary>
public sealed record TakeBranch(string Name, string? Parent, int Operation);

/// <summary>What an operation does.</summary>
public enum OperationKind
{
    Generate,
    Extend,
    Remake,
}

/// <summary>One operation: everything that the bytes of its latents depend on, and what came of it.</summary>
public sealed record TakeOperation
{
    public required int Id { get; init; }

    /// <summary>The operation that it works on; 0 for none.</summary>
    public required int After { get; init; }
    public required OperationKind Kind { get; init; }

    /// <summary>The first latent it makes, and the one after the last.</summary>
    public required int From { get; init; }
    public required int To { get; init; }

    /// <summary>Prompts, in seconds of the take.</summary>
    public required IReadOnlyList<PromptSpan> Prompts { get; init; }
    public required long Seed { get; init; }
    public required TakeSettings Settings { get; init; }

    /// <summary>The picture or clip that the take starts with.</summary>
    public TakeStart? Start { get; init; }

    /// <summary>What it made, in order.</summary>
    public IReadOnlyList<TakeSegment> Segments { get; init; } = [];

    /// <summary>Measures of the seconds that it made.</summary>
    public IReadOnlyList<SecondMeasure> Seconds { get; init; } = [];
}

/// <summary>How latents are sampled.</summary>
public sealed record TakeSettings
{
    public required Network Network { get; init; }
    public required Sampler Sampler { get; init; }
    public required int Steps { get; init; }
    public required IReadOnlyList<double> Timesteps { get; init; }
    public required double Shift { get; init; }
    public required double Guidance { get; init; }
    public string NegativePrompt { get; init; } = "";
    public int FmSteps { get; init; }
    public bool Int8 { get; init; }
    public IReadOnlyList<string> Loras { get; init; } = [];
    public string? Image { get; init; }
    public int Tile { get; init; }

    /// <summary>Known latents that a new window begins with.</summary>
    public required int Hold { get; init; }

    /// <summary>Latents of the transition next to known ones.</summary>
    public required int Fade { get; init; }

    /// <summary>The element type and the kind of device it was computed in: other ones give other last bits.</summary>
    public required string Computed { get; init; }
}

/// <summary>What a take starts with: a file, its hash, and the latents it was encoded to.</summary>
public sealed record TakeStart(string Name, string Sha256, int Latents);

/// <summary>
/// Latents <paramref name="From"/> and on, <paramref name="Latents"/> of them, in the file of a hash; the window they
/// were made in begins at latent <paramref name="Window"/>.
/// </summary>
public sealed record TakeSegment(int From, int Latents, int Window, string Sha256);

/// <summary>
/// Measures of a second of a video: brightness and colourfulness (0 to 255), energy of the edges, and change from frame
/// to frame.
/// </summary>
public sealed record SecondMeasure(int Second, double Luma, double Colour, double Sharpness, double Motion);

[JsonSerializable(typeof(TakeDocument))]
[JsonSerializable(typeof(TakeOperation))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    NewLine = "\n",
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true
)]
internal sealed partial class TakeJson : JsonSerializerContext;
