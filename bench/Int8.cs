using LongTake.Checkpoints;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Models;

namespace LongTake.Bench;

/// <summary>
/// Matrices as bytes (<see cref="Int8Matrix"/>) beside the products that films are made with otherwise: rates, a film of the bundled miniature, and
/// what its films lose, by the exact measures of its world.
/// </summary>
internal static class Int8
{
    public const int Films = 12;

    public static IEnumerable<Row> Rows()
    {
        foreach (var (tokens, inputs, outputs) in ((int, int, int)[])[(1960, 192, 384), (2048, 1536, 1536), (2048, 1536, 8960)])
        {
            using var scope = new Scope();
            using var off = GradMode.Off();
            using var g = new Generator(1);
            using var weights = Weights.Create(new Rng(1), Dtype.BF16);
            var (x, linear, work) = (g.Normal(tokens, inputs).To(Dtype.BF16), new Nn.Linear(weights, inputs, outputs), 2.0 * tokens * inputs * outputs / 1e9);
            using var matrix = new Int8Matrix(weights.Tensors[0]);
            var s = Turns.Run(5, Turns.Of(() => matrix.Linear(x, null), 0.1), Turns.Of(() => linear.Forward(x), 0.1));
            yield return Row.Rate($"int8.linear, {tokens} tokens, {inputs} to {outputs}", work, s[0], work, s[1], "the layer as it is") with { Note = "bfloat16 in and out" };
        }
        using var files = ModelFiles.Open(Film.Traveller);
        using var outer = new Scope();
        var request = Film.Request(files.Config, files.Config.FilmLatents);
        using FilmModel plain = new(files, request), bytes = new(files, request with { Int8 = true });
        var t = Turns.Run(5, Turns.Of(() => bytes.Sample(request)), Turns.Of(() => plain.Sample(request)));
        var (a, b) = (bytes.Sample(request), plain.Sample(request));
        yield return Row.Seconds("int8.film", t[0], t[1], "without") with { Note = $"sampling of one minute; latents differ by {(Norm(a - b) / Norm(b)).Scalar():0.000} of their norm" };
        var reference = new WorldEvaluation.Reference(plain, "tune", Films);
        EvaluationResult Of(FilmModel model) => WorldEvaluation.Run(model, new("", "", request with { Frames = null }), "tune", Films, 61, reference, null, null, default);
        foreach (var row in Quality("int8", Of(bytes), "without", Of(plain))) yield return row;
    }

    /// <summary>The films of the tune set, made in two ways, by the exact measures of their world.</summary>
    public static IEnumerable<Row> Quality(string name, EvaluationResult ours, string peer, EvaluationResult theirs) =>
        ((string[])["arc", "biome", "gaitL", "scroll", "sharp", "FDr"]).Select(m => (m, ours.Metrics[m], theirs.Metrics[m])).Select(x =>
            new Row($"{name}.{x.m}", x.Item2.Mean, "measure", x.Item3.Mean, peer)
            {
                Note = $"{Films} films of the tune set; {Row.Number(x.Item2.Low)}..{Row.Number(x.Item2.High)} and {Row.Number(x.Item3.Low)}..{Row.Number(x.Item3.High)}",
            });
}
