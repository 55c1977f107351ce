using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

/// <summary>Operations and parameters against figures worked out by hand.</summary>
public class FlopsTests
{
    private static readonly WanConfig small = new(),
        large =
            new()
            {
                Dim = 5120,
                FfnDim = 13824,
                Heads = 40,
                Layers = 40,
            };

    /// <summary>
    /// 832x480 is 60x104 latents, 1,560 tokens a latent frame. In PFLOP: 4 n^2 d and 2 n (6 d^2 + 2 d f), times the
    /// blocks.
    /// </summary>
    [Theory]
    [InlineData(false, 21, 0.198, 0.082)]
    [InlineData(false, 61, 1.67, 0.24)]
    [InlineData(false, 121, 6.57, 0.47)]
    [InlineData(false, 240, 25.8, 0.94)]
    [InlineData(false, 245, 26.9, 0.96)]
    [InlineData(true, 21, 0.88, 0.78)]
    [InlineData(true, 121, 29.2, 4.5)]
    public void OfWansForward(bool is14B, int latents, double attention, double linear)
    {
        var f = Flops.Wan(is14B ? large : small, 1, latents, 60, 104);
        Assert.Equal(attention, f.Attention / 1e15, attention * 0.01);
        Assert.Equal(linear, f.Linear / 1e15, linear * 0.015);
    }

    [Fact]
    public void TheClosedFormsToTheLastDigit()
    {
        const double n = 245 * 1560.0,
            d = 1536,
            ffn = 8960,
            blocks = 30,
            text = 512;
        var f = Flops.Wan(small, 1, 245, 60, 104);
        Assert.Equal(blocks * 4 * n * n * d, f.Attention);
        Assert.Equal(blocks * 2 * n * (6 * d * d + 2 * d * ffn), f.Linear);
        Assert.Equal(blocks * (4 * n * text * d + 4 * text * d * d), f.CrossAttention);
        Assert.Equal(2 * f.Total, Flops.Wan(small, 2, 245, 60, 104).Total, f.Total * 1e-12);
        Assert.Equal(4 * f.Attention, Flops.Wan(small, 1, 490, 60, 104).Attention, f.Attention * 1e-12);
    }

    /// <summary>Every convolution of a small autoencoder, counted one by one from the shapes of its weights.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void OfTheAutoencoderByItsWeights(bool decode)
    {
        using var scope = torch.NewDisposeScope();
        var c = new WanVaeConfig
        {
            Dim = 4,
            ZDim = 4,
            DimMult = [1, 2, 2],
            ResBlocks = 2,
            TemporalDownsample = [false, true],
            Mean = [],
            Std = [],
        };
        const double h = 6,
            w = 5,
            latents = 3;
        var expected = 0.0;
        foreach (var (name, shape) in Weights.Shapes(x => _ = new WanVae(x, c)))
        {
            var inside =
                name.StartsWith("decoder.", StringComparison.Ordinal)
                || name.StartsWith("conv2.", StringComparison.Ordinal);
            if (inside != decode || shape.Length < 4 || name.EndsWith("gamma", StringComparison.Ordinal))
                continue;
            expected += 2 * shape.Aggregate(1.0, (a, b) => a * b) * Outputs(name);
        }
        var middle = 4.0 * c.Dim * c.DimMult[^1] * latents * (h * w) * (h * w); // the products of the one attention
        Assert.Equal(expected + middle, Flops.Vae(c, decode, latents, h, w), expected * 1e-9);

        // Output places of a convolution: decoder stages 0 (h w, 3 frames), 1 (after upsamples.3, time doubled too: 5
        // frames), 2 (after upsamples.7); encoder stages 0 (16 h w, 5 frames), 1 (after downsamples.2: 4 h w), 2 (after
        // downsamples.5: h w, 3 frames).
        double Outputs(string name)
        {
            var words = name.Split('.');
            if (words is ["decoder", "upsamples", var up, .. var rest])
                return int.Parse(up) switch
                {
                    < 3 => 3 * h * w,
                    3 => rest[0] == "time_conv" ? 2 * h * w : 5 * 4 * h * w,
                    < 7 => 5 * 4 * h * w,
                    _ => 5 * 16 * h * w,
                };
            if (words is ["encoder", "downsamples", var down, .. var more])
                return int.Parse(down) switch
                {
                    < 2 => 5 * 16 * h * w,
                    < 5 => 5 * 4 * h * w,
                    5 => more[0] == "time_conv" ? 2 * h * w : 5 * h * w,
                    _ => 3 * h * w,
                };
            return name.StartsWith("decoder.head", StringComparison.Ordinal) ? 5 * 16 * h * w
                : name.StartsWith("encoder.conv1", StringComparison.Ordinal) ? 5 * 16 * h * w
                : 3 * h * w;
        }
    }

    /// <summary>Two square maps, cross-attention's four, the MLP: the published 1.3 and 14 billion.</summary>
    [Fact]
    public void ParametersAreThoseOfThePublishedModels()
    {
        var config = new ModelConfig
        {
            Fps = 16,
            Width = 832,
            Height = 480,
            ClipLatents = 21,
            VideoLatents = 245,
            HeadBlocks = 5,
        };
        var plan = GeneratePlan.Of(
            new LongTake.Generation.VideoRequest
            {
                Prompt = "a",
                Network = LongTake.Generation.Network.Transformer,
                Frames = 977,
                Sampler = LongTake.Generation.Sampler.UniPc,
                Steps = 50,
                Guidance = 5,
                Shift = 5,
            }.Resolve(config)
        );
        double Of(string name) => plan.Parameters.Single(a => a.Name == name).Value;
        Assert.Equal(1.419e9, Of("transformer"), 0.001e9);
        Assert.Equal(126.9e6, Of("autoencoder"), 0.1e6);
        Assert.Equal(5.68e9, Of("text encoder"), 0.01e9);
        Assert.Equal(
            100 * Flops.Wan(small, 1, 245, 60, 104).Total,
            plan.Phases.Single(p => p.Name == "sampling").Flops,
            1e12
        );
    }
}
