using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Models.Miniature;

/// <summary>
/// Latents to tokens by weights of each token's own, and, of sequences beyond a clip, the position in the video added.
/// </summary>
public sealed class MiniaturePatches(
    Weights w,
    WanConfig c,
    MiniatureConfig own,
    int longest,
    ScalarType compute,
    int shared = 1
) : IPatches
{
    private const int Pairs = 24;

    private readonly PerTokenLinear linear = new(
        w / "patch_embedding",
        own.Tokens,
        c.PatchVolume * c.InChannels,
        c.Dim,
        WanPatches.Std(c),
        shared
    );

    private readonly Linear? place = own.AbsoluteTimeBeyond > 0 ? new(w / "place", 2 * Pairs, c.Dim, std: 0) : null;

    public Tensor Forward(Tensor x, bool inside)
    {
        WanPatches.Check(x, c);
        using var scope = torch.NewDisposeScope();
        var patches = Convolution.Patches(x, c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]);
        var tokens = linear.Forward(patches, compute, inside).to(ScalarType.Float32);
        var frames = (int)tokens.size(1);
        if (place is not null && frames > own.AbsoluteTimeBeyond)
            tokens = tokens + place.Forward(Positions(frames).to(x.device)).unsqueeze(1);
        return tokens.MoveToOuterDisposeScope();
    }

    // Cosines and sines of pi (k + 1) f / (longest - 1): beyond the longest video they would run backwards.
    private Tensor Positions(int frames)
    {
        if (frames > longest)
            throw new UserException(
                $"{frames} latents: this model tells positions apart up to {longest}; make a shorter video"
            );
        var values = new float[frames * 2 * Pairs];
        for (var f = 0; f < frames; f++)
        for (var k = 0; k < Pairs; k++)
        {
            var angle = Math.PI * (k + 1) * f / (longest - 1);
            values[f * 2 * Pairs + k] = (float)Math.Cos(angle);
            values[f * 2 * Pairs + Pairs + k] = (float)Math.Sin(angle);
        }
        return Tensor.From<float>(values, frames, 2 * Pairs);
    }
}
