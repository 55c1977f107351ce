using System.CommandLine;
using System.ComponentModel;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>
/// The options of a video, made from the members of <see cref="VideoRequest"/>: names, types and help. Only what
/// differs from the members' names stands here.
/// </summary>
internal sealed class RequestOptions
{
    private static readonly Dictionary<string, string[]> names = new()
    {
        ["prompt"] = ["--prompt", "-p"],
        ["negativePrompt"] = ["--negative-prompt", "-n"],
        ["frames"] = ["--num-frames"],
        ["steps"] = ["--steps", "--num-inference-steps"],
        ["guidance"] = ["--guidance", "--guidance-scale"],
        ["shift"] = ["--flow-shift", "--shift"],
        ["loras"] = ["--lora"],
    };

    private readonly List<(string Member, Option Option, Func<ParseResult, JsonNode?> Read)> settings = [];
    private readonly Option<string?> size = new("--size")
    {
        Description = "WIDTHxHEIGHT in pixels",
        HelpName = "WIDTHxHEIGHT",
    };

    /// <param name="defaults">Values that the help shows, and that count where an option is not given.</param>
    /// <param name="members">The members that become options; all, when none is named.</param>
    public RequestOptions(VideoRequest? defaults = null, params string[] members)
    {
        foreach (var member in typeof(VideoRequest).GetProperties())
        {
            var name = JsonNamingPolicy.CamelCase.ConvertName(member.Name);
            if (members.Length > 0 && !members.Contains(name))
                continue;
            var value = defaults is null ? null : member.GetValue(defaults);
            var type = Nullable.GetUnderlyingType(member.PropertyType) ?? member.PropertyType;
            settings.Add(
                type.IsEnum
                    ? Choice(name, member, type)
                    : Type.GetTypeCode(type) switch
                    {
                        TypeCode.Boolean => Plain<bool>(name, member, value),
                        TypeCode.Int32 => Plain<int>(name, member, value),
                        TypeCode.Int64 => Plain<long>(name, member, value),
                        TypeCode.Double => Plain<double>(name, member, value),
                        TypeCode.Object => Plain<string[]>(name, member, null),
                        _ => Plain<string>(name, member, value),
                    }
            );
        }
        All = [.. settings.Select(s => s.Option)];
        if (members.Length == 0)
            All.Insert(All.FindIndex(o => o.Name == "--width"), size);
    }

    /// <summary>The options, in the order of the help.</summary>
    public List<Option> All { get; }

    /// <summary>The request: what is given on the command line over <paramref name="below"/>.</summary>
    public VideoRequest Read(ParseResult p, VideoRequest? below)
    {
        var info = VideoJson.Default.VideoRequest;
        var node = JsonSerializer.SerializeToNode(below ?? new VideoRequest { Prompt = "" }, info)!.AsObject();
        foreach (var (member, option, read) in settings)
            if (p.GetResult(option) is { Implicit: false })
            {
                node[member] = read(p);
                // a length on the command line replaces the recipe's, in whichever unit that is
                if (member is "frames" or "seconds" && below is not null)
                    node[member == "frames" ? "seconds" : "frames"] = null;
            }
        if (settings.All(s => s.Member != "width") || p.GetValue(size) is not { } text)
            return node.Deserialize(info)!;
        if (settings.Any(s => s.Member is "width" or "height" && p.GetResult(s.Option) is not null))
            throw new UserException("--size together with --width or --height: give one or the other", usage: true);
        (node["width"], node["height"]) =
            text.Split('x', 'X', '*') is [var w, var h]
            && Numbers.TryParse(w, out int across)
            && Numbers.TryParse(h, out int down)
                ? (across, down)
                : throw new UserException($"--size {text}: WIDTHxHEIGHT, for example 832x480", usage: true);
        return node.Deserialize(info)!;
    }

    /// <summary>Mistakes in a request, each with the option that it was given by.</summary>
    public static string Say(RequestException e, Command verb) =>
        string.Join(
            "; ",
            e.Mistakes.Select(m =>
                (verb.Options.Any(o => o.Name == Names(m.Setting)[0]) ? Names(m.Setting)[0] : m.Setting) + m.Text
            )
        );

    private static string[] Names(string member) => names.GetValueOrDefault(member) ?? [$"--{Kebab(member)}"];

    private static string Kebab(string name) => JsonNamingPolicy.KebabCaseLower.ConvertName(name);

    private static (string, Option, Func<ParseResult, JsonNode?>) Plain<T>(
        string name,
        MemberInfo member,
        object? value
    )
    {
        var option = new Option<T>(Names(name)[0], [.. Names(name)[1..]]) { Description = Help(member) };
        if (value is not null && !value.Equals(default(T)))
            option.DefaultValueFactory = _ => (T)value;
        return (name, option, p => JsonSerializer.SerializeToNode(p.GetValue(option)));
    }

    private static (string, Option, Func<ParseResult, JsonNode?>) Choice(string name, MemberInfo member, Type type)
    {
        var values = Enum.GetNames(type);
        var option = new Option<string>(Names(name)[0])
        {
            Description = Help(member),
            HelpName = Choices.Among(type, values, "|"),
        };
        option.Validators.Add(r =>
        {
            if (r.Tokens is [var t] && Choices.Meant(values, t.Value) is null)
                r.AddError($"{option.Name} {t.Value}: one of {Choices.Among(type, values, ", ")}");
        });
        return (name, option, p => Choices.Meant(values, p.GetValue(option)!));
    }

    private static string Help(MemberInfo member) => member.GetCustomAttribute<DescriptionAttribute>()!.Description;
}
