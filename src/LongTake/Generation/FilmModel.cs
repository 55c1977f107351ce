using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>Which network of a model folder makes the film.</summary>
public enum Speaker
{
    /// <summary>The student's distribution-matching head: a minute in a few steps.</summary>
    DmHead,
    /// <summary>The student's flow-matching head.</summary>
    FmHead,
    /// <summary>The transformer of long tuning.</summary>
    Transformer,
    /// <summary>The short teacher; beyond its clip length it is rolled out window by window.</summary>
    Teacher,
}

/// <summary>How the film is sampled.</summary>
public enum Sampler
{
    /// <summary>Predict, renoise with fresh noise, predict: the student's sampler.</summary>
    FewStep,
    /// <summary>Euler steps along the flow, with guidance.</summary>
    Euler,
}

/// <summary>A film to make.</summary>
public sealed record FilmRequest
{
    public required string Prompt { get; init; }
    public string NegativePrompt { get; init; } = "";
    public long Seed { get; init; }
    public double Seconds { get; init; } = 61;
    public Speaker Speaker { get; init; } = Speaker.DmHead;
    public Sampler Sampler { get; init; } = Sampler.FewStep;
    /// <summary>Steps; 0 takes the model's few-step list, or 50 with Euler.</summary>
    public int Steps { get; init; }
    /// <summary>Guidance, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1;
    /// <summary>First steps the FM head makes before the DM head takes over (hybrid sampling); 0 is the paper.</summary>
    public int FmSteps { get; init; }

    /// <summary>What is wrong with the request for a model, if anything.</summary>
    public IEnumerable<string> Problems(ModelConfig c)
    {
        if (!(Seconds > 0) || c.Latents(Seconds) > c.FilmLatents)
            yield return $"--seconds {Seconds}: this model makes films of more than 0 and at most {c.Frames(c.FilmLatents) / c.Fps:0.#} seconds";
        if (Steps < 0 || Steps > 1000) yield return $"--steps {Steps}: 1 to 1000, or 0 for the model's own list";
        if (!double.IsFinite(Guidance) || Guidance < 0) yield return $"--guidance {Guidance}: a number of at least 0; 1 is none";
        if (string.IsNullOrWhiteSpace(Prompt)) yield return "--prompt: say what the film shows";
        if (FmSteps < 0) yield return $"--fm-steps {FmSteps}: at least 0";
    }
}

/// <summary>The networks of a model folder that are needed to make films, loaded once.</summary>
public sealed class FilmModel : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly TextEncoder text;
    private readonly WanVae vae;
    private readonly Func<Head, Tensor, Tensor, Tensor, Tensor> velocity;

    /// <summary>Loads what a speaker needs: for the DM head the FM head's weights are not even read.</summary>
    public FilmModel(ModelFolder folder, Speaker speaker, bool both = false)
    {
        (Folder, Speaker) = (folder, speaker);
        (text, var textWeights) = folder.LoadText();
        (vae, var vaeWeights) = folder.LoadVae();
        owned.AddRange([text, textWeights, vaeWeights]);
        if (speaker is Speaker.DmHead or Speaker.FmHead)
        {
            var head = speaker == Speaker.DmHead ? Head.DistributionMatching : Head.FlowMatching;
            var (student, weights) = folder.LoadStudent(both ? null : head);
            owned.Add(weights);
            velocity = student.Forward;
            Part = ModelFolder.Student;
        }
        else
        {
            Part = speaker == Speaker.Teacher ? ModelFolder.Teacher : ModelFolder.Transformer;
            var (wan, weights) = folder.LoadWan(Part, Dtype.BF16);
            owned.Add(weights);
            velocity = (_, x, t, e) => wan.Forward(x, t, e);
        }
        Hash = folder.Hash(Part);
    }

    public ModelFolder Folder { get; }
    public Speaker Speaker { get; }
    /// <summary>The file of the model folder that speaks, and its hash.</summary>
    public string Part { get; }
    public string Hash { get; }

    /// <summary>The latents of a film, [1, C, T, h, w]. <paramref name="step"/> gets the network calls made and to make.</summary>
    public Tensor Sample(FilmRequest request, Action<int, int>? step = null, CancellationToken cancel = default)
    {
        var c = Folder.Config;
        if (string.Join("; ", request.Problems(c)) is { Length: > 0 } problems) throw new UserException(problems, usage: true);
        using var outer = new Scope();
        using var off = GradMode.Off();
        using var g = new Generator(new Rng(request.Seed).Seed());
        var latents = c.Latents(request.Seconds);
        var (with, without) = (text.Encode([request.Prompt]), text.Encode([request.NegativePrompt]));
        var main = request.Speaker == Speaker.FmHead ? Head.FlowMatching : Head.DistributionMatching;
        var call = 0;
        Sampling.Velocity Guided(Head head) => Sampling.Guided(
            (x, t) => velocity(head, x, Full([1], t), with), (x, t) => velocity(head, x, Full([1], t), without), request.Guidance);
        void Step(int total)
        {
            cancel.ThrowIfCancellationRequested();
            step?.Invoke(++call, total);
        }
        if (request.Speaker == Speaker.Teacher && latents > c.ClipLatents)
            return outer.Keep(RollOut.Teacher(c, vae, Guided(main), latents, request.Steps > 0 ? request.Steps : 25, g, Step));
        Tensor Noise() => Randn(c.LatentShape(latents), g);
        if (request.Sampler == Sampler.Euler)
        {
            var sigmas = Times.Sigmas(request.Steps > 0 ? request.Steps : 50, c.Shift);
            return outer.Keep(Sampling.Euler(Guided(main), Noise(), sigmas, _ => Step(sigmas.Length - 1)));
        }
        var steps = request.Steps > 0 && request.Steps != c.FewSteps.Length ? Times.FewSteps(request.Steps, c.Shift) : c.FewSteps;
        var index = 0;
        return outer.Keep(Sampling.FewStep(
            (x, t) => Guided(index++ < request.FmSteps ? Head.FlowMatching : main)(x, t), Noise, steps, _ => Step(steps.Length)));
    }

    /// <summary>Decodes latents one at a time; memory does not grow with the film. Frames of H x W x 3 bytes.</summary>
    public IEnumerable<byte[]> Decode(Tensor latents)
    {
        var size = Folder.Config.Width * Folder.Config.Height * 3;
        using var cache = new WanVaeCache();
        var count = latents.Size(2);
        for (long t = 0; t < count; t++)
        {
            byte[] bytes;
            using (new Scope())
            using (GradMode.Off()) bytes = Pixels.ToBytes(vae.DecodeStep(Narrow(latents, 2, t, 1), cache));
            for (var at = 0; at < bytes.Length; at += size) yield return bytes.AsSpan(at, size).ToArray();
        }
    }

    /// <summary>Decodes latents in one pass, [F, H, W, 3] bytes: fast, memory grows with the film.</summary>
    public byte[] DecodeWhole(Tensor latents)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        return Pixels.ToBytes(vae.Decode(latents, chunk: 0));
    }

    /// <summary>Real frames through the autoencoder and back: what the networks could at best make.</summary>
    public byte[] Through(byte[] frames)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        return Pixels.ToBytes(vae.Decode(vae.Encode(Pixels.ToTensor(frames, Folder.Config.Height, Folder.Config.Width), chunk: 0), chunk: 0));
    }

    /// <summary>Frees the networks.</summary>
    public void Dispose() => owned.ForEach(o => o.Dispose());
}
