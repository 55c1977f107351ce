using System.Text.Json.Serialization;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>A film to make, as a file.</summary>
public sealed record FilmRecipe
{
    /// <summary>What it is for, in a sentence.</summary>
    public string About { get; init; } = "";

    /// <summary>The model, in any layout.</summary>
    public string From { get; init; } = "models/traveller";

    /// <summary>Sizes of the model, for planning before it is there.</summary>
    public ModelConfig? Model { get; init; }
    public required FilmRequest Film { get; init; }
}

[JsonSerializable(typeof(FilmRecipe))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class FilmJson : JsonSerializerContext;
