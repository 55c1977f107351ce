using LongTake.Data;
using LongTake.Models;

namespace LongTake.Bench;

/// <summary>Peak memory of the whole process while it decodes ten seconds and ten minutes of film, latent by latent, to bytes.</summary>
internal static class DecodeLength
{
    public static IEnumerable<Row> Rows()
    {
        const int side = 16;   // latent pixels: pictures of 64x64, of which ten minutes are 118 MB as bytes
        var c = new WanVaeConfig { Dim = 4, ZDim = 4, DimMult = [1, 2, 2], ResBlocks = 2, TemporalDownsample = [false, true], Mean = [], Std = [] };
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, c);
        using var g = new Generator(1);
        var latents = Randn([1, c.ZDim, c.Latents(9601), side, side], g);
        Decode(c.Latents(481));   // what a process takes once, and the collector's room
        double seconds = Peak(() => Decode(c.Latents(161))), minutes = Peak(() => Decode(latents.Size(2)));
        yield return new("decode.10min.peak", minutes / 1e6, "MB", seconds / 1e6, "10 s of the same film", Lower: true) { Least = 0.95, Note = "whole process, 16 fps, 64x64" };

        void Decode(long count)
        {
            using var tiles = new WanVaeTiles(vae, side, side);
            for (long t = 0; t < count; t++)
            {
                using var inner = new Scope();
                Pixels.ToBytes(tiles.DecodeStep(Narrow(latents, 2, t, 1)));
            }
        }

        static double Peak(Action work)
        {
            PeakMemory.Restart();
            work();
            return PeakMemory.Highest;
        }
    }
}
