using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Generation;

/// <summary>Long videos from a model that only knows short clips.</summary>
public static class RollOut
{
    /// <summary>
    /// Latents of the window before that a window repeats (fewer where clips are shorter): the first re-made as an
    /// image latent, the others held.
    /// </summary>
    public const int Overlap = 3;

    /// <summary>
    /// Window after window of the teacher's clip length. The known latents of a window are put back, noised to the
    /// level at hand, before every Euler step (replacement). What drifts in such a video is what long training is for.
    /// </summary>
    /// <param name="velocityOf">The velocity of a window that begins with a frame [1, 3, 1, H, W]; null for the
    /// first.</param>
    /// <param name="tile">As <see cref="VaeTiles"/> takes it.</param>
    public static Tensor Teacher(
        ModelConfig c,
        VideoAutoencoder vae,
        Func<Tensor?, Sampling.Velocity> velocityOf,
        int latents,
        int steps,
        Func<long[], Tensor> draw,
        Action<int> step,
        int tile = 0
    )
    {
        using var outer = torch.NewDisposeScope();
        var sigmas = Times.Sigmas(steps, c.Shift);
        var overlap = Math.Min(Overlap, c.ClipLatents - 1);
        var windows = 1 + (int)Math.Ceiling((latents - c.ClipLatents) / (double)(c.ClipLatents - overlap));
        var video = Window(null, velocityOf(null));
        while (video.size(2) < latents)
        {
            using var scope = torch.NewDisposeScope();
            var end = video.size(2);
            var (h, w) = (video.size(3), video.size(4));
            var frame = LastFrame(vae, video, end - overlap, h, w, tile);
            using var encoder = new VaeTiles(vae, h, w, tile);
            var known = torch.cat([encoder.EncodeStep(frame), video.narrow(2, end - overlap + 1, overlap - 1)], 2);
            var window = Window(known, velocityOf(frame));
            video = torch.cat([video, window.narrow(2, overlap, c.ClipLatents - overlap)], 2).MoveToOuterDisposeScope();
        }
        return video.narrow(2, 0, latents).clone().MoveToOuterDisposeScope();

        Tensor Window(Tensor? known, Sampling.Velocity velocity)
        {
            using var scope = torch.NewDisposeScope();
            var noise = draw(c.LatentShape(c.ClipLatents));
            var x = noise;
            for (var i = 0; i < steps; i++)
            {
                using var inner = torch.NewDisposeScope();
                if (known is not null)
                    x = torch.cat(
                        [
                            known * (1 - sigmas[i]) + noise.narrow(2, 0, overlap) * sigmas[i],
                            x.narrow(2, overlap, c.ClipLatents - overlap),
                        ],
                        2
                    );
                x = (x + velocity(x, 1000 * sigmas[i]) * (sigmas[i + 1] - sigmas[i])).MoveToOuterDisposeScope();
                step(windows * steps);
            }
            if (known is not null)
                x = torch.cat([known, x.narrow(2, overlap, c.ClipLatents - overlap)], 2);
            return x.clone().MoveToOuterDisposeScope();
        }
    }

    /// <summary>
    /// The last frame of a latent, decoded as <see cref="VideoAutoencoder.ImageLatent"/> does, for pictures of any
    /// size.
    /// </summary>
    internal static Tensor LastFrame(VideoAutoencoder vae, Tensor made, long index, long height, long width, int tile)
    {
        using var tiles = new VaeTiles(vae, height, width, tile);
        Tensor? last = null;
        for (var t = Math.Max(0, index - vae.Geometry.WarmUp); t <= index; t++)
            last = tiles.DecodeStep(made.narrow(2, t, 1));
        return last!.narrow(2, last!.size(2) - 1, 1);
    }

    /// <summary>
    /// Segment after segment of a causal model's clip length, each with a cache of its own. The last block of a
    /// segment, its first latent re-made as an image latent, begins the next. Reference: CausVid,
    /// minimal_inference/longvideo_autoregressive_inference.py.
    /// </summary>
    public static Tensor Segments(
        ModelConfig c,
        VideoAutoencoder vae,
        CausalTransformer model,
        CausalSampling how,
        Tensor text,
        int latents,
        Func<long[], Tensor> draw,
        Action<int> step
    )
    {
        using var outer = torch.NewDisposeScope();
        var (length, overlap) = (how.Capacity, how.BlockFrames);
        if (latents > length && length <= overlap)
            throw new UserException(
                $"a clip of {length} latents is one block of {overlap}; segments need two at least"
            );
        var blocks =
            latents <= length
                ? length / overlap
                : length / overlap
                    + (int)Math.Ceiling((latents - length) / (double)(length - overlap)) * (length / overlap - 1);
        var joints = latents <= length ? 0 : (int)Math.Ceiling((latents - length) / (double)(length - overlap));
        var video = Segment(null);
        while (video.size(2) < latents)
        {
            using var scope = torch.NewDisposeScope();
            var end = video.size(2);
            var known = torch.cat(
                [vae.ImageLatent(video, end - overlap), video.narrow(2, end - overlap + 1, overlap - 1)],
                2
            );
            video = torch
                .cat([video, Segment(known).narrow(2, overlap, length - overlap)], 2)
                .MoveToOuterDisposeScope();
        }
        return video.narrow(2, 0, latents).clone().MoveToOuterDisposeScope();

        Tensor Segment(Tensor? known)
        {
            using var cache = how.Cache();
            var made = length - (int)(known?.size(2) ?? 0);
            return CausalRollOut.Generate(
                model,
                how,
                cache,
                [new CausalScene(0, text)],
                draw(c.LatentShape(made)),
                draw,
                known,
                _ => step(blocks * (how.Timesteps.Length + 1) + joints)
            );
        }
    }
}
