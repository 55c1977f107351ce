using System.Security.Cryptography;
using System.Text;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Checkpoints;

/// <summary>What a set of tensors is of.</summary>
public enum PartKind
{
    Transformer,
    Student,
    Vae,
    TextEncoder,
    ImageEncoder,
    Lora,
    Other,
}

/// <summary>
/// One model of a checkpoint: its tensors under Wan's original names, whatever they are called on disk. <see
/// cref="Naming"/> tells whose names those are.
/// </summary>
public sealed record ModelPart(string Name, PartKind Kind, string Naming, IReadOnlyList<LazyTensor> Tensors)
{
    private IReadOnlyDictionary<string, long[]>? shapes;

    /// <summary>Shapes by name.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes =>
        shapes ??= Tensors.ToDictionary(t => t.Name, t => t.Shape, StringComparer.Ordinal);

    /// <summary>Number of elements.</summary>
    public long Count => Tensors.Sum(t => t.Count);

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes => Tensors.Sum(t => t.Bytes);

    /// <summary>True for a transformer that also takes an image's features.</summary>
    public bool TakesImage => Shapes.ContainsKey("img_emb.proj.1.weight");

    /// <summary>The tensors as a source of <see cref="Weights"/>.</summary>
    public Func<string, Tensor?> Source() => Tensors.Source();

