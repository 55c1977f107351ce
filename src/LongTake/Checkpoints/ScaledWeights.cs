namespace LongTake.Checkpoints;

/// <summary>
/// Weights of 8 bits whose scales lie beside them: LightX2V's (int8 or float8, <c>weight_scale</c>, one a row) and
/// ComfyUI's (float8, <c>scale_weight</c>, one a matrix). Each is put together with its scale when it is read.
/// </summary>
internal static class ScaledWeights
{
    private const string Weight = ".weight";
    private static readonly string[] scales = [".weight_scale", ".scale_weight"];

    // Scales of activations, which are not rounded here, and notes to other programs.
    private static readonly string[] idle = [".input_scale", ".scale_input", ".comfy_quant"];

    /// <summary>The tensors, scaled weights in float32 in place of weights and scales.</summary>
    public static IReadOnlyList<LazyTensor> PutTogether(IReadOnlyList<LazyTensor> tensors)
    {
        if (!tensors.Any(IsSmall))
            return tensors;
        var all = tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        var gone = new HashSet<string>(StringComparer.Ordinal);
        var made = tensors.Select(Scaled).ToList();
        return [.. made.Where(t => !gone.Contains(t.Name) && !IsMark(t))];

        LazyTensor Scaled(LazyTensor t)
        {
            if (!IsSmall(t) || !t.Name.EndsWith(Weight, StringComparison.Ordinal))
                return t;
            var module = t.Name[..^Weight.Length];
            if (
                scales.Select(s => all.GetValueOrDefault(module + s)).FirstOrDefault(s => s is not null)
                is not { } scale
            )
                return t;
            var rows = t.Shape.Length > 0 ? t.Shape[0] : 1;
            if (scale.Dtype is ScalarType.Byte or ScalarType.Int8 || scale.Count != 1 && scale.Count != rows)
                return t;
            gone.Add(scale.Name);
            gone.UnionWith(idle.Select(end => module + end));
            long[] shape = scale.Count == 1 ? [] : [rows, .. Enumerable.Repeat(1L, t.Shape.Length - 1)];
            return t with
            {
                Dtype = ScalarType.Float32,
                Stored = $"{t.Stored ?? TensorFiles.Name(t.Dtype)} with scales",
                Read = () => t.Read().to(ScalarType.Float32) * scale.Read().to(ScalarType.Float32).reshape(shape),
            };
        }
    }

    private static bool IsSmall(LazyTensor t) =>
        t.Dtype == ScalarType.Int8 || t.Stored?.StartsWith("F8", StringComparison.Ordinal) == true;

    // ComfyUI's mark of a file with scales, empty or of two numbers.
    private static bool IsMark(LazyTensor t) => t.Name.Split('.')[^1] == "scaled_fp8";
}
