using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace LongTake;

/// <summary>
/// Checks a recipe's JSON against the record it is for, and says what is wrong where, and what is allowed.
/// </summary>
internal static class RecipeCheck
{
    /// <summary>Every member must be known and of its type. Members may be missing here.</summary>
    /// <exception cref="UserException">Usage: names the source, the member's path, what was given and
    /// allowed.</exception>
    public static void Members(JsonObject node, JsonTypeInfo info, string source, string at = "")
    {
        foreach (var (name, value) in node)
        {
            var path = at.Length == 0 ? name : $"{at}.{name}";
            var property = info.Properties.FirstOrDefault(p => p.Name == name && Given(p))
                ?? throw new UserException($"{source}: unknown member '{path}'; {Instead(name, info)}", usage: true);
            if (property.CustomConverter is not null)
                continue;
            if (value is not null)
                Value(value, Type(info, property.PropertyType), source, path);
            else if (!property.IsSetNullable || NeverNull(property.PropertyType))
                throw Wrong(source, path, value, Type(info, property.PropertyType));
        }
    }

    /// <summary>The type that the member at a path of names has, or null if there is none.</summary>
    public static JsonTypeInfo? Find(JsonTypeInfo info, IEnumerable<string> names)
    {
        JsonTypeInfo? at = info;
        foreach (var name in names)
            at = at switch
            {
                { Kind: JsonTypeInfoKind.Dictionary or JsonTypeInfoKind.Enumerable, ElementType: { } element } => Type(
                    at,
                    element
                ),
                { Kind: JsonTypeInfoKind.Object } when at.Properties.FirstOrDefault(p => p.Name == name) is { } p =>
                    Type(at, p.PropertyType),
                _ => null,
            };
        return at;
    }

    /// <summary>
    /// Puts the defaults that a record's initialisers give where the JSON says nothing. Needed because source-generated
    /// readers pass every init-only member, and so overwrite the initialiser of a missing one with zero or null.
    /// </summary>
    public static void AddDefaults(JsonNode? node, JsonTypeInfo info)
    {
        if (node is JsonArray list && info.ElementType is { } item)
            foreach (var element in list)
                AddDefaults(element, Type(info, item));
        if (node is not JsonObject members)
            return;
        if (info.Kind == JsonTypeInfoKind.Dictionary)
            foreach (var (_, element) in members)
                AddDefaults(element, Type(info, info.ElementType!));
        if (info.Kind != JsonTypeInfoKind.Object)
            return;
        var fresh = info.Type.GetConstructor(System.Type.EmptyTypes)?.Invoke(null);
        foreach (var property in info.Properties)
        {
            if (property.CustomConverter is not null)
                continue;
            var inner = Type(info, property.PropertyType);
            if (
                fresh is not null
                && !members.ContainsKey(property.Name)
                && property is { IsRequired: false, Get: { } get, Set: not null }
                && property.ShouldSerialize?.Invoke(fresh, null) != false
            )
                members[property.Name] = JsonSerializer.SerializeToNode(get(fresh), inner);
            AddDefaults(members[property.Name], inner);
        }
    }

    /// <summary>The members in which two recipes differ, by path, with both values as short texts.</summary>
    public static IEnumerable<(string Path, string Before, string Now)> Differences(
        JsonNode? before,
        JsonNode? now,
        string at = ""
    ) =>
        before is JsonObject a && now is JsonObject b
            ? a.Select(m => m.Key)
                .Union(b.Select(m => m.Key))
                .SelectMany(m => Differences(a[m], b[m], at.Length > 0 ? $"{at}.{m}" : m))
        : JsonNode.DeepEquals(before, now) ? []
        : [(at, Shown(before), Shown(now))];

    private static string Shown(JsonNode? node) =>
        node?.ToJsonString() is not { } text ? "nothing"
        : text.Length > 120 ? text[..120] + "..."
        : text;

