using LongTake.Models;

namespace LongTake.Checkpoints;

/// <summary>Whether a part of a checkpoint can be used: what every verb asks before it uses one.</summary>
internal static class Soundness
{
    private const int Named = 3;
    private const long AtATime = 1 << 20;

    /// <summary>What is wrong with a part, one sentence each.</summary>
    public static IReadOnlyList<string> Problems(ModelFiles files, ModelPart part)
    {
        // What it is comes first: of another model neither sizes nor values say anything.
        if (part.Kind == PartKind.Lora)
            return Lora.NotRead(part) is { } kind ? [kind] : Values(part);
        if (OtherModels.Of(part) is { } other)
            return [other];
        try
        {
            if (Sizes.Expected(part, files.Config) is not { } expected)
                return [];
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
            return found.Count > 0 ? found : Values(part);
        }
        catch (Exception e) when (e is UserException or TorchException)
        {
            return [$"{part.Name}: {e.Message}"];
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

    private static IReadOnlyList<string> Values(ModelPart part)
    {
        using var off = torch.no_grad();
        List<string> found = [.. part.Tensors.Where(t => !Finite(t)).Select(t => t.Name)];
        return found.Count == 0
            ? []
            :
            [
                $"{part.Name} holds NaN or infinity in {found.Count} of {part.Tensors.Count} weights, {Some(found)}; "
                    + "the file is damaged, or its training diverged",
            ];
    }

    // Some megabytes at a time, so that what is computed on the way stays in the caches.
    private static bool Finite(LazyTensor tensor)
    {
        if (!TensorFiles.IsFloat(tensor.Dtype))
            return true;
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
