using System.Text.Json.Serialization;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Generation;

/// <summary>A video to make, as a file.</summary>
public sealed record VideoRecipe
{
    /// <summary>What it is for, in a sentence.</summary>
    public string About { get; init; } = "";

    /// <summary>The model, in any layout.</summary>
    public string From { get; init; } = "models/traveller";

    /// <summary>Sizes of the model, for planning before it is there.</summary>
    public ModelConfig? Model { get; init; }
    public required VideoRequest Video { get; init; }
}

[JsonSerializable(typeof(VideoRecipe))]
[JsonSerializable(typeof(ResolvedRequest))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class VideoJson : JsonSerializerContext;
