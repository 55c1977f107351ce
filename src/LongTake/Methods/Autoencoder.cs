using LongTake.Models;

namespace LongTake.Methods;

/// <summary>Settings of autoencoder training.</summary>
public sealed record AutoencoderConfig
{
    public int Batch { get; init; } = 8;

    /// <summary>Frames of a training stretch, 1 + 4k.</summary>
    public int Frames { get; init; } = 17;

    /// <summary>
    /// Weight of the KL term per latent number; 0 trains without sampling and with <see cref="Noise"/> instead.
    /// </summary>
    public double Kl { get; init; } = 1e-4;

    /// <summary>
    /// Deviation of the noise on the latents in training when there is no KL term: the decoder must bear small errors.
    /// </summary>
    public double Noise { get; init; } = 0.05;

    /// <summary>Stretches the linear path is fitted to, when the model has one and starts anew.</summary>
    public int LinearFit { get; init; } = 1000;

    /// <summary>Weight of the absolute error beside the squared one.</summary>
    public double Absolute { get; init; } = 0.3;
}

/// <summary>Trains the causal video autoencoder: reconstruction and a small KL term to a standard normal.</summary>
public static class Autoencoder
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<AutoencoderConfig>("Autoencoder", Build, Problems) with
        {
            FromNothing = true,
        };

    private static IEnumerable<string> Problems(AutoencoderConfig c)
    {
        if (c.Frames is var f && (f < 1 || (f - 1) % 4 != 0))
            yield return $"frames {f}: must be 1 + 4k; try {Math.Max(1, (f - 1) / 4 * 4 + 1)} or "
                + $"{Math.Max(1, (f - 1) / 4 * 4 + 5)}";
    }

    private static Method Build(Stage stage, AutoencoderConfig c)
    {
        var (model, weights) = (stage.Config, stage.Start(ModelFolder.Vae));
        var raw = model.Vae with { Mean = [], Std = [] }; // statistics come after training
        var vae = (model with { Vae = raw }).Model.Autoencoder(weights, ScalarType.BFloat16);
        weights.Trainable();
        foreach (var t in (weights / "linear").Tensors)
            t.requires_grad_(false);
        Tensor Video(Rng random, int count) =>
            torch.cat([
                .. Enumerable
                    .Range(0, count)
                    .Select(_ => Data.Pixels.ToTensor(stage.Video(random, c.Frames), model.Height, model.Width)),
            ]);
        Tensor Moved(Rng random, int count) => Video(random, count).to(weights.Device);
        if (vae.HasFittedPart && stage.From is null)
        {
            using var scope = torch.NewDisposeScope();
            vae.Fit(Video(new Rng(30_000), c.LinearFit));
        }
        KeyValuePair<string, Tensor>[] trained = [.. weights.All.Where(p => p.Value.requires_grad)];
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["vae"] = weights },
            Averaged = ["vae"],
            Batch = c.Batch,
            Updates = [new Update("vae", trained, stage.Optimiser, (random, weight) =>
                {
                    var video = Moved(random, c.Batch);
                    var moments = vae.Moments(video, chunk: 0);
                    var (mu, logVar) = (
                        moments.narrow(1, 0, raw.ZDim),
                        moments.narrow(1, raw.ZDim, raw.ZDim).clamp(-20, 10)
                    );
                    using var g = new torch.Generator((ulong)random.Seed());
                    var std = c.Kl > 0 ? (logVar * 0.5).exp() : torch.full([1], c.Noise, device: mu.device);
                    var decoded = vae.Decode(
                        mu + std * torch.randn(mu.shape, generator: g).to(mu.device),
                        chunk: 0,
                        clamp: false
                    );
                    var error = decoded - video;
                    var mse = (error * error).mean();
                    var kl = (mu * mu + logVar.exp() - 1 - logVar).mean() * 0.5;
                    var loss = mse + error.abs().mean() * c.Absolute;
                    if (c.Kl > 0)
                        loss = loss + kl * c.Kl;
                    if (trained.Length > 0) // an autoencoder that is fitted only has nothing to train
                        (loss * weight).Backward();
                    return new Dictionary<string, double>
                    {
                        ["loss"] = loss.Number(),
                        ["psnr"] = Psnr(mse.Number()),
                        ["kl"] = kl.Number(),
                    };
                })],
            Validate = () =>
            {
                using var scope = torch.NewDisposeScope();
                using var off = torch.no_grad();
                var video = Moved(new Rng(20_000), 16);
                var decoded = vae.Decode(vae.Encode(video, chunk: 0), chunk: 0);
                return new Dictionary<string, double> { ["psnr"] = Psnr((decoded - video).square().mean().Number()) };
            },
            Export = (folder, networks) =>
                ModelFolder
                    .Create(folder, Measured(model, networks["vae"], Moved), stage.From, ModelFolder.Vae)
                    .Save(ModelFolder.Vae, networks["vae"]),
        };
    }

    /// <summary>Peak signal-to-noise ratio in dB of a mean squared error over [-1, 1].</summary>
    public static double Psnr(double mse) => 10 * Math.Log10(4 / Math.Max(1e-12, mse));

    /// <summary>
    /// The model with the mean and std of each latent channel over fresh video, as Wan normalises its latents.
    /// </summary>
    private static ModelConfig Measured(ModelConfig model, Weights weights, Func<Rng, int, Tensor> video)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var raw = model with { Vae = model.Vae with { Mean = [], Std = [] } };
        var vae = raw.Model.Autoencoder(weights, ScalarType.BFloat16);
        var z = vae.Encode(video(new Rng(10_000), 64), chunk: 0);
        var mean = z.mean([0, 2, 3, 4]);
        var std = (z - mean.reshape(1, -1, 1, 1, 1)).square().mean([0, 2, 3, 4]).sqrt();
        return model with
        {
            Vae = model.Vae with
            {
                Mean = Doubles(mean),
                Std = !vae.HasFittedPart
                    ? Doubles(std)
                    :
                    [
                        .. Enumerable.Repeat(
                            Math.Round(std.square().mean().sqrt().Number(), 6),
                            model.Geometry.Channels
                        ),
                    ],
            },
        };
    }

    private static double[] Doubles(Tensor x) => [.. x.Numbers().Select(v => Math.Round(v, 6))];
}
