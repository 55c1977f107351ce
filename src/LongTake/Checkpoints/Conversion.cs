using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Checkpoints;

/// <summary>What to write of a checkpoint, and how.</summary>
public sealed record ConversionRequest
{
    /// <summary>Wan, Diffusers, Comfy or LongTake.</summary>
    public required Layout To { get; init; }

    /// <summary>The folder to make; with Comfy and one part also a .safetensors file.</summary>
    public required string Output { get; init; }

    /// <summary>
    /// Which transformer, where there are several; of a student one may also name dm_head or fm_head.
    /// </summary>
    public string? Part { get; init; }

    /// <summary>Element type of floating-point tensors; null keeps each tensor's own.</summary>
    public ScalarType? Dtype { get; init; }

    /// <summary>Bytes of data from which on safetensors are written as shards.</summary>
    public long ShardBytes { get; init; } = 10_000_000_000;

    /// <summary>LoRA files to add to the transformer, with their strengths.</summary>
    public IReadOnlyList<(string Path, double Strength)> Loras { get; init; } = [];
}

/// <summary>
/// Writes a checkpoint in another layout: one tensor at a time is in memory, and a tensor whose type is kept is the
/// same bit for bit. The output appears whole or not at all.
/// </summary>
public static class Conversion
{
    private static readonly IReadOnlyDictionary<string, string> metadata = new Dictionary<string, string>
    {
        ["format"] = "pt",
    };

