using LongTake.Models.Text;

namespace LongTake.Models;

/// <summary>
/// A video through the autoencoder in tiles, so that the activations in memory are one tile's, whatever the picture's
/// size. Tiles are squares of at most so many latent pixels, evenly spread, neighbours sharing a quarter of one at
/// least; where they meet they are blended linearly. Each has a cache of its own, so a video is made latent by latent.
/// Where one tile suffices this is the whole picture, bit for bit. Tiles see no further than their edge: attention
/// among the pixels of a frame becomes attention within a tile.
/// </summary>
public sealed class VaeTiles : IDisposable
{
    /// <summary>Latent pixels of a tile's side: 256 pixels of Wan's, as is usual.</summary>
    public const int Side = 32;

    private const int LeastSide = 8,
        WholePixels = 832 * 480;

    private readonly VideoAutoencoder vae;
    private readonly Axis down,
        across;
    private readonly AutoencoderCache[] caches; // row by row
    private readonly TensorStore shares = new();

    /// <summary>
    /// For a video of [height, width] latent pixels; <paramref name="side"/> 0 is one tile of any size.
    /// </summary>
    /// <exception cref="UserException">Tiles that are too small, or an autoencoder of one size of picture
    /// only.</exception>
    public VaeTiles(VideoAutoencoder vae, long height, long width, int side = 0)
    {
        if (side is < 0 or (> 0 and < LeastSide))
            throw new UserException(
                $"tiles of {side * vae.Geometry.SpatialStride} pixels: give "
                    + $"{LeastSide * vae.Geometry.SpatialStride} at least, or 0 for whole pictures",
                usage: true
            );
        this.vae = vae;
        (down, across) = (new((int)height, side), new((int)width, side));
        caches =
        [
            .. Enumerable.Range(0, down.Starts.Length * across.Starts.Length).Select(_ => new AutoencoderCache()),
        ];
        if (caches.Length > 1 && vae.Geometry.FixedSize)
            throw new UserException(
                "this model's autoencoder makes whole pictures of one size; leave the tiles out",
                usage: true
            );
    }

    /// <summary>Tiles of a picture.</summary>
    public int Count => caches.Length;

    /// <summary>Bytes held between calls.</summary>
    public long Bytes => caches.Sum(c => c.Bytes);

    /// <summary>
    /// The side taken when none is asked for: pictures of up to 832x480 pixels whole, beyond that <see cref="Side"/>.
    /// </summary>
    public static int Automatic(LatentGeometry g, long height, long width) =>
        g.FixedSize || height * width <= WholePixels ? 0 : Side;

    /// <summary>As <see cref="VideoAutoencoder.DecodeStep"/>, clamped.</summary>
    public Tensor DecodeStep(Tensor latents) =>
        Step(latents, (x, cache) => vae.DecodeStep(x, cache), 1, vae.Geometry.SpatialStride);

    /// <summary>As <see cref="VideoAutoencoder.EncodeStep"/>.</summary>
    public Tensor EncodeStep(Tensor video) => Step(video, vae.EncodeStep, vae.Geometry.SpatialStride, 1);

    // A latent pixel has `into` pixels a side going in, `outOf` coming out.
    private Tensor Step(Tensor x, Func<Tensor, AutoencoderCache, Tensor> pass, int into, int outOf)
    {
        using var scope = torch.NewDisposeScope();
        if (caches.Length == 1)
            return pass(x, caches[0]).MoveToOuterDisposeScope();
        Tensor? whole = null;
        for (var i = 0; i < caches.Length; i++)
        {
            using var inner = torch.NewDisposeScope();
            var (row, column) = Math.DivRem(i, across.Starts.Length);
            Tensor Part(Tensor picture, int scale) =>
                picture
                    .narrow(3, down.Starts[row] * scale, down.Size * scale)
                    .narrow(4, across.Starts[column] * scale, across.Size * scale);
            var made = pass(Part(x, into), caches[i]);
            whole ??= torch
                .zeros([made.size(0), made.size(1), made.size(2), down.Length * outOf, across.Length * outOf])
                .to(made.device)
                .MoveToOuterDisposeScope();
            var share = shares[(i, outOf)] ??= (
                Tensor.From<float>(down.Share(row, outOf)).unsqueeze(1)
                * Tensor.From<float>(across.Share(column, outOf))
            ).to(made.device);
            Part(whole, outOf).add_(made * share);
        }
        return whole!.MoveToOuterDisposeScope();
    }

    /// <summary>Frees what is held.</summary>
    public void Dispose()
    {
        foreach (var cache in caches)
            cache.Dispose();
        shares.Dispose();
    }

    /// <summary>One direction of the picture: where its tiles start, and how much of each pixel is whose.</summary>
    private sealed class Axis
    {
        public Axis(int length, int side)
        {
            (Length, Size) = (length, side == 0 ? length : Math.Min(side, length));
            var overlap = Size / 4;
            var count = Size == length ? 1 : (int)Math.Ceiling((length - overlap) / (double)(Size - overlap));
            Starts =
            [
                .. Enumerable
                    .Range(0, count)
                    .Select(i => count == 1 ? 0 : (int)Math.Round(i * (double)(length - Size) / (count - 1))),
            ];
        }

        public int Length { get; }
        public int Size { get; }
        public int[] Starts { get; }

        /// <summary>
        /// A tile's part of each of its pixels, <paramref name="scale"/> of them a latent pixel; all tiles' parts sum
        /// to one.
        /// </summary>
        public float[] Share(int tile, int scale) =>
            [
                .. Enumerable
                    .Range(0, Size * scale)
                    .Select(i =>
                    {
                        var at = Starts[tile] + (i + 0.5) / scale;
                        return (float)(
                            Ramp(tile, at) / Enumerable.Range(0, Starts.Length).Sum(other => Ramp(other, at))
                        );
                    }),
            ];

        // One inside, falling to nothing across what is shared with a neighbour.
        private double Ramp(int tile, double at)
        {
            var (begin, end) = (Starts[tile], Starts[tile] + Size);
            if (at <= begin || at >= end)
                return 0;
            var rise = tile == 0 ? 1 : (at - begin) / (Starts[tile - 1] + Size - begin);
            var fall = tile == Starts.Length - 1 ? 1 : (end - at) / (end - Starts[tile + 1]);
            return Math.Min(1, Math.Min(rise, fall));
        }
    }
}
