using LongTake.Models;

namespace LongTake.Planning;

/// <summary>Bytes of tensors of the autoencoder beside its weights.</summary>
internal static class VaeMemory
{
    /// <summary>
    /// Decoding latents of [height, width] one after another: the cache, which stays, and what the fullest layer holds with it. Or
    /// <paramref name="samples"/> videos of so many <paramref name="latents"/> in one pass, which needs no cache.
    /// </summary>
    public static (double Cache, double Working) Decode(WanVaeConfig c, double height, double width, double compute, double samples = 1, double latents = 0)
    {
        double cache = 0, working = 0;
        foreach (var layer in VaeLayer.All(c, decode: true))
        {
            var pixels = layer.Pixels(height, width);
            var (frames, one) = (latents > 0 ? samples * (1 + (latents - 1) * layer.Frames) : layer.Frames, pixels * compute);
            double input = layer.Inner * frames * one, output = layer.Outer * frames * one, two = 2 * one;
            cache += latents > 0 ? 0 : layer.Kind switch
            {
                VaeKind.Conv when layer.Time > 1 => two * layer.Inner,
                VaeKind.Block => two * (layer.Inner + layer.Outer),
                VaeKind.Up when layer.Temporal => two * layer.Inner,
                _ => 0,
            };
            working = Math.Max(working, layer.Kind switch
            {
                // Norm and activation make five of their input; the convolution joins it with the two frames before.
                VaeKind.Conv => 7 * input + two * layer.Inner + output,
                VaeKind.Block => 7 * input + two * layer.Inner + 8 * output + two * layer.Outer + (layer.Inner == layer.Outer ? 0 : output),
                VaeKind.Attention => 12 * input + 2 * frames * pixels * pixels * compute,
                _ => layer.Temporal ? input + input + two * layer.Inner + 4 * input + 12 * input + 8 * output : input + 6 * input + 4 * output,
            });
        }
        var picture = 3 * (latents > 0 ? samples * c.Frames((long)latents) : c.TemporalStride) * height * width * c.SpatialStride * c.SpatialStride;
        return (cache, Math.Max(working, picture * (2 * 4 + compute)));
    }
}
