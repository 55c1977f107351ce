using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Evaluation;

/// <summary>
/// The drift lens: where do the student's two heads disagree on its own video? At each stated level the video is noised
/// and both velocities are read off one encoded state; the root mean square of v_fm - v_dm in each latent over that of
/// v_fm, mean of the levels, by the second. Costs two heads and one encoder a level and needs no truth; whether it
/// tells drift is measured, not assumed.
/// </summary>
public sealed class DriftLens : IDisposable
{
    /// <summary>Noise levels at which the heads are asked.</summary>
    public static IReadOnlyList<double> Levels { get; } = [.3, .6, .9];

    private readonly ModelConfig model;
    private readonly Weights weights;
    private readonly DecoupledTransformer student;
    private readonly TextEncoder encoder;
    private readonly Weights words;

    private DriftLens(ModelFolder folder, torch.Device? device)
    {
        model = folder.Config;
        using var file = folder.OpenPart(ModelFolder.Student);
        weights = Weights.Load(file.Source(), ScalarType.BFloat16, device);
        student = new DecoupledTransformer(weights, model.Model, model.HeadBlocks);
        (encoder, words) = folder.LoadText(device);
    }

    /// <summary>The lens of a model whose student has both heads, else null.</summary>
    public static DriftLens? Open(ModelFolder folder, torch.Device? device = null)
    {
        if (!folder.Has(ModelFolder.Student))
            return null;
        using (var file = folder.OpenPart(ModelFolder.Student))
            if (
                Enum.GetValues<Head>()
                    .Any(h =>
                        !file.Names.Any(n => n.StartsWith(DecoupledTransformer.Name(h), StringComparison.Ordinal))
                    )
            )
                return null;
        return new(folder, device);
    }

    /// <summary>Disagreement by the second over the latents [1, C, T, h, w] of a video.</summary>
    public double?[] Of(Tensor latents, string caption, long seed)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator((ulong)new Rng(seed, 17).Seed());
        var text = encoder.Encode([caption]);
        latents = latents.to(text.device);
        var sum = new double[latents.size(2)];
        foreach (var level in Levels)
        {
            using var inner = torch.NewDisposeScope();
            var sigma = Tensor.From<float>([(float)level]).to(latents.device);
            var noise = torch.randn(latents.shape, generator: g).to(latents.device);
            var (x, t) = (Flow.Noisy(latents, noise, sigma), sigma * 1000);
            var state = student.Encode(x, t, text);
            var (fm, dm) = (
                student.Decode(Head.FlowMatching, state, x, t),
                student.Decode(Head.DistributionMatching, state, x, t)
            );
            float[] apart = (fm - dm).square().mean([0, 1, 3, 4]).ToArray<float>(),
                whole = fm.square().mean([0, 1, 3, 4]).ToArray<float>();
            for (var i = 0; i < sum.Length; i++)
                sum[i] += Math.Sqrt(apart[i] / Math.Max(whole[i], 1e-12)) / Levels.Count;
        }
        // A latent is four frames, the first one a single frame.
        var seconds = (int)(model.Frames(sum.Length) / model.Fps);
        return
        [
            .. Enumerable
                .Range(0, seconds)
                .Select(s =>
                    (double?)
                        Enumerable
                            .Range(0, sum.Length)
                            .Where(i => (int)(Math.Max(0, model.Frames(i + 1) - 1) / model.Fps) == s)
                            .Select(i => sum[i])
                            .DefaultIfEmpty(sum[0])
                            .Average()
                ),
        ];
    }

    public void Dispose()
    {
        weights.Dispose();
        words.Dispose();
    }
}
