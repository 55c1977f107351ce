using System.Text.Json.Nodes;

namespace LongTake.Checkpoints;

/// <summary>
/// Low-rank changes to a transformer, W + strength (alpha / rank) B A, added to the weights while they are read. Names
/// of PEFT (lora_A, lora_B, with or without an adapter's name), kohya (lora_down, lora_up, alpha, dots written as
/// underscores) and ComfyUI (also diff and diff_b, whole differences); under Wan's module names or diffusers'.
/// </summary>
public static class Lora
{
    private static readonly string[] prefixes =
    [
        "base_model.model.",
        "model.diffusion_model.",
        "diffusion_model.",
        "transformer.",
        "unet.",
        "model.",
        "module.",
    ];
    private static readonly string[] kohya = ["lora_unet_", "lora_transformer_", "lycoris_"];

    // What a name ends with, and what that is.
    private static readonly (string End, Role Role)[] ends =
    [
        (".lora_A.weight", Role.Down),
        (".lora_B.weight", Role.Up),
        (".lora_down.weight", Role.Down),
        (".lora_up.weight", Role.Up),
        (".lora.down.weight", Role.Down),
        (".lora.up.weight", Role.Up),
        (".lora_A", Role.Down),
        (".lora_B", Role.Up),
        (".alpha", Role.Alpha),
        (".diff", Role.Weight),
        (".diff_b", Role.Bias),
    ];

    private enum Role
    {
        Down,
        Up,
        Alpha,
        Weight,
        Bias,
    }

    /// <summary>A LoRA as it is named: FILE, or FILE=STRENGTH; 1 where none is given.</summary>
    /// <exception cref="UserException">Usage: the strength is no number.</exception>
    public static (string Path, double Strength) Choice(string text)
    {
        var at = text.LastIndexOf('=');
        if (at < 0 || File.Exists(text))
            return (text, 1);
        return Numbers.TryParse(text[(at + 1)..], out double strength)
            ? (text[..at], strength)
            : throw new UserException(
                $"LoRA {text}: '{text[(at + 1)..]}' is no strength; write FILE or FILE=0.8",
                usage: true
            );
    }

    /// <summary>Whether a name is that of a low-rank factor.</summary>
    public static bool IsFactor(string name) =>
        name.Contains(".lora_A", StringComparison.Ordinal)
        || name.Contains(".lora_down", StringComparison.Ordinal)
        || name.Contains(".lora.down", StringComparison.Ordinal);

