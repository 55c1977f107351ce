using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using LongTake.Training;

namespace LongTake.Evaluation;

/// <summary>Short hashes and names of what results depend on, so that equal work is found again.</summary>
internal static class Fingerprint
{
    public static readonly JsonTypeInfo<StageConfig> Stages =
        (JsonTypeInfo<StageConfig>)TrainJson.Recipe.Options.GetTypeInfo(typeof(StageConfig));

    /// <summary>
    /// A stage's settings that its result depends on, without those that are defaults, so that a new option changes no
    /// old result.
    /// </summary>
    public static string Settings(StageConfig stage)
    {
        var node = (JsonObject)Node(stage with { Name = "" }, Stages);
        var loop = (JsonObject)node["loop"]!;
        foreach (var still in (string[])["logEvery", "validateEvery", "checkpointEvery", "sampleEvery"])
            loop.Remove(still);
        return Sparse(node, Node(new StageConfig { Method = stage.Method }, Stages)).ToJsonString() + stage.Method;
    }

    public static string Text<T>(T value, T defaults, JsonTypeInfo<T> info) =>
        Sparse(Node(value, info), Node(defaults, info)).ToJsonString();

    public static JsonNode Node<T>(T value, JsonTypeInfo<T> info) => JsonSerializer.SerializeToNode(value, info)!;

    public static JsonNode Sparse(JsonNode node, JsonNode defaults)
    {
        if (node is not JsonObject members)
            return node.DeepClone();
        var left = new JsonObject();
        foreach (var (name, value) in members.OrderBy(m => m.Key, StringComparer.Ordinal))
        {
            var same = (defaults as JsonObject)?[name];
            if (value is null || JsonNode.DeepEquals(value, same))
                continue;
            left[name] = Sparse(value, same ?? new JsonObject());
        }
        return left;
    }

    public static string Hash(string text) =>
        Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)))[..12];

    public static string Slug(string name) =>
        string.Join(
            '-',
            string.Concat(name.ToLowerInvariant().Select(ch => char.IsAsciiLetterOrDigit(ch) ? ch : ' '))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
        );
}
