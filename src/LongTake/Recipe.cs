using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace LongTake;

/// <summary>
/// Config records as JSON: comments and trailing commas allowed, <c>"extends": "other.json"</c> merges deep over
/// another file, <c>--set a.b=value</c> goes over both. Each source is checked by itself, so that a message names the
/// right one.
/// </summary>
public static class Recipe
{
    private static readonly JsonDocumentOptions Lenient = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
    };

    /// <summary>
    /// Reads a file, what it extends, and the <paramref name="sets"/> ("a.b=value"), later ones winning.
    /// </summary>
    /// <exception cref="UserException">Usage: unreadable file, bad JSON, unknown member, wrong type, circular
    /// extends.</exception>
    public static T Read<T>(string path, IEnumerable<string> sets, JsonTypeInfo<T> info) =>
        Finish(Load(path, info, []), path, sets, info);

    /// <summary>
    /// Reads a recipe from a text, for example an HTTP body; <paramref name="source"/> names it in messages. No
    /// extends.
    /// </summary>
    /// <exception cref="UserException">Usage: as <see cref="Read"/>.</exception>
    public static T Parse<T>(string text, string source, IEnumerable<string> sets, JsonTypeInfo<T> info)
    {
        var node = Object(text, source);
        RecipeCheck.Members(node, info, source);
        return Finish(node, source, sets, info);
    }

    /// <summary>Writes the whole record, defaults included; what is written can be read again.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public static void Write<T>(string path, T recipe, JsonTypeInfo<T> info) => AtomicFile.Write(path, file =>
        {
            var options = new JsonWriterOptions
            {
                Indented = true,
                NewLine = "\n",
                Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            };
            using (var json = new Utf8JsonWriter(file, options))
                JsonSerializer.Serialize(json, recipe, info);
            file.WriteByte((byte)'\n');
        });

    private static T Finish<T>(JsonObject node, string source, IEnumerable<string> sets, JsonTypeInfo<T> info)
    {
        RecipeCheck.AddDefaults(node, info); // a set may change an element of a list that is there by default
        foreach (var set in sets)
            Set(node, set, info);
        RecipeCheck.AddDefaults(node, info);
        try
        {
            return node.Deserialize(info) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new UserException($"{source}: {e.Message}", usage: true, e);
        }
    }

    private static JsonObject Load(string path, JsonTypeInfo info, IReadOnlyList<string> chain)
    {
        var full = Path.GetFullPath(path);
        if (chain.Contains(full))
            throw new UserException(
                $"{path}: extends itself: {string.Join(" -> ", chain.Append(full).Select(Path.GetFileName))}. "
                    + "Take one of these \"extends\" out.",
                usage: true
            );
        var node = Object(Text(path, chain), path);
        node.Remove("extends", out var extends);
        RecipeCheck.Members(node, info, path);
        if (extends is null)
            return node;
        if (extends.GetValueKind() != JsonValueKind.String)
            throw new UserException(
                $"{path}: extends: given {extends.ToJsonString()}; give another recipe's path as a text.",
                usage: true
            );
        // Beside the file, or as the program finds a recipe anywhere.
        var beside = Path.Combine(Path.GetDirectoryName(full)!, extends.GetValue<string>());
        var other = Shipped.Located(extends.GetValue<string>());
        var below = Load(File.Exists(beside) || !File.Exists(other) ? beside : other, info, [.. chain, full]);
        Merge(below, node);
        return below;
    }

    private static string Text(string path, IReadOnlyList<string> chain)
    {
        try
        {
            return TextFile.Read(path);
        }
        catch (UserException e)
        {
            throw new UserException(e.Message, usage: true, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            var by = chain.Count > 0 ? $" (\"extends\" of {chain[^1]})" : "";
            throw new UserException(
                e is FileNotFoundException or DirectoryNotFoundException
                    ? $"{path}: no such file{by}. Give a recipe, for example one from recipes/."
                    : $"{path}: cannot be read{by} ({e.Message}).",
                usage: true,
                e
            );
        }
    }

    private static JsonObject Object(string text, string source)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: Lenient) as JsonObject
                ?? throw new UserException(
                    $"{source}: not a recipe: the file must be one JSON object, {{ ... }}.",
                    usage: true
                );
        }
        catch (JsonException e)
        {
            throw new UserException($"{source}: not valid JSON ({e.Message.TrimEnd('.')}).", usage: true, e);
        }
    }

    /// <summary>
    /// Puts "a.b=value" into a recipe: the value as JSON if it is that and no text is asked for, else as a text. An
    /// element of a list is named by its place from 0 or by its name: stages[0].loop.steps, stages.mmm.loop.steps.
    /// </summary>
    private static void Set(JsonObject node, string set, JsonTypeInfo info)
    {
        var (source, equals) = ($"set {set}", set.IndexOf('='));
        if (equals <= 0)
            throw new UserException($"{source}: give it as name=value, for example train.seed=7.", usage: true);
        string[] names = set[..equals].Replace("[", ".").Replace("]", "").Split('.', StringSplitOptions.TrimEntries);
        var value = Value(set[(equals + 1)..].Trim(), RecipeCheck.Find(info, names)?.Type == typeof(string));
        Put(node, info, names, 0, "", value, source);
    }

    private static void Put(
        JsonObject node,
        JsonTypeInfo info,
        string[] names,
        int from,
        string at,
        JsonNode? value,
        string source
    )
    {
        JsonNode? inner = node;
        for (var i = from; i < names.Length - 1; i++)
        {
            inner = (inner as JsonObject)?[names[i]];
            if (inner is not JsonArray list)
                continue;
            var path = at + string.Join('.', names[from..(i + 1)]);
            var place = Place(list, names[i + 1])
                ?? throw new UserException(
                    $"{source}: {path} has no element '{names[i + 1]}'; it has "
                        + string.Join(", ", list.Select((e, n) => Name(e) is { } name ? $"{n} ({name})" : $"{n}")),
                    usage: true
                );
            var element = RecipeCheck.Find(info, names[from..(i + 2)])!;
            path = $"{path}[{place}]";
            if (i + 2 < names.Length && list[place] is JsonObject old)
                Put(old, element, names, i + 2, path + ".", value, source);
            else
            {
                RecipeCheck.Element(value, element, source, path);
                list[place] = value;
            }
            return;
        }
        for (var i = names.Length - 1; i >= from; i--)
            value = new JsonObject { [names[i]] = value };
        RecipeCheck.Members((JsonObject)value!, info, source, at.TrimEnd('.'));
        Merge(node, (JsonObject)value!);
    }

    private static int? Place(JsonArray list, string name) =>
        Numbers.TryParse(name, out int n)
            ? n >= 0 && n < list.Count
                ? n
                : null
            : list.Index().FirstOrDefault(e => Name(e.Item)?.Equals(name, StringComparison.OrdinalIgnoreCase) == true)
                is { Item: not null } found
                ? found.Index
                : null;

    private static string? Name(JsonNode? element) =>
        element is JsonObject o
        && (o["name"] ?? o["method"]) is JsonValue text
        && text.TryGetValue(out string? name)
        && name.Length > 0
            ? name
            : null;

    private static JsonNode? Value(string text, bool asText)
    {
        if (asText && text is not (['"', ..] or "null"))
            return JsonValue.Create(text);
        try
        {
            return JsonNode.Parse(text, documentOptions: Lenient);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    /// <summary>Objects merge member by member; anything else, lists too, is replaced.</summary>
    internal static void Merge(JsonObject below, JsonObject above)
    {
        foreach (var (name, node) in above)
            if (node is JsonObject inner && below[name] is JsonObject old)
                Merge(old, inner);
            else
                below[name] = node?.DeepClone();
    }
}
