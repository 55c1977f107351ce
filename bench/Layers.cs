using LongTake.Checkpoints;
using LongTake.Evaluation;
using LongTake.Generation;

namespace LongTake.Bench;

/// <summary>
/// Layers of bfloat16 tokens as whole numbers of 16 bits (<see cref="ProductKind.Int16"/>) beside the other ways to multiply: a layer with its gradients, its error, and films of
/// the bundled miniature by the exact measures of their world.
/// </summary>
internal static class Layers
{
    public static IEnumerable<Row> Rows()
    {
        foreach (var (tokens, inputs, outputs) in ((int, int, int)[])[(1960, 192, 384), (1960, 384, 192), (2048, 1536, 1536)])
        {
            using var scope = new Scope();
            using var g = new Generator(1);
            var (x, w) = (g.Normal(tokens, inputs).To(Dtype.BF16).RequiresGrad_(), (g.Normal(outputs, inputs) / Math.Sqrt(inputs)).RequiresGrad_());
            var (pull, work) = (g.Normal(tokens, outputs).To(Dtype.BF16), 6.0 * tokens * inputs * outputs / 1e9);
            Tensor[] Run(ProductKind kind)
            {
                (x.Grad, w.Grad) = (null, null);
                var y = Products.Linear(x, w, null, kind);
                y.Backward(pull);
                return [y.Detach(), x.Grad!, w.Grad!];
            }
            var name = $"{tokens} tokens, {inputs} to {outputs}";
            var kinds = Enum.GetValues<ProductKind>();
            var s = Turns.Run(5, [.. kinds.Select(k => Turns.Of(() => Run(k), 0.2))]);
            foreach (var peer in (ProductKind[])[ProductKind.Float32, ProductKind.BFloat16])
                yield return Row.Rate($"layer.int16, {name}, beside {Products.Name(peer)}", work, s[(int)ProductKind.Int16], work, s[(int)peer], Products.Name(peer)) with { Note = "with its gradients" };
            var (x64, w64, pull64) = (x.Detach().To(Dtype.F64), w.Detach().To(Dtype.F64), pull.To(Dtype.F64));
            Tensor[] exact = [MatMul(x64, w64.Transpose(0, 1)), MatMul(pull64, w64), MatMul(pull64.Transpose(0, 1), x64)];
            double[] Errors(ProductKind kind) => [.. Run(kind).Zip(exact, (o, e) => (Norm(o.To(Dtype.F64) - e) / Norm(e)).Scalar())];
            var (ours, theirs) = (Errors(ProductKind.Int16), Errors(ProductKind.BFloat16));
            foreach (var (what, i) in ((string, int)[])[("values", 0), ("weight's gradient", 2)])
                yield return new($"layer.error, int16, {what}, {name}", ours[i], "relative", theirs[i], "bfloat16", Lower: true) { Note = "against float64" };
        }
        using var files = ModelFiles.Open(Film.Traveller);
        using var outer = new Scope();
        var request = Film.Request(files.Config, files.Config.FilmLatents);
        using FilmModel model = new(files, request);
        var was = Products.Kind;
        try
        {
            var reference = new WorldEvaluation.Reference(model, "tune", Int8.Films);
            EvaluationResult Of(ProductKind kind)
            {
                Products.Kind = kind;
                return WorldEvaluation.Run(model, new("", "", request with { Frames = null }), "tune", Int8.Films, 61, reference, null, null, default);
            }
            var (whole, floats) = (Of(ProductKind.Int16), Of(ProductKind.Float32));
            foreach (var row in Int8.Quality("layer.int16", whole, "float32", floats)) yield return row;
        }
        finally { Products.Kind = was; }
    }
}
