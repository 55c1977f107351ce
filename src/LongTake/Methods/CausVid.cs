using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>Settings of CausVid.</summary>
public sealed record CausVidConfig : ClipMatchingConfig;

/// <summary>
/// CausVid: asymmetric distribution matching of a block-causal student with diffusion forcing. Real clips are noised
/// block by block, each block to a level of the few-step list drawn for itself (or left clean), and one causal forward
/// over the clip cleans them. Starts from a generator that has learnt the teacher's ODE. Videos longer than a clip are
/// made in segments, the last three latents of one beginning the next. Reference: CausVid causvid/dmd.py.
/// </summary>
public static class CausVid
{
    public static MethodEntry Entry { get; } = MethodEntry.Of<CausVidConfig>("CausVid", Build, c => c.Problems());

    private static Method Build(Stage stage, CausVidConfig c)
    {
        var (data, model) = (stage.Latents, stage.Config);
        return ClipMatching.Build("causvid", stage, c, (generator, random, batch) =>
        {
            var x0 = torch
                .cat([
                    .. batch.Items.Select(item =>
                        FlowMatching.Stretch(random, data, item, model.ClipLatents, 0, 0).Latents
                    ),
                ])
                .to(batch.Text.device);
            return Cleaned(
                generator,
                x0,
                batch.Text,
                BlockTimes(random, model, batch.Items.Count),
                model,
                random.Seed()
            );
        });
    }

    /// <summary>
    /// Timesteps [B, T], one for each block: an entry of the few-step list or, as likely as any of them, 0 for clean
    /// context.
    /// </summary>
    public static Tensor BlockTimes(Rng random, ModelConfig model, int batch)
    {
        double[] steps = [.. model.FewSteps, 0];
        var blocks = Nn.BlockMask.Blocks(model.ClipLatents, model.CausalBlock);
        float[] times =
        [
            .. Enumerable
                .Range(0, batch * blocks.Length)
                .SelectMany(i => Enumerable.Repeat((float)steps[random.Int(steps.Length)], blocks[i % blocks.Length])),
        ];
        return Tensor.From<float>(times, batch, model.ClipLatents);
    }

    /// <summary>
    /// Clips noised to timesteps [B, T] and cleaned by one causal forward; clean blocks come out as they went in,
    /// without a gradient.
    /// </summary>
    public static Tensor Cleaned(
        CausalTransformer generator,
        Tensor x0,
        Tensor text,
        Tensor timesteps,
        ModelConfig model,
        long seed
    )
    {
        using var g = new torch.Generator((ulong)seed);
        timesteps = timesteps.to(x0.device);
        var sigma = timesteps / 1000;
        var noisy = Flow.Noisy(x0, torch.randn(x0.shape, generator: g).to(x0.device), sigma);
        return Flow.Clean(
            noisy,
            generator.Forward(noisy, timesteps, text, Nn.BlockMask.Blocks(model.ClipLatents, model.CausalBlock)),
            sigma
        );
    }
}
