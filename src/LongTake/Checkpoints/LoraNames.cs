using System.Text.RegularExpressions;

namespace LongTake.Checkpoints;

/// <summary>What a tensor of a LoRA changes of its module, and how.</summary>
internal enum LoraRole
{
    /// <summary>The factor A, and B, of a change of the weight.</summary>
    Down,
    Up,

    /// <summary>The number that divided by the rank is the change's strength.</summary>
    Alpha,

    /// <summary>A bias that goes with B.</summary>
    UpBias,

    /// <summary>Whole differences of the weight, the bias and the modulation.</summary>
    Weight,
    Bias,
    Modulation,
}

/// <summary>
/// The names in LoRA files, brought into one form. Trainers write a module with dots, underscores, some of each, and
/// prefixes of their own; PEFT puts an adapter's name between the factor's and "weight".
/// </summary>
internal static partial class LoraNames
{
    private static readonly (string End, LoraRole Role)[] ends =
    [
        (".alpha", LoraRole.Alpha),
        (".diff", LoraRole.Weight),
        (".diff_b", LoraRole.Bias),
        (".diff_m", LoraRole.Modulation),
        (".w_norm", LoraRole.Weight),
        (".b_norm", LoraRole.Bias),
    ];

    // As Key writes them.
    private static readonly string[] prefixes =
    [
        "lora_unet_",
        "lora_transformer_",
        "lycoris_",
        "base_model_model_",
        "diffusion_model_",
        "transformer_",
        "unet_",
        "pipe_",
        "dit_",
        "generator_",
        "model_",
        "module_",
    ];

    private static readonly (string Inside, string Kind)[] others =
    [
        (".hada_", "LoHa"),
        (".lokr_", "LoKr"),
        (".dora_scale", "DoRA"),
        (".lora_magnitude_vector", "DoRA"),
        (".oft_", "OFT"),
        (".boft_", "BOFT"),
        (".lora_mid.", "LoCon with a core between its factors"),
        (".lora_E", "AdaLoRA"),
        (".vera_lambda_", "VeRA"),
        (".lora_embedding_", "a LoRA of an embedding table"),
        (".reshape_weight", "a LoRA that changes shapes of weights"),
        (".set_weight", "a file of whole weights in place of changes"),
        (".modules_to_save.", "a LoRA with whole weights beside its changes"),
    ];

    /// <summary>Whether a tensor of this name makes its file a file of changes.</summary>
    public static bool IsChange(string name) =>
        Read(name) is { Role: not LoraRole.Alpha } && !name.EndsWith("_norm", StringComparison.Ordinal)
        || Other(name) is not null;

    /// <summary>The kind of adapter a name belongs to, of those that are not read; null for all others.</summary>
    public static string? Other(string name) =>
        others.Where(o => name.Contains(o.Inside, StringComparison.Ordinal)).Select(o => o.Kind).FirstOrDefault();

    /// <summary>A name taken apart; null when it is none of a LoRA's.</summary>
    public static (string Module, LoraRole Role, string Adapter)? Read(string name)
    {
        if (Factor().Match(name) is { Success: true } m)
            return (
                m.Groups["module"].Value,
                !m.Groups["up"].Success ? LoraRole.Down
                : m.Groups["bias"].Success ? LoraRole.UpBias
                : LoraRole.Up,
                m.Groups["adapter"].Value
            );
        foreach (var (end, role) in ends)
            if (name.EndsWith(end, StringComparison.Ordinal))
                return (name[..^end.Length], role, "");
        return null;
    }

    /// <summary>A module's name in the form in which all ways to write it agree.</summary>
    public static string Key(string module) => Separators().Replace(Names.Bare(module), "_").Trim('_');

    /// <summary>The module that a name in a file means; null when the model has none.</summary>
    public static string? Find(string module, IReadOnlyDictionary<string, string> modules)
    {
        var key = Key(module);
        string? found;
        while (
            !modules.TryGetValue(key, out found)
            && prefixes.FirstOrDefault(p => key.StartsWith(p, StringComparison.Ordinal)) is { } prefix
        )
            key = key[prefix.Length..];
        return found;
    }

    /// <summary>The modules of a part by their <see cref="Key"/>, under Wan's names and diffusers'.</summary>
    public static Dictionary<string, string> Modules(ModelPart part)
    {
        var modules = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in part.Shapes.Keys)
        {
            // A parameter that is neither weight nor bias is also meant by its own name.
            foreach (var module in new[] { name[..Math.Max(0, name.LastIndexOf('.'))], name })
            foreach (var written in new[] { module, Names.Transformer.ToOther(module) })
                if (written is { Length: > 0 })
                    modules.TryAdd(Key(written), module);
        }
        return modules;
    }

    private const string Factors =
        @"(?:lora_A|lora_down|lora\.down|(?<up>lora_B|lora_up|lora\.up))(?:\.(?<adapter>.+?))??";

    [GeneratedRegex(@"^(?<module>.+?)\." + Factors + @"(?:\.weight|(?<bias>\.bias))?$")]
    private static partial Regex Factor();

    [GeneratedRegex("[._]+")]
    private static partial Regex Separators();
}
