using System.Text.Json;
using System.Text.Json.Nodes;

namespace LongTake.Checkpoints;

/// <summary>
/// Low-rank changes to a transformer, W + strength (alpha / rank) B A, and whole differences of weights, biases and
/// modulations, added to the weights while they are read. Names of PEFT, kohya, ComfyUI, LyCORIS and diffusers, under
/// Wan's module names or diffusers' (<see cref="LoraNames"/>).
/// </summary>
public static class Lora
{
    /// <summary>How strong the changes of a file are where their tensors do not tell.</summary>
    private sealed record Scaling(double? Alpha, bool BySquareRoot);

    /// <summary>Why a part of changes is not read; null when it is.</summary>
    internal static string? NotRead(ModelPart part)
    {
        foreach (var tensor in part.Tensors)
            if (LoraNames.Other(tensor.Name) is { } kind)
                return $"{part.Name} is {kind} ({tensor.Name}), which is not read; merge it with the tool that made it";
        return null;
    }

    /// <summary>A LoRA as it is named: FILE, or FILE=STRENGTH; 1 where none is given.</summary>
    /// <exception cref="UserException">Usage: the strength is no number.</exception>
    public static (string Path, double Strength) Choice(string text)
    {
        var at = text.LastIndexOf('=');
        if (at < 0 || File.Exists(text))
            return (text, 1);
        return Numbers.TryParse(text.AsSpan(at + 1), out double strength)
            ? (text[..at], strength)
            : throw new UserException(
                $"LoRA {text}: '{text[(at + 1)..]}' is no strength; write FILE or FILE=0.8",
                usage: true
            );
    }

    /// <summary>
    /// The part with the changes of <paramref name="path"/> added at <paramref name="strength"/>: computed in float32
    /// when a weight is read, then in the weight's own type. Without an alpha a change counts once (alpha = rank).
    /// </summary>
    /// <exception cref="UserException">No LoRA, of another kind, or for modules or shapes that this model does not
    /// have.</exception>
    public static ModelPart Merge(ModelPart part, string path, double strength, ModelFiles lora)
    {
        var folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        var found = lora.Parts.Where(p => p.Kind == PartKind.Lora).SelectMany(p => p.Tensors).ToList();
        return found.Count == 0
            ? throw new UserException(
                $"{path}: holds no LoRA; it holds {string.Join(", ", lora.Parts.Select(p => $"{p.Name} ({p.Kind})"))}"
            )
            : Merge(
                part,
                found,
                strength,
                path,
                Told(path, ModelFiles.Json(Path.Combine(folder, "adapter_config.json")), "")
                    ?? Told(path, Metadata(lora), "transformer.")
                    ?? new(null, false)
            );
    }

    /// <summary>Merges a LoRA of tensors; <paramref name="source"/> names them in messages.</summary>
    /// <exception cref="UserException">As above.</exception>
    public static ModelPart Merge(ModelPart part, IReadOnlyList<LazyTensor> lora, double strength, string source) =>
        Merge(part, lora, strength, source, new(null, false));