    /// <summary>
    /// First 16 hexadecimal digits of the SHA-256 of names, types, shapes and values, the same in every layout. Tensors
    /// of more than <paramref name="most"/> bytes count by name, type and shape.
    /// </summary>
    public string Hash(long most = long.MaxValue)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var t in Tensors.OrderBy(t => t.Name, StringComparer.Ordinal))
        {
            using var scope = torch.NewDisposeScope();
            hash.AppendData(Encoding.UTF8.GetBytes($"{t.Name} {t.Dtype} {string.Join(' ', t.Shape)}\n"));
            if (t.Bytes > most)
                continue;
            var bytes = new byte[t.Bytes];
            t.Read().CopyTo(bytes);
            hash.AppendData(bytes);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Recognises tensors by their names and brings the names into Wan's.</summary>
    /// <param name="name">What the part is called where it lies; empty to call it by what it is.</param>
    /// <param name="raw">The tensors under the names on disk.</param>
    public static ModelPart Recognise(string name, IReadOnlyList<LazyTensor> raw)
    {
        var names = raw.ToDictionary(t => t.Name, t => Names.Bare(t.Name), StringComparer.Ordinal);
        var bare = names.Values.ToHashSet(StringComparer.Ordinal);
        bool Has(string one) => bare.Contains(one);
        ModelPart Of(PartKind kind, string naming, Func<string, string?> rename, string called) =>
            new(name.Length > 0 ? name : called, kind, naming, Renamed(raw, n => rename(names[n]) ?? names[n]));

        if (raw.Any(t => LoraNames.IsChange(t.Name)))
            return new(name.Length > 0 ? name : "lora", PartKind.Lora, "", raw);
        if (
            bare.Any(n =>
                n.StartsWith("dm_head.", StringComparison.Ordinal) || n.StartsWith("fm_head.", StringComparison.Ordinal)
            )
        )
            return Of(PartKind.Student, "Wan", n => n, ModelFolder.Student);
        if (Has("patch_embedding.weight") && Has("blocks.0.self_attn.q.weight"))
            return Of(PartKind.Transformer, "Wan", n => n, ModelFolder.Transformer);
        if (Has("patch_embedding.weight") && Has("blocks.0.attn1.to_q.weight"))
            return Of(PartKind.Transformer, "diffusers", Names.Transformer.ToWan, ModelFolder.Transformer);
        // Wan 2.2's has stages inside of stages.
        if (
            Has("encoder.conv1.weight")
            && (Has("decoder.upsamples.0.residual.0.gamma") || Has("decoder.upsamples.0.upsamples.0.residual.0.gamma"))
        )
            return Of(PartKind.Vae, "Wan", n => n, ModelFolder.Vae);
        if (Has("encoder.conv_in.weight") && Has("decoder.up_blocks.0.resnets.0.norm1.gamma"))
        {
            int Count(string prefix) =>
                bare.Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
                    .Select(n => n[prefix.Length..].Split('.')[0])
                    .Distinct()
                    .Count();
            return Of(
                PartKind.Vae,
                "diffusers",
                Names.Vae(Count("decoder.up_blocks."), Count("decoder.up_blocks.0.resnets.") - 1).ToWan,
                ModelFolder.Vae
            );
        }
        if (Has("token_embedding.weight") && Has("blocks.0.ffn.gate.0.weight"))
            return Of(PartKind.TextEncoder, "Wan", n => n, ModelFolder.Text);
        if (Has("encoder.block.0.layer.0.SelfAttention.q.weight"))
            return Text(name, raw, names, Has("shared.weight"));
        if (Has("enc.blk.0.attn_q.weight"))
            return Of(PartKind.TextEncoder, "llama.cpp", Names.LlamaText.ToWan, ModelFolder.Text);
        if (Has("visual.transformer.0.attn.to_qkv.weight"))
            return Of(PartKind.ImageEncoder, "Wan", n => n, ModelFolder.Image);
        if (Has("transformer.0.attn.to_qkv.weight") && Has("cls_embedding"))
            return Of(PartKind.ImageEncoder, "Wan", n => "visual." + n, ModelFolder.Image);
        if (bare.Any(n => n.StartsWith("vision_model.encoder.layers.", StringComparison.Ordinal)))
            return new(
                name.Length > 0 ? name : ModelFolder.Image,
                PartKind.ImageEncoder,
                "transformers",
                Renamed(ClipNames.ToWan([.. raw.Select(t => t with { Name = names[t.Name] })]), n => n)
            );
        return new(name.Length > 0 ? name : "weights", PartKind.Other, "", raw);
    }

    /// <summary>
    /// A part of a model folder of ours that other families' names do not say the kind of: its file does.
    /// </summary>
    public ModelPart ByFileName() =>
        Kind != PartKind.Other
            ? this
            : this with
            {
                Kind = Name switch
                {
                    ModelFolder.Vae => PartKind.Vae,
                    ModelFolder.Teacher or ModelFolder.Transformer or ModelFolder.Generator => PartKind.Transformer,
                    _ => Kind,
                },
            };

    // Some files hold the token table twice; ComfyUI's keep the tokenizer among the tensors.
    private static ModelPart Text(
        string name,
        IReadOnlyList<LazyTensor> raw,
        Dictionary<string, string> names,
        bool shared
    )
    {
        const string twice = "encoder.embed_tokens.weight";
        return new(
            name.Length > 0 ? name : ModelFolder.Text,
            PartKind.TextEncoder,
            "transformers",
            Renamed(
                [
                    .. raw.Where(t =>
                        names[t.Name] is var n && n != ModelFiles.TokenizerTensor && (!shared || n != twice)
                    ),
                ],
                n => names[n] == twice ? "token_embedding.weight" : Names.Text.ToWan(names[n]) ?? names[n]
            )
        );
    }

    // Two names that become one would be two tensors of one name: the first stays what it is, the later ones keep their
    // own.
    private static List<LazyTensor> Renamed(IReadOnlyList<LazyTensor> raw, Func<string, string> rename)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        return [.. raw.Select(t => rename(t.Name) is var n && taken.Add(n) ? t with { Name = n } : t)];
    }

    /// <summary>The student without its other head; for videos it needs no more.</summary>
    public ModelPart Keeping(Head head)
    {
        _ = OfHead(head);
        return new(
            Name,
            Kind,
            Naming,
            [
                .. Tensors.Where(t =>
                    DecoupledTransformer.IsEncoder(t.Name)
                    || t.Name.StartsWith(DecoupledTransformer.Name(head) + ".", StringComparison.Ordinal)
                ),
            ]
        );
    }

    /// <summary>The only head a student has; null when it has both.</summary>
    public Head? OnlyHead
    {
        get
        {
            Head[] there =
            [
                .. Enum.GetValues<Head>()
                    .Where(h =>
                        Shapes.Keys.Any(n => n.StartsWith(DecoupledTransformer.Name(h) + ".", StringComparison.Ordinal))
                    ),
            ];
            return there is [var one] ? one : null;
        }
    }

    /// <summary>
    /// One head of a student as a plain Wan transformer: the encoder's blocks and, after them, the head's.
    /// </summary>
    /// <exception cref="UserException">This is no student, or it has no such head.</exception>
    public ModelPart OfHead(Head head)
    {
        var prefix = DecoupledTransformer.Name(head) + ".";
        if (Kind != PartKind.Student || !Tensors.Any(t => t.Name.StartsWith(prefix, StringComparison.Ordinal)))
            throw new UserException($"{Name}: no student with a {prefix[..^1]} here", usage: true);
        var encoder = Blocks(Shapes.Keys, "blocks.");
        return new(
            Name,
            PartKind.Transformer,
            Naming,
            [
                .. Tensors.Where(t => DecoupledTransformer.IsEncoder(t.Name)),
                .. Tensors
                    .Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal))
                    .Select(t => t with { Name = Moved(t.Name[prefix.Length..]) }),
            ]
        );

        string Moved(string inside)
        {
            var words = inside.Split('.', 3);
            return words is ["blocks", var block, var rest] && int.TryParse(block, out var i)
                ? $"blocks.{encoder + i}.{rest}"
                : inside;
        }
    }

    /// <summary>
    /// A Wan transformer as a student whose two heads are copies of its last blocks: both equal Wan exactly.
    /// </summary>
    /// <exception cref="UserException">Fewer blocks than the heads need and one for the encoder.</exception>
    public ModelPart AsStudent(int headBlocks)
    {
        var layers = Blocks(Shapes.Keys, "blocks.");
        if (headBlocks < 1 || headBlocks >= layers)
            throw new UserException(
                $"heads of {headBlocks} blocks: a head needs 1 to {layers - 1} of the {layers} blocks",
                usage: true
            );
        var first = layers - headBlocks;
        return new(
            ModelFolder.Student,
            PartKind.Student,
            "Wan",
            [
                .. Tensors.Where(t => Inside(t.Name) is null),
                .. Enum.GetValues<Head>()
                    .SelectMany(head =>
                        Tensors
                            .Where(t => Inside(t.Name) is not null)
                            .Select(t => t with { Name = $"{DecoupledTransformer.Name(head)}.{Inside(t.Name)}" })
                    ),
            ]
        );

        string? Inside(string name) =>
            name.Split('.', 3) switch
            {
                ["head", ..] => name,
                ["blocks", var block, var rest] when int.TryParse(block, out var i) && i >= first =>
                    $"blocks.{i - first}.{rest}",
                _ => null,
            };
    }

    /// <summary>How many blocks the names behind a prefix have.</summary>
    internal static int Blocks(IEnumerable<string> names, string prefix) =>
        names
            .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
            .Select(n => n[prefix.Length..].Split('.')[0])
            .Distinct(StringComparer.Ordinal)
            .Count();
}
