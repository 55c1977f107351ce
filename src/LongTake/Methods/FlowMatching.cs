using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Settings of plain flow matching.</summary>
public sealed record FlowMatchingConfig
{
    public int Batch { get; init; } = 16;
    /// <summary>Shift of the noise levels (logit-normal before it).</summary>
    public double Shift { get; init; } = 3;
    /// <summary>Share of samples without any caption, for guidance.</summary>
    public double CaptionDrop { get; init; } = 0.1;
    /// <summary>Share of the clips whose caption also names place and hour.</summary>
    public double LocalCaptions { get; init; } = 0.5;
}

/// <summary>
/// Flow matching of one Wan transformer (MMM eq. 14): on clips it makes the short teacher, together with its text encoder; on
/// takes it is LongSFT.
/// </summary>
public static class FlowMatching
{
    /// <summary>The teacher of short clips. The text encoder learns with it.</summary>
    public static Method Teacher(ModelConfig model, FlowMatchingConfig c, OptimiserConfig optimiser, LatentSet data,
        Weights wan, Weights text, string tokenizer, Action<string, IReadOnlyDictionary<string, Weights>> export)
    {
        var encoder = new TextEncoder(text, model.Text, new SentencePiece(tokenizer), model.Wan.TextLength);
        var items = data.Clips.Count > 0 ? data.Clips : data.Takes;
        if (items.Count == 0) throw new UserException($"{data.Folder}: no clips and no takes to train on");
        var network = new WanTransformer(wan, model.Wan);
        wan.Trainable();
        text.Trainable();
        (Tensor, IReadOnlyList<string>) Draw(Rng random)
        {
            var batch = Enumerable.Range(0, c.Batch).Select(_ => Stretch(random, data, items[random.Int(items.Count)], model.ClipLatents, c)).ToList();
            return (Cat([.. batch.Select(b => b.Latents)]), [.. batch.Select(b => b.Caption)]);
        }
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["wan"] = wan, ["text"] = text },
            Averaged = ["wan", "text"],
            Batch = c.Batch,
            Updates = [new Update("teacher", [.. wan.All.Select(p => KeyValuePair.Create("wan." + p.Key, p.Value)),
                .. text.All.Select(p => KeyValuePair.Create("text." + p.Key, p.Value))], optimiser, (random, weight) =>
            {
                var (x0, captions) = Draw(random);
                var loss = Loss(network.Forward, x0, encoder.Encode(captions), random, c.Shift);
                (loss * weight).Backward();
                return Named("loss", loss);
            })],
            Validate = () => HeldOut(network.Forward, encoder, data, "clip", model.ClipLatents),
            Export = export,
            Release = encoder.Dispose,
        };
    }

    /// <summary>LongSFT: the same network on whole takes, the text encoder frozen.</summary>
    public static Method Long(ModelFolder from, FlowMatchingConfig c, OptimiserConfig optimiser, LatentSet data, Weights wan,
        Action<string, IReadOnlyDictionary<string, Weights>> export)
    {
        var (encoder, text) = from.LoadText();
        if (data.Takes.Count == 0) throw new UserException($"{data.Folder}: no takes to train on; a take is a single shot of at least 10 s");
        var network = new WanTransformer(wan, from.Config.Wan);
        wan.Trainable();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["wan"] = wan },
            Averaged = ["wan"],
            Batch = c.Batch,
            Updates = [new Update("long-sft", [.. wan.All], optimiser, (random, weight) =>
            {
                var total = 0.0;
                for (var i = 0; i < c.Batch; i++)
                {
                    using var scope = new Scope();
                    var take = data.Takes[random.Int(data.Takes.Count)];
                    var caption = random.Uniform() < c.CaptionDrop ? "" : take.Caption;
                    var loss = Loss(network.Forward, data.Latents(take), Frozen(encoder, caption), random, c.Shift);
                    (loss * (weight / c.Batch)).Backward();
                    total += loss.Scalar() / c.Batch;
                }
                return new Dictionary<string, double> { ["loss"] = total };
            })],
            Validate = () => HeldOut(network.Forward, encoder, data, "take", 0),
            Export = export,
            Release = () => { encoder.Dispose(); text.Dispose(); },
        };
    }

    /// <summary>A velocity of latents, timesteps [B] and text.</summary>
    public delegate Tensor Velocity(Tensor x, Tensor timesteps, Tensor text);

    /// <summary>The flow-matching loss with levels and noise drawn from <paramref name="random"/>.</summary>
    public static Tensor Loss(Velocity velocity, Tensor x0, Tensor text, Rng random, double shift)
    {
        var levels = new float[x0.Size(0)];
        for (var i = 0; i < levels.Length; i++) levels[i] = (float)Times.DrawFlow(random, shift);
        using var g = new Generator(random.Seed());
        var (sigma, noise) = (Tensor.From<float>(levels), Randn(x0.Shape, g));
        return Flow.Loss(velocity(Flow.Noisy(x0, noise, sigma), sigma * 1000, text), x0, noise);
    }

    /// <summary>Text features without a graph.</summary>
    public static Tensor Frozen(TextEncoder encoder, params string[] captions)
    {
        using var off = GradMode.Off();
        return encoder.Encode(captions);
    }

    /// <summary>
    /// The loss on held-out items at the fixed levels .2 .5 .8 and fixed noise; at most 8 items. length 0 takes them whole.
    /// </summary>
    public static IReadOnlyDictionary<string, double> HeldOut(Velocity velocity, TextEncoder encoder, LatentSet data, string role, int length)
    {
        using var off = GradMode.Off();
        var items = data.Info.Items.Where(i => i.HeldOut && i.Role == role).Take(8).ToList();
        if (items.Count == 0) items = [.. data.Info.Items.Where(i => i.HeldOut).Take(8)];
        var sum = 0.0;
        var count = 0;
        foreach (var item in items)
            foreach (var level in (float[])[.2f, .5f, .8f])
            {
                using var scope = new Scope();
                using var g = new Generator(count);
                var x0 = data.Latents(item);
                if (length > 0 && x0.Size(2) > length) x0 = Narrow(x0, 2, 0, length);
                var (sigma, noise) = (Tensor.From<float>([level]), Randn(x0.Shape, g));
                sum += Flow.Loss(velocity(Flow.Noisy(x0, noise, sigma), sigma * 1000, encoder.Encode([item.Caption])), x0, noise).Scalar();
                count++;
            }
        return count == 0 ? new Dictionary<string, double>() : new Dictionary<string, double> { ["held-out fm"] = sum / count };
    }

    /// <summary>A clip's latents and caption; from a longer item its beginning, the only stretch that starts with an image latent.</summary>
    private static (Tensor Latents, string Caption) Stretch(Rng random, LatentSet data, LatentItem item, int length, FlowMatchingConfig c)
    {
        var x0 = data.Latents(item);
        if (x0.Size(2) < length) throw new UserException($"{data.Folder}: {item.Name} has {x0.Size(2)} latents, the teacher's clips need {length}");
        var (drop, local) = (random.Uniform() < c.CaptionDrop, random.Uniform() < c.LocalCaptions);
        return (Narrow(x0, 2, 0, length), drop ? "" : Caption(item, local ? length / 2.0 : null));
    }

    /// <summary>The caption of an item, with what its stretch around a latent says when asked for and known.</summary>
    public static string Caption(LatentItem item, double? latent) =>
        latent is { } at && item.LocalAt(at) is { Length: > 0 } local ? $"{item.Caption}. {local}" : item.Caption;

    private static Dictionary<string, double> Named(string name, Tensor value) => new() { [name] = value.Scalar() };
}