    private static void Value(JsonNode node, JsonTypeInfo info, string source, string path)
    {
        var kind = info.PolymorphismOptions is null ? info.Kind : JsonTypeInfoKind.None;
        switch (kind, node)
        {
            case (JsonTypeInfoKind.Object, JsonObject members):
                Members(members, info, source, path);
                break;
            case (JsonTypeInfoKind.Dictionary, JsonObject members):
                foreach (var (key, value) in members)
                    Inside(value, $"{path}.{key}");
                break;
            case (JsonTypeInfoKind.Enumerable, JsonArray list):
                for (var i = 0; i < list.Count; i++)
                    Inside(list[i], $"{path}[{i}]");
                break;
            case (JsonTypeInfoKind.None, _):
                try
                {
                    var value = node.Deserialize(info);
                    // the reader of enums takes "0" and "A, B" too
                    if (!InRange(value) || value is Enum && !IsName(node))
                        throw Wrong(source, path, node, info);
                }
                catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
                {
                    throw Wrong(source, path, node, info);
                }
                break;
            default:
                throw Wrong(source, path, node, info);
        }

        void Inside(JsonNode? element, string at) => Element(element, Type(info, info.ElementType!), source, at);
    }

    /// <summary>An element of a list must be of its type.</summary>
    /// <exception cref="UserException">Usage: names the source and the element's path.</exception>
    public static void Element(JsonNode? element, JsonTypeInfo info, string source, string at)
    {
        if (element is not null)
            Value(element, info, source, at);
        else if (NeverNull(info.Type))
            throw Wrong(source, at, element, info);
    }

    // Counts are never negative; 1e999 is read as infinity.
    private static bool InRange(object? value) =>
        value switch
        {
            int n => n >= 0,
            double d => double.IsFinite(d),
            float f => float.IsFinite(f),
            _ => true,
        };

    private static bool IsName(JsonNode node) =>
        node.GetValueKind() == JsonValueKind.String
        && node.GetValue<string>() is [var first, ..] text
        && char.IsLetter(first)
        && !text.Contains(',');

    // What a record derives from its other members, or ignores, is still listed among its properties.
    private static bool Given(JsonPropertyInfo property) =>
        property.Set is not null || property.AssociatedParameter is not null;

    private static bool NeverNull(Type type) => type.IsValueType && Nullable.GetUnderlyingType(type) is null;

    private static JsonTypeInfo Type(JsonTypeInfo near, Type type) => near.Options.GetTypeInfo(type);

    private static UserException Wrong(string source, string path, JsonNode? given, JsonTypeInfo info)
    {
        var text = given?.ToJsonString() ?? "null";
        if (text.Length > 80)
            text = text[..80] + "...";
        return new($"{source}: {path}: given {text}; allowed is {Allowed(info)}.", usage: true);
    }

    private static string Allowed(JsonTypeInfo info) =>
        info switch
        {
            _ when Nullable.GetUnderlyingType(info.Type) is { } inner => $"{Allowed(Type(info, inner))} or null",
            { Type.IsEnum: true } => "one of "
                + string.Join(
                    ", ",
                    Enum.GetValues(info.Type).Cast<object>().Select(v => JsonSerializer.Serialize(v, info))
                ),
            { Kind: JsonTypeInfoKind.Enumerable, ElementType: { } item } => $"a list, each {Allowed(Type(info, item))}",
            { Kind: JsonTypeInfoKind.Dictionary, ElementType: { } item } =>
                $"an object of any names, each {Allowed(Type(info, item))}",
            { Kind: JsonTypeInfoKind.Object } =>
                $"an object of {string.Join(", ", info.Properties.Where(Given).Select(p => p.Name))}",
            _ => System.Type.GetTypeCode(info.Type) switch
            {
                TypeCode.String => "a text",
                TypeCode.Boolean => "true or false",
                TypeCode.Single or TypeCode.Double or TypeCode.Decimal => "a number",
                TypeCode.Int32 => "a whole number of at least 0",
                >= TypeCode.SByte and <= TypeCode.UInt64 => "a whole number",
                _ => $"a {info.Type.Name}",
            },
        };

    private static string Instead(string name, JsonTypeInfo info)
    {
        var names = info.Properties.Where(Given).Select(p => p.Name).ToList();
        return Suggest.Nearest(name, names) is { } near
            ? $"did you mean '{near}'?"
            : $"allowed are {string.Join(", ", names)}.";
    }
}