    /// <summary>Converts; <paramref name="step"/> gets each part before it is written.</summary>
    /// <returns>What was left out or could not be said in the new layout, one sentence each.</returns>
    /// <exception cref="UserException">The output exists, a part is incomplete or has no names there, a full
    /// disk.</exception>
    public static IReadOnlyList<string> Run(ModelFiles from, ConversionRequest request, Action<string>? step = null)
    {
        if (
            Directory.Exists(request.Output) && Directory.EnumerateFileSystemEntries(request.Output).Any()
            || File.Exists(request.Output)
        )
            throw new UserException(
                $"{request.Output}: is there already and not empty; give another name to write to",
                usage: true
            );
        var oneFile =
            request.To == Layout.Comfy && request.Output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        if (oneFile)
            OutputPlace.RequireFile(request.Output);
        else
            OutputPlace.RequireFolder(request.Output);
        using var alone = FileLock.Output(request.Output);
        var parts = Chosen(from, request);
        var notes = from
            .Parts.Where(p => p.Kind is PartKind.Lora or PartKind.Other && !parts.Contains(p))
            .Select(p => $"{p.Name} ({p.Kind}) is not converted; copy its file if you need it")
            .ToList();
        if (
            parts.All(p => p.Kind != PartKind.Student)
            && from.Part(PartKind.Student) is { } left
            && parts.All(p => p.Name != left.Name)
        )
            notes.Add($"{left.Name} is not converted; a head of it is, as the part dm_head or fm_head");
        if (
            parts.Find(p => p.Kind == PartKind.ImageEncoder) is { } clip
            && clip.Tensors.Any(t => ClipNames.IsText(t.Name)) is var texts
            && request.To != Layout.LongTake
            && texts != (request.To == Layout.Wan)
        )
            notes.Add(
                texts
                    ? $"{clip.Name}: CLIP's text half is left out; it has no place in that layout, and "
                        + $"videos do not need it"
                    : $"{clip.Name}: holds CLIP's visual half only; LongTake needs no more, Wan's own "
                        + $"program also loads the text half"
            );
        foreach (var part in parts)
            if (part.Tensors.Where(t => t.Stored is not null).ToList() is [var first, ..] stored)
                notes.Add(
                    $"{part.Name}: {stored.Count} weights kept as {first.Stored} are written as "
                        + TensorFiles.Name(TensorFiles.Target(first.Dtype, request.Dtype))
                );
        var config = from.Config;
        if (oneFile)
        {
            if (parts.Count != 1)
                throw new UserException(
                    $"{request.Output}: one file for {string.Join(", ", parts.Select(p => p.Name))}; name "
                        + $"a folder instead",
                    usage: true
                );
            step?.Invoke(parts[0].Name);
            TensorFiles.Write(request.Output, ToComfy(parts[0], from), request.Dtype, metadata);
            return notes;
        }
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Output));
        var work = $"{full}.{Guid.NewGuid():N}.part";
        try
        {
            Directory.CreateDirectory(work);
            var write = new LayoutWriter(work, from, request, step, metadata);
            foreach (var part in parts)
                write.Part(part);
            write.Rest(parts);
            if (request.To != Layout.LongTake)
                KeepConfig(work, config);
            if (Directory.Exists(full))
                Directory.Delete(full);
            Directory.Move(work, full);
        }
        catch (Exception e)
        {
            if (Directory.Exists(work))
                Directory.Delete(work, recursive: true);
            if (e is IOException or UnauthorizedAccessException)
                throw AtomicFile.Failed(request.Output, e);
            throw;
        }
        return notes;
    }

    // What reading back cannot tell goes into a file of our own that other programs pass over.
    private static void KeepConfig(string folder, ModelConfig config)
    {
        using (var back = ModelFiles.Open(folder))
        {
            try
            {
                if (Text(back.Config with { Name = config.Name }) == Text(config))
                    return;
            }
            catch (UserException) { } // heads that shapes do not tell
        }
        Recipe.Write(Path.Combine(folder, ModelFiles.ConfigFile), config, ModelJson.Default.ModelConfig);

        static string Text(ModelConfig c) => JsonSerializer.Serialize(c, ModelJson.Default.ModelConfig);
    }

    // At most one of each kind: that is what the layouts have places for.
    private static List<ModelPart> Chosen(ModelFiles from, ConversionRequest request)
    {
        var parts = new List<ModelPart>();
        var student = from.Part(PartKind.Student);
        var head = Enum.GetValues<Head>()
            .Where(h => request.Part == DecoupledTransformer.Name(h))
            .Select(h => (Head?)h)
            .FirstOrDefault();
        // Our own folder has places for all of it; a head asked for is the one the student keeps.
        if (
            from.Layout == Layout.LongTake
            && request is { To: Layout.LongTake, Loras: [] }
            && (request.Part is null || head is not null)
        )
        {
            Sound(from, [.. from.Parts]);
            return [.. from.Parts.Select(p => head is { } kept && p.Kind == PartKind.Student ? p.Keeping(kept) : p)];
        }
        var transformer = head is { } one
            ? from.Require(PartKind.Student).OfHead(one)
            : from.Part(PartKind.Transformer, request.Part);
        if (transformer is null && student is not null)
            throw new UserException(
                $"{from.Path}: holds a student of two heads; say which one is wanted, the part dm_head or "
                    + $"fm_head",
                usage: true
            );
        if (transformer is null && request.Loras.Count > 0)
            from.Require(PartKind.Transformer);
        if (transformer is not null)
            Sound(from, transformer);
        if (transformer is not null)
            transformer = from.WithLoras(transformer, request.Loras);
        ModelPart?[] others =
        [
            from.Part(PartKind.Vae),
            from.Part(PartKind.TextEncoder),
            from.Part(PartKind.ImageEncoder),
        ];
        Sound(from, others);
        parts.AddRange(others.Prepend(transformer).OfType<ModelPart>());
        if (parts.Count == 0)
            from.Require(PartKind.Transformer);
        return parts;
    }

    private static void Sound(ModelFiles files, params ModelPart?[] parts)
    {
        try
        {
            files.Check(parts);
        }
        catch (UserException e)
        {
            throw new UserException($"{e.Message}. Nothing was written.", e.Usage, e);
        }
    }

    /// <summary>
    /// A part under ComfyUI's names: the transformer's with its prefix, the autoencoder's as they are, transformers'
    /// for both encoders.
    /// </summary>
    internal static IReadOnlyList<LazyTensor> ToComfy(ModelPart part, ModelFiles from)
    {
        if (part.Kind == PartKind.Transformer)
            return [.. part.Tensors.Select(t => t with { Name = Names.Comfy + t.Name })];
        if (part.Kind == PartKind.ImageEncoder)
            return ClipNames.ToTransformers(part);
        if (part.Kind != PartKind.TextEncoder)
            return part.Tensors;
        var tensors = Renamed(part, Names.Text);
        if (from.Tokenizer is { } bytes)
            tensors.Add(
                new(ModelFiles.TokenizerTensor, ScalarType.Byte, [bytes.Length], () =>
                    Tensor.From<byte>(bytes, bytes.Length)
                )
            );
        return tensors;
    }

    /// <summary>A part under the other names of a map.</summary>
    internal static List<LazyTensor> Renamed(ModelPart part, NameMap map) =>
        [
            .. part.Tensors.Select(t =>
                t with
                {
                    Name = map.ToOther(t.Name)
                        ?? throw new UserException(
                            $"{part.Name}: weight '{t.Name}' has no name in that layout; it belongs to an "
                                + $"option that only LongTake has. Write the layout wan or comfy."
                        ),
                }
            ),
        ];
}
