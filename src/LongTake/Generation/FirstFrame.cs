using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Video;

namespace LongTake.Generation;

/// <summary>
/// What an image-to-video model is given of the picture a video starts from. Reference: wan/image2video.py.
/// </summary>
internal sealed class FirstFrame(ModelFiles files, torch.Device device)
{
    private readonly ModelPart encoder = files.Require(PartKind.ImageEncoder);

    /// <summary>[1, 3, H, W] in [-1, 1], on the CPU.</summary>
    public static Tensor Pixels(Picture picture) =>
        Data.Pixels.ToTensor(picture.Rgb, picture.Height, picture.Width).squeeze(2);

    /// <summary>
    /// The size of a video that starts with a picture: the model's own area in the picture's shape, each side cut down
    /// to whole tokens. Rounding is the reference's too: a picture of 832x480 gives 832x464.
    /// </summary>
    public static (int Width, int Height) Size(ModelConfig c, int width, int height)
    {
        var (area, shape) = ((double)c.Width * c.Height, height / (double)width);
        int Side(double pixels, int patch) =>
            Math.Max(1, (int)(Math.Floor(pixels / c.Geometry.SpatialStride) / patch))
            * patch
            * c.Geometry.SpatialStride;
        return (Side(Math.Sqrt(area / shape), c.Model.Patch[2]), Side(Math.Sqrt(area * shape), c.Model.Patch[1]));
    }

    /// <summary>
    /// CLIP's tokens of a picture [1, 3, H, W] in [-1, 1], in float32: the encoder is read, used once and let go.
    /// </summary>
    public Tensor Clip(Tensor picture)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Load(encoder.Source(), ScalarType.Float32, device);
        return new ClipVision(weights, files.Config.Clip!).Forward(picture.to(device)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Mask and latents [1, stride + Z, latents, h, w]: the mask is one in the first latent; the latents are of the
    /// picture, resized (bicubic, no antialias) and followed by frames of zeros. Encoded in a stream: memory does not
    /// grow with the video.
    /// </summary>
    public Tensor Latents(ModelConfig c, VideoAutoencoder vae, Tensor picture, int latents, int tile, Action<int> step)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (stride, h, w) = (
            c.Geometry.TemporalStride,
            c.Height / c.Geometry.SpatialStride,
            c.Width / c.Geometry.SpatialStride
        );
        var first = torch
            .nn.functional.interpolate(
                picture.cpu(),
                [c.Height, c.Width],
                mode: torch.InterpolationMode.Bicubic,
                align_corners: false
            )
            .unsqueeze(2)
            .to(device);
        var nothing = torch.zeros([1, 3, stride, c.Height, c.Width]).to(device);
        using var tiles = new VaeTiles(vae, h, w, tile);
        var parts = new List<Tensor>();
        for (var t = 0; t < latents; t++)
        {
            step(t);
            parts.Add(tiles.EncodeStep(t == 0 ? first : nothing));
        }
        Tensor[] mask =
        [
            torch.ones([1, stride, 1, h, w]),
            .. latents > 1 ? [torch.zeros([1, stride, latents - 1, h, w])] : Array.Empty<Tensor>(),
        ];
        return torch.cat([torch.cat(mask, 2).to(device), torch.cat([.. parts], 2)], 1).MoveToOuterDisposeScope();
    }
}
