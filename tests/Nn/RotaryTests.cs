using System.Text.RegularExpressions;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class RotaryTests
{
    private static Tensor Rotated(Tensor x, long t, long h, long w, int start)
    {
        var (cos, sin) = Rotary.Table((int)x.size(3), (int)t, (int)h, (int)w, start);
        long[] shape = [1, t * h * w, 1, x.size(3) / 2];
        return Rotary.Apply(x, Tensor.From<float>(cos, shape), Tensor.From<float>(sin, shape));
    }

    [SkippableTheory]
    [InlineData("rope_apply", false)]
    [InlineData("causal_rope_apply_far", true)]
    public void TokensAreRotatedAsTheReferenceDoes(string name, bool far)
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("wan_units");
        var (x, sizes) = (f["inputs/rope_x"], f["inputs/rope_grid_sizes"].ToArray<long>());
        var start = far ? (int)f["inputs/rope_start_frame"].ToDouble() : 0;
        for (var b = 0; b < sizes.Length / 3; b++)
        {
            var (t, h, w) = (sizes[3 * b], sizes[3 * b + 1], sizes[3 * b + 2]);
            var expected = f["outputs/" + name][b].narrow(0, 0, t * h * w).unsqueeze(0); // tokens beyond are padding
            Near.Equal(expected, Rotated(x[b].narrow(0, 0, t * h * w).unsqueeze(0), t, h, w, start), 2e-6, 1e-5);
        }
    }

    /// <summary>
    /// Frames at any times: outputs/rope/[queryN_]startS[_scene_cut], where a cut moves the last three frames to 45,
    /// 46, 47.
    /// </summary>
    [SkippableFact]
    public void SceneCutsAreRotatedAsInfinityRopeDoes()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("infinity_rope");
        var (x, sizes) = (f["inputs/rope/x"], f["inputs/rope/grid_sizes"].ToArray<long>());
        foreach (var name in f.Keys.Where(k => k.StartsWith("outputs/rope/", StringComparison.Ordinal)))
        {
            var m = Regex.Match(name, @"(?:query(\d+)_)?start(\d+)(_scene_cut)?$");
            var frames = m.Groups[1].Success ? int.Parse(m.Groups[1].Value) : (int)sizes[0];
            var times = Enumerable.Range(int.Parse(m.Groups[2].Value), frames).ToArray();
            if (m.Groups[3].Success)
                for (var i = 0; i < 3; i++)
                    times[^(3 - i)] = KvCache.CutTime + i;
            var n = frames * sizes[1] * sizes[2];
            var (cos, sin) = Rotary.Table((int)x.size(3), times, (int)sizes[1], (int)sizes[2]);
            long[] shape = [1, n, 1, x.size(3) / 2];
            Near.Equal(
                f[name],
                Rotary.Apply(x.narrow(1, 0, n), Tensor.From<float>(cos, shape), Tensor.From<float>(sin, shape)),
                1e-5
            );
        }
    }

    [SkippableFact]
    public void TheSinusoidIsTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var f = Fixtures.Read("wan_units");
        var dim = (int)f["inputs/freq_dim"].ToDouble();
        foreach (
            var (input, output) in ((string, string)[])
                [("timesteps", "sinusoidal_embedding_f64"), ("timesteps_int", "sinusoidal_embedding_int_f64")]
        )
        {
            var ours = WanEmbedding.Sinusoid(f["inputs/" + input].unsqueeze(0), dim)[0];
            Near.Equal(f["outputs/" + output].to(ScalarType.Float32), ours, 2e-6);
        }
    }

    [Fact]
    public void ScoresDependOnDistancesOnly()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (q, k) = (
            torch.randn([1, 1, 1, 12], generator: g).expand(1, 8, 1, 12),
            torch.randn([1, 1, 1, 12], generator: g).expand(1, 8, 1, 12)
        );
        Tensor Scores(int start) =>
            Rotated(q, 2, 2, 2, start).reshape(8, 12).matmul(Rotated(k, 2, 2, 2, start).reshape(8, 12).transpose(0, 1));
        Near.Equal(Scores(0), Scores(37), 1e-5, 1e-5);
        Near.Equal(q.norm(), Rotated(q, 2, 2, 2, 5).norm(), 1e-5);
    }

    /// <summary>
    /// Scores of time heads depend on the distance in time alone, those of space heads on the place alone.
    /// </summary>
    [Fact]
    public void AxialHeadsTurnByTheirOwnAxis()
    {
        using var scope = torch.NewDisposeScope();
        var (cos, sin) = Rotary.AxialTable(2, 8, 3, 2, 2);
        long[] shape = [1, 12, 2, 4];
        using var g = new torch.Generator((ulong)(1));
        var one = torch.randn([1, 1, 2, 8], generator: g).expand(1, 12, 2, 8);
        // [heads, tokens, d]
        var turned = Rotary
            .Apply(one, Tensor.From<float>(cos, shape), Tensor.From<float>(sin, shape))[0]
            .transpose(0, 1);
        var scores = turned.matmul(turned.transpose(1, 2)).ToArray<float>();
        for (var i = 0; i < 12; i++)
        for (var j = 0; j < 12; j++)
        {
            // as between the first places of both times
            Assert.Equal(scores[i / 4 * 4 * 12 + j / 4 * 4], scores[i * 12 + j], 4);
            // as between both places at the first time
            Assert.Equal(scores[144 + i % 4 * 12 + j % 4], scores[144 + i * 12 + j], 4);
        }
        Assert.NotEqual(scores[0], scores[4], 2);
        Assert.NotEqual(scores[144], scores[145], 2);
    }
}
