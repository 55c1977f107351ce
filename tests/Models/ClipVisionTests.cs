using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class ClipVisionTests
{
    private static readonly ClipConfig mini = new()
    {
        ImageSize = 12,
        PatchSize = 4,
        Dim = 20,
        FfnDim = 28,
        Heads = 2,
        Layers = 3,
    };

    [Theory]
    [InlineData(12, 12)]
    [InlineData(31, 17)]
    [InlineData(5, 40)]
    public void TheTowerIsWhatItsFormulasSay(int height, int width)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var tower = new ClipVision(weights, mini);
        var seed = 1;
        foreach (var (name, t) in weights.All) // norms too are something else than ones and zeros
            t.copy_(t + WanVaeTests.Noise(seed++, t.shape) * 0.2);
        var pictures = WanVaeTests.Noise(2, 2, 3, height, width).clamp(-1, 1);
        var made = tower.Forward(pictures);
        Assert.Equal([2, 10, 20], made.shape);
        var reference = new Reference(
            weights.All.ToDictionary(p => p.Key, p => Array.ConvertAll(p.Value.ToArray<float>(), x => (double)x)),
            mini
        );
        for (var i = 0; i < 2; i++)
            Near.Equal(
                Tensor
                    .From<double>([
                        .. reference
                            .Tokens(
                                Array.ConvertAll(pictures[i].contiguous().ToArray<float>(), x => (double)x),
                                height,
                                width
                            )
                            .SelectMany(r => r),
                    ])
                    .reshape(10, 20),
                made[i],
                2e-4,
                1e-4
            );
    }

    [Fact]
    public void TheDefaultsAreWansEncoder()
    {
        var shapes = Weights.Shapes(w => _ = new ClipVision(w, new ClipConfig()));
        Assert.Equal([1, 257, 1280], shapes["visual.pos_embedding"]);
        Assert.Equal([3840, 1280], shapes["visual.transformer.31.attn.to_qkv.weight"]);
        Assert.Equal(630_766_080, shapes.Sum(s => s.Value.Aggregate(1L, (a, b) => a * b)));
    }

    /// <summary>
    /// Cubic convolution by its definition: weights of a = -0.75, edges repeated, no antialias however far it shrinks.
    /// </summary>
    [Theory]
    [InlineData(9, 7, 4, 3)]
    [InlineData(4, 5, 11, 13)]
    [InlineData(6, 6, 6, 6)]
    public void ResizingIsTheDefinition(int height, int width, int toHeight, int toWidth)
    {
        using var scope = torch.NewDisposeScope();
        var x = WanVaeTests.Noise(1, 1, 1, height, width);
        var expected = Reference.Resize(
            Array.ConvertAll(x.ToArray<float>(), v => (double)v),
            height,
            width,
            toHeight,
            toWidth
        );
        var resized = torch.nn.functional.interpolate(
            x,
            [toHeight, toWidth],
            mode: torch.InterpolationMode.Bicubic,
            align_corners: false
        );
        Near.Equal(Tensor.From<double>(expected).reshape(1, 1, toHeight, toWidth), resized, 1e-5);
        if (height == toHeight)
            Assert.True(x.SameAs(resized));
    }

    /// <summary>The tower in loops and float64, from the formulas alone.</summary>
    private sealed class Reference(Dictionary<string, double[]> w, ClipConfig c)
    {
        public double[][] Tokens(double[] picture, int height, int width)
        {
            double[] mean = [0.48145466, 0.4578275, 0.40821073],
                std = [0.26862954, 0.26130258, 0.27577711];
            var (n, side, p) = (c.ImageSize, c.ImageSize / c.PatchSize, c.PatchSize);
            var channels = new double[3][];
            for (var ch = 0; ch < 3; ch++)
                channels[ch] =
                [
                    .. Resize(picture[(ch * height * width)..((ch + 1) * height * width)], height, width, n, n)
                        .Select(v => ((v + 1) / 2 - mean[ch]) / std[ch]),
                ];
            var x = new double[1 + side * side][];
            x[0] = [.. w["visual.cls_embedding"]];
            for (var t = 0; t < side * side; t++)
            {
                x[t + 1] = new double[c.Dim];
                for (var d = 0; d < c.Dim; d++)
                for (var ch = 0; ch < 3; ch++)
                for (var i = 0; i < p; i++)
                for (var j = 0; j < p; j++)
                    x[t + 1][d] +=
                        w["visual.patch_embedding.weight"][((d * 3 + ch) * p + i) * p + j]
                        * channels[ch][(t / side * p + i) * n + t % side * p + j];
            }
            for (var t = 0; t < x.Length; t++)
            for (var d = 0; d < c.Dim; d++)
                x[t][d] += w["visual.pos_embedding"][t * c.Dim + d];
            x = Norm(x, "visual.pre_norm");
            for (var b = 0; b < c.Layers - 1; b++) // the last block is not Wan's business
            {
                var at = $"visual.transformer.{b}.";
                x = Sum(x, Linear(Attention(Linear(Norm(x, at + "norm1"), at + "attn.to_qkv")), at + "attn.proj"));
                x = Sum(
                    x,
                    Linear(
                        [.. Linear(Norm(x, at + "norm2"), at + "mlp.0").Select(r => r.Select(Gelu).ToArray())],
                        at + "mlp.2"
                    )
                );
            }
            return x;
        }

        private static double[][] Sum(double[][] a, double[][] b) =>
            [.. a.Zip(b, (r, s) => r.Zip(s, (u, v) => u + v).ToArray())];

        private double[][] Norm(double[][] x, string name) =>
            [
                .. x.Select(r =>
                {
                    var mean = r.Average();
                    var scale = 1 / Math.Sqrt(r.Average(v => (v - mean) * (v - mean)) + 1e-5);
                    return r.Select((v, i) => (v - mean) * scale * w[name + ".weight"][i] + w[name + ".bias"][i])
                        .ToArray();
                }),
            ];

        private double[][] Linear(double[][] x, string name)
        {
            var (weight, bias) = (w[name + ".weight"], w[name + ".bias"]);
            return
            [
                .. x.Select(r =>
                    bias.Select((shift, o) => shift + r.Select((v, i) => v * weight[o * r.Length + i]).Sum()).ToArray()
                ),
            ];
        }

        // Rows are queries, then keys, then values, each head after head.
        private double[][] Attention(double[][] qkv)
        {
            var size = c.Dim / c.Heads;
            return
            [
                .. qkv.Select(q =>
                    Enumerable
                        .Range(0, c.Heads)
                        .SelectMany(h =>
                        {
                            double Score(double[] k) =>
                                Enumerable.Range(0, size).Sum(i => q[h * size + i] * k[c.Dim + h * size + i])
                                / Math.Sqrt(size);
                            var shares = qkv.Select(k => Math.Exp(Score(k))).ToArray();
                            return Enumerable
                                .Range(0, size)
                                .Select(i =>
                                    qkv.Select((v, t) => shares[t] * v[2 * c.Dim + h * size + i]).Sum() / shares.Sum()
                                );
                        })
                        .ToArray()
                ),
            ];
        }

        // x times the normal distribution up to x, by its power series.
        private static double Gelu(double x)
        {
            double z = x / Math.Sqrt(2),
                term = z,
                sum = z;
            for (var n = 1; n < 120; n++)
                sum += (term *= -z * z / n) / (2 * n + 1);
            return x / 2 * (1 + 2 / Math.Sqrt(Math.PI) * sum);
        }

        public static double[] Resize(double[] x, int height, int width, int toHeight, int toWidth)
        {
            const double a = -0.75;
            static double Cubic(double d) =>
                Math.Abs(d) switch
                {
                    <= 1 and var t => (a + 2) * t * t * t - (a + 3) * t * t + 1,
                    < 2 and var t => a * t * t * t - 5 * a * t * t + 8 * a * t - 4 * a,
                    _ => 0,
                };
            var made = new double[toHeight * toWidth];
            for (var i = 0; i < toHeight; i++)
            for (var j = 0; j < toWidth; j++)
            {
                double y = (i + 0.5) * height / toHeight - 0.5,
                    z = (j + 0.5) * width / toWidth - 0.5;
                for (var m = (int)Math.Floor(y) - 1; m <= Math.Floor(y) + 2; m++)
                for (var n = (int)Math.Floor(z) - 1; n <= Math.Floor(z) + 2; n++)
                    made[i * toWidth + j] +=
                        Cubic(y - m)
                        * Cubic(z - n)
                        * x[Math.Clamp(m, 0, height - 1) * width + Math.Clamp(n, 0, width - 1)];
            }
            return made;
        }
    }
}
