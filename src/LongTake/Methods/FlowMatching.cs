using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Settings of plain flow matching.</summary>
public record FlowMatchingConfig
{
    public int Batch { get; init; } = 16;

    /// <summary>Shift of the noise levels.</summary>
    public double Shift { get; init; } = 3;
    public LevelSampling Levels { get; init; }
    public LevelWeighting Weighting { get; init; }

    /// <summary>Share of samples without any caption, for guidance.</summary>
    public double CaptionDrop { get; init; } = 0.1;

    /// <summary>Share of the clips whose caption also names place and hour.</summary>
    public double LocalCaptions { get; init; } = 0.5;

    internal FlowLevels FlowLevels => new(Shift, Levels, Weighting);
}

/// <summary>
/// What methods share of flow matching: the loss (MMM eq. 14), captions, held-out figures, and tuning one network by
/// it.
/// </summary>
public static class FlowMatching
{
    /// <summary>A velocity of latents, timesteps [B] and text.</summary>
    public delegate Tensor Velocity(Tensor x, Tensor timesteps, Tensor text);

    /// <summary>
    /// Flow matching of one transformer, "wan", on samples of any lengths that <paramref name="draw"/> gives (latents
    /// [1, C, T, h, w] and a caption; it may log), the text encoder frozen. Held-out figures are of whole takes.
    /// </summary>
    public static Method Tune(
        string name,
        ModelFolder from,
        int batch,
        OptimiserConfig optimiser,
        LatentSet data,
        Weights wan,
        Action<string, IReadOnlyDictionary<string, Weights>> export,
        Func<Rng, Dictionary<string, double>, (Tensor Latents, string Caption)> draw,
        FlowLevels levels
    )
    {
        var (encoder, text) = from.LoadText(wan.Device);
        var network = new Transformer(wan, from.Config.Model);
        wan.Trainable();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["wan"] = wan },
            Averaged = ["wan"],
            Batch = batch,
            Updates = [new Update(name, [.. wan.All], optimiser, (random, weight) =>
                {
                    var log = new Dictionary<string, double> { ["loss"] = 0 };
                    for (var i = 0; i < batch; i++)
                    {
                        using var scope = torch.NewDisposeScope();
                        var (latents, caption) = draw(random, log);
                        var loss = Loss(
                            network.Forward,
                            latents.to(wan.Device),
                            Frozen(encoder, caption),
                            random,
                            levels
                        );
                        (loss * (weight / batch)).Backward();
                        log["loss"] += loss.Number() / batch;
                    }
                    return log;
                })],
            Validate = () => HeldOut(network.Forward, encoder, data, "take", 0),
            Export = export,
            Release = text.Dispose,
        };
    }

    /// <summary>The flow-matching loss with levels and noise drawn from <paramref name="random"/>.</summary>
    public static Tensor Loss(Velocity velocity, Tensor x0, Tensor text, Rng random, FlowLevels levels)
    {
        var (noisy, sigma, noise, weight) = levels.Noise(x0, random);
        return Flow.Loss(velocity(noisy, sigma * 1000, text), x0, noise, weight);
    }

    /// <summary>Text features without a graph.</summary>
    public static Tensor Frozen(TextEncoder encoder, params string[] captions)
    {
        using var off = torch.no_grad();
        return encoder.Encode(captions);
    }

    /// <summary>
    /// The loss on held-out items at the fixed levels .2 .5 .8 and fixed noise; at most 8 items. length 0 takes them
    /// whole.
    /// </summary>
    public static IReadOnlyDictionary<string, double> HeldOut(
        Velocity velocity,
        TextEncoder encoder,
        LatentSet data,
        string role,
        int length
    )
    {
        using var off = torch.no_grad();
        var items = data.Info.Items.Where(i => i.HeldOut && i.Role == role).Take(8).ToList();
        if (items.Count == 0)
            items = [.. data.Info.Items.Where(i => i.HeldOut).Take(8)];
        var sum = 0.0;
        var count = 0;
        foreach (var item in items)
        foreach (var level in (float[])[.2f, .5f, .8f])
        {
            using var scope = torch.NewDisposeScope();
            using var g = new torch.Generator((ulong)count);
            var text = encoder.Encode([item.Caption]);
            var x0 = data.Latents(item).to(text.device);
            if (length > 0 && x0.size(2) > length)
                x0 = x0.narrow(2, 0, length);
            var (sigma, noise) = (
                Tensor.From<float>([level]).to(x0.device),
                torch.randn(x0.shape, generator: g).to(x0.device)
            );
            sum += Flow.Loss(velocity(Flow.Noisy(x0, noise, sigma), sigma * 1000, text), x0, noise).Number();
            count++;
        }
        return count == 0
            ? new Dictionary<string, double>()
            : new Dictionary<string, double> { ["held-out fm"] = sum / count };
    }

    /// <summary>
    /// A clip's latents and caption, dropped or with place and hour by the shares given; from a longer item its
    /// beginning, the only stretch that starts with an image latent.
    /// </summary>
    public static (Tensor Latents, string Caption) Stretch(
        Rng random,
        LatentSet data,
        LatentItem item,
        int length,
        double captionDrop,
        double localCaptions
    )
    {
        var x0 = data.Latents(item);
        if (x0.size(2) < length)
            throw new UserException(
                $"{data.Folder}: {item.Name} has {x0.size(2)} latents, the teacher's clips need {length}"
            );
        var (drop, local) = (random.Uniform() < captionDrop, random.Uniform() < localCaptions);
        return (x0.narrow(2, 0, length), drop ? "" : Caption(item, local ? length / 2.0 : null));
    }

    /// <summary>The caption of an item, with what its stretch around a latent says when asked for and known.</summary>
    public static string Caption(LatentItem item, double? latent) =>
        latent is { } at && item.LocalAt(at) is { Length: > 0 } local ? $"{item.Caption}. {local}" : item.Caption;

    /// <summary>Every caption that <see cref="Caption"/> can give for items of a set.</summary>
    public static IEnumerable<string> Captions(LatentSet data) =>
        data
            .Info.Items.SelectMany(i =>
                i.Locals.Distinct().Where(l => l.Length > 0).Select(l => $"{i.Caption}. {l}").Prepend(i.Caption)
            )
            .Distinct();
}
