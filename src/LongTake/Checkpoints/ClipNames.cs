namespace LongTake.Checkpoints;

/// <summary>
/// CLIP's visual tower under Wan's names and transformers' (CLIPVisionModel, also ComfyUI's). They differ in more than
/// names: transformers keeps query, key and value apart and the projection turned over. Both directions are bit for
/// bit. Source of the names: wan/modules/clip.py, transformers' modeling_clip.py.
/// </summary>
internal static class ClipNames
{
    private const string First = "vision_model.embeddings.class_embedding",
        Places = "vision_model.embeddings.position_embedding.weight",
        Head = "visual_projection.weight";

    private static readonly NameMap map = new([
        ("visual.patch_embedding", "vision_model.embeddings.patch_embedding"),
        // pre_layrnorm: so it is spelt
        ("visual.pre_norm", "vision_model.pre_layrnorm"),
        ("visual.post_norm", "vision_model.post_layernorm"),
        ("visual.transformer.#.norm1", "vision_model.encoder.layers.#.layer_norm1"),
        ("visual.transformer.#.norm2", "vision_model.encoder.layers.#.layer_norm2"),
        ("visual.transformer.#.attn.proj", "vision_model.encoder.layers.#.self_attn.out_proj"),
        ("visual.transformer.#.mlp.0", "vision_model.encoder.layers.#.mlp.fc1"),
        ("visual.transformer.#.mlp.2", "vision_model.encoder.layers.#.mlp.fc2"),
    ]);

    /// <summary>True for CLIP's other half, which videos do not need and only Wan's own file holds.</summary>
    public static bool IsText(string wan) => wan.StartsWith("textual.", StringComparison.Ordinal) || wan == "log_scale";

    /// <summary>
    /// Transformers' tensors under Wan's names; what is not known, or has no shape that fits, keeps its name.
    /// </summary>
    public static List<LazyTensor> ToWan(IReadOnlyList<LazyTensor> tensors)
    {
        var all = tensors
            .GroupBy(t => t.Name, StringComparer.Ordinal)
            .ToDictionary(g => g.Key, g => g.First(), StringComparer.Ordinal);
        var made = new List<LazyTensor>();
        foreach (var t in tensors)
        {
            if (t.Name == "vision_model.embeddings.position_ids")
                continue;
            var joined = t.Name.Contains(".self_attn.q_proj.", StringComparison.Ordinal)
                ? Other(".k_proj.") is { } k && Other(".v_proj.") is { } v
                    ? new[] { t, k, v }
                    : null
                : null;
            if (joined is not null)
                made.Add(
                    t with
                    {
                        Name =
                            "visual.transformer"
                            + t.Name["vision_model.encoder.layers".Length..]
                                .Replace(".self_attn.q_proj.", ".attn.to_qkv.", StringComparison.Ordinal),
                        Shape = [3 * t.Shape[0], .. t.Shape[1..]],
                        Read = () => torch.cat([joined[0].Read(), joined[1].Read(), joined[2].Read()]),
                    }
                );
            else if (
                (
                    t.Name.Contains(".self_attn.k_proj.", StringComparison.Ordinal)
                    || t.Name.Contains(".self_attn.v_proj.", StringComparison.Ordinal)
                ) && Joined(t)
            )
                continue;
            else
                made.Add(
                    (t.Name, t.Shape) switch
                    {
                        (First, [var d]) => Shaped(t, "visual.cls_embedding", 1, 1, d),
                        (Places, [var n, var d]) => Shaped(t, "visual.pos_embedding", 1, n, d),
                        (Head, [var to, var from]) => t with
                        {
                            Name = "visual.head",
                            Shape = [from, to],
                            Read = () => t.Read().transpose(0, 1).contiguous(),
                        },
                        _ => t with { Name = map.ToWan(t.Name) ?? t.Name },
                    }
                );

            LazyTensor? Other(string which) => Same(t.Name.Replace(".q_proj.", which, StringComparison.Ordinal), t);
        }
        return made;

        LazyTensor? Same(string name, LazyTensor like) =>
            all.TryGetValue(name, out var found)
            && found.Dtype == like.Dtype
            && found.Shape.AsSpan().SequenceEqual(like.Shape)
            && like.Shape.Length > 0
                ? found
                : null;

        // A key or value whose query was joined with it.
        bool Joined(LazyTensor t) =>
            all.TryGetValue(
                t.Name.Replace(".k_proj.", ".q_proj.", StringComparison.Ordinal)
                    .Replace(".v_proj.", ".q_proj.", StringComparison.Ordinal),
                out var q
            )
            && Same(q.Name.Replace(".q_proj.", ".k_proj.", StringComparison.Ordinal), q) is not null
            && Same(q.Name.Replace(".q_proj.", ".v_proj.", StringComparison.Ordinal), q) is not null;
    }

    /// <summary>Wan's tensors under transformers' names, without <see cref="IsText"/>.</summary>
    /// <exception cref="UserException">A name that has no counterpart.</exception>
    public static List<LazyTensor> ToTransformers(ModelPart part)
    {
        var made = new List<LazyTensor>();
        foreach (var t in part.Tensors.Where(t => !IsText(t.Name)))
            if (t.Name.Contains(".attn.to_qkv.", StringComparison.Ordinal))
                for (var i = 0; i < 3; i++)
                {
                    var (which, size) = (i, t.Shape[0] / 3);
                    made.Add(
                        t with
                        {
                            Name =
                                "vision_model.encoder.layers"
                                + t.Name["visual.transformer".Length..]
                                    .Replace(".attn.to_qkv.", $".self_attn.{"qkv"[i]}_proj.", StringComparison.Ordinal),
                            Shape = [size, .. t.Shape[1..]],
                            Read = () => t.Read().narrow(0, which * size, size),
                        }
                    );
                }
            else
                made.Add(
                    (t.Name, t.Shape) switch
                    {
                        ("visual.cls_embedding", [1, 1, var d]) => Shaped(t, First, d),
                        ("visual.pos_embedding", [1, var n, var d]) => Shaped(t, Places, n, d),
                        ("visual.head", [var from, var to]) => t with
                        {
                            Name = Head,
                            Shape = [to, from],
                            Read = () => t.Read().transpose(0, 1).contiguous(),
                        },
                        _ => t with
                        {
                            Name = map.ToOther(t.Name)
                                ?? throw new UserException(
                                    $"{part.Name}: weight '{t.Name}' has no name in that layout. Write the layout wan."
                                ),
                        },
                    }
                );
        return made;
    }

    private static LazyTensor Shaped(LazyTensor t, string name, params long[] shape) =>
        t with
        {
            Name = name,
            Shape = shape,
            Read = () => t.Read().reshape(shape),
        };
}
