using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>Long films from a model that only knows short clips.</summary>
public static class RollOut
{
    /// <summary>Latents of the window before that a window repeats (fewer where clips are shorter): the first re-made as an image latent, the others held.</summary>
    public const int Overlap = 3;

    /// <summary>
    /// Window after window of the teacher's clip length. The known latents of a window are put back, noised to the level at hand,
    /// before every Euler step (replacement). What drifts in such a film is what long training is for.
    /// </summary>
    public static Tensor Teacher(ModelConfig c, WanVae vae, Sampling.Velocity velocity, int latents, int steps, Func<long[], Tensor> draw, Action<int> step)
    {
        using var outer = new Scope();
        var sigmas = Times.Sigmas(steps, c.Shift);
        var overlap = Math.Min(Overlap, c.ClipLatents - 1);
        var windows = 1 + (int)Math.Ceiling((latents - c.ClipLatents) / (double)(c.ClipLatents - overlap));
        var film = Window(null);
        while (film.Size(2) < latents)
        {
            using var scope = new Scope();
            var end = film.Size(2);
            var known = Cat([vae.ImageLatent(film, end - overlap), Narrow(film, 2, end - overlap + 1, overlap - 1)], 2);
            var window = Window(known);
            film = scope.Keep(Cat([film, Narrow(window, 2, overlap, c.ClipLatents - overlap)], 2));
        }
        return outer.Keep(Narrow(film, 2, 0, latents).Clone());

        Tensor Window(Tensor? known)
        {
            using var scope = new Scope();
            var noise = draw(c.LatentShape(c.ClipLatents));
            var x = noise;
            for (var i = 0; i < steps; i++)
            {
                using var inner = new Scope();
                if (known is not null)
                    x = Cat([known * (1 - sigmas[i]) + Narrow(noise, 2, 0, overlap) * sigmas[i], Narrow(x, 2, overlap, c.ClipLatents - overlap)], 2);
                x = inner.Keep(x + velocity(x, 1000 * sigmas[i]) * (sigmas[i + 1] - sigmas[i]));
                step(windows * steps);
            }
            if (known is not null) x = Cat([known, Narrow(x, 2, overlap, c.ClipLatents - overlap)], 2);
            return scope.Keep(x.Clone());
        }
    }

    /// <summary>
    /// Segment after segment of a causal model's clip length, each with a cache of its own. The last block of a segment, its first latent re-made
    /// as an image latent, begins the next. Reference: CausVid, minimal_inference/longvideo_autoregressive_inference.py.
    /// </summary>
    public static Tensor Segments(ModelConfig c, WanVae vae, CausalWanTransformer model, CausalSampling how, Tensor text, int latents, Func<long[], Tensor> draw, Action<int> step)
    {
        using var outer = new Scope();
        var (length, overlap) = (how.Capacity, how.BlockFrames);
        if (latents > length && length <= overlap)
            throw new UserException($"a clip of {length} latents is one block of {overlap}; segments need two at least");
        var blocks = latents <= length ? length / overlap : length / overlap + (int)Math.Ceiling((latents - length) / (double)(length - overlap)) * (length / overlap - 1);
        var joints = latents <= length ? 0 : (int)Math.Ceiling((latents - length) / (double)(length - overlap));
        var film = Segment(null);
        while (film.Size(2) < latents)
        {
            using var scope = new Scope();
            var end = film.Size(2);
            var known = Cat([vae.ImageLatent(film, end - overlap), Narrow(film, 2, end - overlap + 1, overlap - 1)], 2);
            film = scope.Keep(Cat([film, Narrow(Segment(known), 2, overlap, length - overlap)], 2));
        }
        return outer.Keep(Narrow(film, 2, 0, latents).Clone());

        Tensor Segment(Tensor? known)
        {
            using var cache = how.Cache();
            var made = length - (int)(known?.Size(2) ?? 0);
            return CausalRollOut.Generate(model, how, cache, [new CausalScene(0, text)], draw(c.LatentShape(made)), draw, known,
                _ => step(blocks * (how.Timesteps.Length + 1) + joints));
        }
    }
}