    private static ModelPart Merge(
        ModelPart part,
        IReadOnlyList<LazyTensor> lora,
        double strength,
        string source,
        Scaling scaling
    )
    {
        var modules = LoraNames.Modules(part);
        var changes = new Dictionary<string, Dictionary<LoraRole, LazyTensor>>(StringComparer.Ordinal);
        var (lost, adapters) = (new List<string>(), new SortedSet<string>(StringComparer.Ordinal));
        foreach (var tensor in lora)
        {
            if (LoraNames.Other(tensor.Name) is { } kind)
                throw new UserException(
                    $"{source}: is {kind} ({tensor.Name}), which is not read; merge it with the tool that made it"
                );
            if (LoraNames.Read(tensor.Name) is not var (written, role, adapter))
                throw new UserException(
                    $"{source}: '{tensor.Name}' is no name of a LoRA's tensor; known are lora_A and lora_B, lora_down "
                        + "and lora_up, alpha, diff, diff_b and diff_m behind a module"
                );
            if (adapter.Length > 0)
                adapters.Add(adapter);
            var module = LoraNames.Find(written, modules);
            if (module is null || !part.Shapes.ContainsKey(Changed(module, role, part)))
                lost.Add(tensor.Name);
            else
            {
                if (!changes.TryGetValue(module, out var roles))
                    changes[module] = roles = [];
                if (!roles.TryAdd(role, tensor) && adapters.Count < 2)
                    throw new UserException($"{source}: changes {module} twice, the second time as '{tensor.Name}'");
            }
        }
        if (adapters.Count > 1)
            throw new UserException(
                $"{source}: holds {adapters.Count} adapters, {string.Join(", ", adapters)}; save the one you want by "
                    + "itself"
            );
        if (lost.Count > 0)
            throw new UserException(
                $"{source}: {lost.Count} of its {lora.Count} tensors are for modules that {part.Name} does "
                    + $"not have, {string.Join(", ", lost.Take(3))}. Is it for another model?"
            );
        var byTensor = changes
            .SelectMany(c =>
                c.Value.Keys.Select(role => (Tensor: Changed(c.Key, role, part), Role: role, All: c.Value))
            )
            .ToLookup(c => c.Tensor, StringComparer.Ordinal);
        return part with
        {
            Tensors =
            [
                .. part.Tensors.Select(t => byTensor[t.Name].Aggregate(t, (made, c) => With(made, c.Role, c.All))),
            ],
        };

        LazyTensor With(LazyTensor weight, LoraRole role, Dictionary<LoraRole, LazyTensor> roles) =>
            role switch
            {
                LoraRole.Down
                or LoraRole.Up
                or LoraRole.Alpha when !roles.ContainsKey(LoraRole.Down) || !roles.ContainsKey(LoraRole.Up) =>
                    throw new UserException($"{source}: one of the two factors for {weight.Name} is missing"),
                LoraRole.Up or LoraRole.Alpha => weight,
                LoraRole.Down => Product(weight, roles, scaling, strength, source),
                LoraRole.UpBias when !roles.ContainsKey(LoraRole.Down) => throw new UserException(
                    $"{source}: the factors that go with {roles[role].Name} are missing"
                ),
                LoraRole.UpBias => Added(
                    weight,
                    () => roles[role].Read().to(ScalarType.Float32) * Scale(roles, scaling),
                    strength,
                    source
                ),
                _ => Added(weight, () => roles[role].Read().to(ScalarType.Float32), strength, source),
            };
    }

    // The tensor that a change is of.
    private static string Changed(string module, LoraRole role, ModelPart part) =>
        role switch
        {
            LoraRole.Bias or LoraRole.UpBias => module + ".bias",
            LoraRole.Modulation => module + ".modulation",
            LoraRole.Weight when part.Shapes.ContainsKey(module) => module,
            _ => module + ".weight",
        };

    private static double Scale(Dictionary<LoraRole, LazyTensor> roles, Scaling scaling)
    {
        double rank = roles[LoraRole.Down].Shape[0];
        var alpha = roles.TryGetValue(LoraRole.Alpha, out var own)
            ? own.Read().to(ScalarType.Float32).reshape(-1)[0].ToDouble()
            : scaling.Alpha;
        return alpha is null ? 1
            : scaling.BySquareRoot ? alpha.Value / Math.Sqrt(rank)
            : alpha.Value / rank;
    }

    private static LazyTensor Product(
        LazyTensor weight,
        Dictionary<LoraRole, LazyTensor> roles,
        Scaling scaling,
        double strength,
        string source
    )
    {
        var (down, up) = (roles[LoraRole.Down], roles[LoraRole.Up]);
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
                up.Read()
                    .to(ScalarType.Float32)
                    .reshape(-1, rank)
                    .matmul(down.Read().to(ScalarType.Float32).reshape(rank, -1)) * Scale(roles, scaling),
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

    // PEFT's settings: in a file beside the weights, or as diffusers puts them into the weights' metadata.
    private static Scaling? Told(string source, JsonObject? settings, string prefix)
    {
        if (settings is null)
            return null;
        var type = settings[prefix + "peft_type"] is JsonValue t && t.TryGetValue<string>(out var name) ? name : "LORA";
        var other =
            type is not "LORA" ? type
            : Yes("use_dora") ? "DoRA"
            : settings[prefix + "alpha_pattern"] is JsonObject { Count: > 0 } ? "a LoRA with an alpha for each module"
            : null;
        return other is not null
            ? throw new UserException($"{source}: is {other} by its settings, which is not read; merge it with PEFT")
            : new(
                settings[prefix + "lora_alpha"] is JsonValue v && v.TryGetValue<double>(out var n) ? n : null,
                Yes("use_rslora")
            );

        bool Yes(string setting) => settings[prefix + setting] is JsonValue v && v.TryGetValue<bool>(out var b) && b;
    }

    private static JsonObject? Metadata(ModelFiles lora)
    {
        try
        {
            return lora.Metadata.TryGetValue("lora_adapter_metadata", out var text)
                ? JsonNode.Parse(text) as JsonObject
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
