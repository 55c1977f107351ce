using LongTake.Models;

namespace LongTake.Methods;

/// <summary>Settings of autoencoder training.</summary>
public sealed record AutoencoderConfig
{
    public int Batch { get; init; } = 8;
    /// <summary>Frames of a training stretch, 1 + 4k.</summary>
    public int Frames { get; init; } = 17;
    /// <summary>Weight of the KL term per latent number: keeps the latent space smooth and bounded.</summary>
    public double Kl { get; init; } = 1e-3;
    /// <summary>Weight of the absolute error beside the squared one.</summary>
    public double Absolute { get; init; } = 0.3;
}

/// <summary>Trains the causal video autoencoder: reconstruction and a small KL term to a standard normal.</summary>
public static class Autoencoder
{
    /// <summary>Draws frames [F, H, W, 3] bytes.</summary>
    public delegate byte[] Stretches(Rng random, int frames);

    /// <summary>The method; <paramref name="draw"/> gives training video, <paramref name="export"/> gets the weights and the measured statistics.</summary>
    public static Method Build(ModelConfig model, AutoencoderConfig c, Nn.OptimiserConfig optimiser, Weights weights, Stretches draw,
        Action<string, Weights, ModelConfig> export)
    {
        var raw = model.Vae with { Mean = [], Std = [] };   // statistics come after training
        var vae = new WanVae(weights, raw, Dtype.BF16);
        weights.Trainable();
        Tensor Video(Rng random, int count) => Cat([.. Enumerable.Range(0, count).Select(_ =>
            Data.Pixels.ToTensor(draw(random, c.Frames), model.Height, model.Width))]);
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["vae"] = weights },
            Averaged = ["vae"],
            Batch = c.Batch,
            Updates = [new Update("vae", [.. weights.All], optimiser, (random, weight) =>
            {
                var video = Video(random, c.Batch);
                var moments = vae.Moments(video, chunk: 0);
                var (mu, logVar) = (Narrow(moments, 1, 0, raw.ZDim), Clamp(Narrow(moments, 1, raw.ZDim, raw.ZDim), -20, 10));
                using var g = new Generator(random.Seed());
                var decoded = vae.Decode(mu + Exp(logVar * 0.5) * Randn(mu.Shape, g), chunk: 0, clamp: false);
                var error = decoded - video;
                var mse = Mean(error * error);
                var kl = Mean(mu * mu + Exp(logVar) - 1 - logVar) * 0.5;
                var loss = mse + Mean(Abs(error)) * c.Absolute + kl * c.Kl;
                (loss * weight).Backward();
                return new Dictionary<string, double>
                {
                    ["loss"] = loss.Scalar(), ["psnr"] = Psnr(mse.Scalar()), ["kl"] = kl.Scalar(),
                };
            })],
            Validate = () =>
            {
                using var scope = new Scope();
                using var off = GradMode.Off();
                var video = Video(new Rng(20_000), 16);
                var decoded = vae.Decode(vae.Encode(video, chunk: 0), chunk: 0);
                return new Dictionary<string, double> { ["psnr"] = Psnr(Mean(Square(decoded - video)).Scalar()) };
            },
            Export = (folder, networks) => export(folder, networks["vae"], Measured(model, networks["vae"], Video)),
        };
    }

    /// <summary>Peak signal-to-noise ratio in dB of a mean squared error over [-1, 1].</summary>
    public static double Psnr(double mse) => 10 * Math.Log10(4 / Math.Max(1e-12, mse));

    /// <summary>The model with the mean and deviation of each latent channel over fresh video, as Wan normalises its latents.</summary>
    private static ModelConfig Measured(ModelConfig model, Weights weights, Func<Rng, int, Tensor> video)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var vae = new WanVae(weights, model.Vae with { Mean = [], Std = [] }, Dtype.BF16);
        var z = vae.Encode(video(new Rng(10_000), 64), chunk: 0);
        var mean = Mean(z, [0, 2, 3, 4]);
        var deviation = Sqrt(Mean(Square(z - mean.Reshape(1, -1, 1, 1, 1)), [0, 2, 3, 4]));
        return model with { Vae = model.Vae with { Mean = Doubles(mean), Std = Doubles(deviation) } };
    }

    private static double[] Doubles(Tensor x) => [.. x.To(Dtype.F64).ToArray<double>().Select(v => Math.Round(v, 6))];
}
