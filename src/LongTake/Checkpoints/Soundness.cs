using LongTake.Models;

namespace LongTake.Checkpoints;

/// <summary>Whether a part of a checkpoint can be used: what every verb asks before it uses one.</summary>
internal static class Soundness
{
    private const int Named = 3;
    private const long AtATime = 1 << 20;

    /// <summary>What a video needs and is not there, and where each would lie.</summary>
    public static IReadOnlyList<(string What, string Where)> Absent(ModelFiles files)
    {
        var transformer = files.Part(PartKind.Student) ?? files.Part(PartKind.Transformer);
        (bool Lacks, string What, string Where)[] needs =
        [
            (
                transformer is null,
                "transformer",
                "diffusion_pytorch_model*.safetensors in Wan's folder, transformer in a diffusers folder, "
                    + "diffusion_models in ComfyUI's"
            ),
            (
                files.Part(PartKind.Vae) is null,
                "autoencoder",
                "Wan2.1_VAE.pth in Wan's folder, vae in a diffusers folder and in ComfyUI's"
            ),
            (
                files.Part(PartKind.TextEncoder) is null,
                "text encoder",
                "models_t5_*.pth in Wan's folder, text_encoder in a diffusers folder, text_encoders in ComfyUI's"
            ),
            (
                transformer?.TakesImage == true && files.Part(PartKind.ImageEncoder) is null,
                "image encoder",
                "models_clip_*.pth in Wan's folder, image_encoder in a diffusers folder, clip_vision in ComfyUI's"
            ),
            (
                files.Tokenizer is null,
                "tokenizer",
                "google/umt5-xxl/spiece.model in Wan's folder, tokenizer/spiece.model in a diffusers folder, part of "
                    + "ComfyUI's umT5 file"
            ),
        ];
        return [.. needs.Where(n => n.Lacks).Select(n => (n.What, n.Where))];
    }

    /// <summary>What is wrong with a part, one sentence each.</summary>
    public static IReadOnlyList<string> Problems(ModelFiles files, ModelPart part)
    {
        // What it is comes first: of another model neither sizes nor values say anything.
        if (part.Kind == PartKind.Lora)
            return Lora.NotRead(part) is { } kind ? [kind] : Values(files, part);
        if (OtherModels.Of(part) is { } other)
            return [other];
        try
        {
            if (part.Kind == PartKind.Other || Sizes.Expected(part, files.Config) is not { } expected)
                return Values(files, part);
            List<string> found = [.. Structure(part, expected)];
            if (OtherModels.OfChannels(part, files.Config) is { } channels)
                found.Insert(0, channels);
            // Sizes that do not go together are a matter of the transformer, where all parts are there to have some.
            if (
                part.Kind is PartKind.Transformer or PartKind.Student
                && files.Part(PartKind.Vae) is not null
                && files.Part(PartKind.TextEncoder) is not null
            )
                found.AddRange(files.Config.Problems());
            return found.Count > 0 ? found : Values(files, part);
        }
        catch (Exception e) when (e is UserException or TorchException)
        {
            return
            [
                e.Message.StartsWith(part.Name, StringComparison.Ordinal) ? e.Message : $"{part.Name}: {e.Message}",
            ];
        }
    }

    private static IEnumerable<string> Structure(ModelPart part, OrderedDictionary<string, long[]> expected)
    {
        (string, IEnumerable<string>)[] all =
        [
            ("lacks", expected.Keys.Where(n => !part.Shapes.ContainsKey(n))),
            (
                "holds what does not belong to it:",
                part.Shapes.Keys.Where(n =>
                    !expected.ContainsKey(n) && !(part.Kind == PartKind.ImageEncoder && ClipNames.IsText(n))
                )
            ),
            (
                "holds in another shape than its config says:",
                part.Shapes.Where(p => expected.TryGetValue(p.Key, out var s) && !s.SequenceEqual(p.Value))
                    .Select(p => p.Key)
            ),
        ];
        foreach (var (what, names) in all)
            if (names.ToList() is { Count: > 0 } found)
                yield return $"{part.Name} {what} {found.Count} of {expected.Count} weights, {Some(found)}";
    }

    private static IReadOnlyList<string> Values(ModelFiles files, ModelPart part)
    {
        using var off = torch.no_grad();
        List<string> found = [.. part.Tensors.Where(t => !Finite(t, files.Cancel)).Select(t => t.Name)];
        return found.Count == 0
            ? []
            :
            [
                $"{part.Name} holds NaN or infinity in {found.Count} of {part.Tensors.Count} weights, {Some(found)}; "
                    + "the file is damaged, or its training diverged",
            ];
    }

    // Some megabytes at a time, so that what is computed on the way stays in the caches.
    private static bool Finite(LazyTensor tensor, CancellationToken cancel)
    {
        if (!TensorFiles.IsFloat(tensor.Dtype))
            return true;
        cancel.ThrowIfCancellationRequested();
        using var scope = torch.NewDisposeScope();
        var flat = tensor.Read().reshape(-1);
        for (var at = 0L; at < flat.numel(); at += AtATime)
            if (!flat.narrow(0, at, Math.Min(AtATime, flat.numel() - at)).AllFinite())
                return false;
        return true;
    }

    private static string Some(List<string> names) =>
        string.Join(", ", names.Take(Named)) + (names.Count > Named ? ", ..." : "");
}