    /// <summary>
    /// The part with the changes of <paramref name="path"/> added at <paramref name="strength"/>: computed in float32
    /// when a weight is read, then in the weight's own type. Without an alpha a change counts once (alpha = rank).
    /// </summary>
    /// <exception cref="UserException">No LoRA, of another kind, or for modules or shapes that this model does not
    /// have.</exception>
    public static ModelPart Merge(ModelPart part, string path, double strength, ModelFiles lora)
    {
        var adapter = ModelFiles.Json(
            Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, "adapter_config.json")
        );
        return Merge(
            part,
            [.. lora.Parts.Where(p => p.Kind == PartKind.Lora).SelectMany(p => p.Tensors)],
            strength,
            path,
            Number(adapter, "lora_alpha")
        );
    }

    /// <summary>
    /// Merges a LoRA of tensors; <paramref name="source"/> names them in messages, <paramref name="alpha"/> counts
    /// where they tell none.
    /// </summary>
    /// <exception cref="UserException">As above.</exception>
    public static ModelPart Merge(
        ModelPart part,
        IReadOnlyList<LazyTensor> lora,
        double strength,
        string source,
        double? alpha = null
    )
    {
        var targets = Targets(part);
        var changes = new Dictionary<string, Dictionary<Role, LazyTensor>>(StringComparer.Ordinal);
        var lost = new List<string>();
        foreach (var tensor in lora)
        {
            // PEFT's name of the only adapter
            var name = tensor.Name.Replace(".default.", ".", StringComparison.Ordinal);
            var end = ends.FirstOrDefault(e => name.EndsWith(e.End, StringComparison.Ordinal));
            if (end.End is null)
                throw new UserException(
                    $"{source}: '{tensor.Name}' is no part of a plain LoRA; LoHa, LoKr and DoRA are not read. "
                        + $"Merge it with the tool that made it."
                );
            if (!targets.TryGetValue(Module(name[..^end.End.Length]), out var target))
                lost.Add(tensor.Name);
            else
            {
                if (!changes.TryGetValue(target, out var roles))
                    changes[target] = roles = [];
                if (!roles.TryAdd(end.Role, tensor))
                    throw new UserException($"{source}: changes {target} twice, the second time as '{tensor.Name}'");
            }
        }
        if (lora.Count == 0)
            throw new UserException($"{source}: holds no LoRA");
        if (lost.Count > 0)
            throw new UserException(
                $"{source}: {lost.Count} of its {lora.Count} tensors are for modules that {part.Name} does "
                    + $"not have, {string.Join(", ", lost.Take(3))}. Is it for another model?"
            );
        return part with
        {
            Tensors =
            [
                .. part.Tensors.Select(t =>
                {
                    var (module, kind) =
                        t.Name.LastIndexOf('.') is var dot && dot > 0
                            ? (t.Name[..dot], t.Name[(dot + 1)..])
                            : (t.Name, "");
                    return !changes.TryGetValue(module, out var roles)
                        ? t
                        : kind switch
                        {
                            "weight" => Weight(t, roles, strength, alpha, source),
                            "bias" when roles.TryGetValue(Role.Bias, out var diff) => Added(
                                t,
                                () => diff.Read().to(ScalarType.Float32),
                                strength,
                                source
                            ),
                            _ => t,
                        };
                }),
            ],
        };
    }

    // Every way to write a module's name, to Wan's.
    private static Dictionary<string, string> Targets(ModelPart part)
    {
        var targets = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in part.Shapes.Keys)
        {
            if (name.LastIndexOf('.') is not (> 0 and var dot))
                continue;
            var module = name[..dot];
            foreach (var written in new[] { module, Names.Transformer.ToOther(module) })
                if (written is not null)
                    (targets[written], targets[written.Replace('.', '_')]) = (module, module);
        }
        return targets;
    }

    private static string Module(string name)
    {
        foreach (var prefix in kohya)
            if (name.StartsWith(prefix, StringComparison.Ordinal))
                return name[prefix.Length..];
        while (prefixes.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal)) is { } prefix)
            name = name[prefix.Length..];
        return name;
    }

    private static LazyTensor Weight(
        LazyTensor weight,
        Dictionary<Role, LazyTensor> roles,
        double strength,
        double? alpha,
        string source
    )
    {
        if (roles.TryGetValue(Role.Weight, out var diff))
            weight = Added(weight, () => diff.Read().to(ScalarType.Float32), strength, source);
        var (down, up) = (roles.GetValueOrDefault(Role.Down), roles.GetValueOrDefault(Role.Up));
        if (down is null && up is null)
            return weight;
        if (down is null || up is null)
            throw new UserException($"{source}: one of the two factors for {weight.Name} is missing");
        if (
            down.Shape.Length < 2
            || up.Shape.Length < 2
            || down.Shape[0] != up.Shape[1]
            || down.Shape[0] == 0
            || up.Shape[0] * (down.Count / down.Shape[0]) != weight.Count
        )
            throw new UserException(
                $"{source}: factors [{string.Join(", ", up.Shape)}] and [{string.Join(", ", down.Shape)}] do "
                    + $"not make {weight.Name} of [{string.Join(", ", weight.Shape)}]"
            );
        var rank = down.Shape[0];
        return Added(
            weight,
            () =>
            {
                var scale =
                    (
                        roles.TryGetValue(Role.Alpha, out var own)
                            ? own.Read().to(ScalarType.Float32).reshape(-1)[0].ToDouble()
                            : alpha ?? rank
                    ) / rank;
                return up.Read()
                        .to(ScalarType.Float32)
                        .reshape(-1, rank)
                        .matmul(down.Read().to(ScalarType.Float32).reshape(rank, -1)) * scale;
            },
            strength,
            source
        );
    }

    private static LazyTensor Added(LazyTensor weight, Func<Tensor> change, double strength, string source) =>
        weight with
        {
            Read = () =>
            {
                using var scope = torch.NewDisposeScope();
                using var off = torch.no_grad();
                var delta = change();
                if (delta.numel() != weight.Count)
                    throw new UserException(
                        $"{source}: its change of {weight.Name} has {delta.numel()} elements, the weight {weight.Count}"
                    );
                return (weight.Read().to(ScalarType.Float32) + delta.reshape(weight.Shape) * strength)
                    .to(weight.Dtype)
                    .MoveToOuterDisposeScope();
            },
        };

    private static double? Number(JsonObject? json, string name) =>
        json?[name] is JsonValue v && v.TryGetValue<double>(out var n) ? n : null;
}
