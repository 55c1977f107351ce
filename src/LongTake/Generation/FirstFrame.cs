using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Media;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>What an image-to-video model is given of the picture a film starts from. Reference: wan/image2video.py.</summary>
internal sealed class FirstFrame(ModelFiles files, string device)
{
    private readonly ModelPart encoder = files.Part(PartKind.ImageEncoder) ?? throw new UserException($"{files.Path}: no CLIP image encoder, without which pictures cannot be " +
        "read; it is models_clip_*.pth in Wan's folder, image_encoder in a diffusers folder, clip_vision in ComfyUI's");

    /// <summary>[1, 3, H, W] in [-1, 1], on the CPU.</summary>
    public static Tensor Pixels(Picture picture) => Data.Pixels.ToTensor(picture.Rgb, picture.Height, picture.Width).Squeeze(2);

    /// <summary>
    /// The size of a film that starts with a picture: the model's own area in the picture's shape, each side cut down to whole tokens. Rounding
    /// is the reference's too: a picture of 832x480 gives 832x464.
    /// </summary>
    public static (int Width, int Height) Size(ModelConfig c, int width, int height)
    {
        var (area, shape) = ((double)c.Width * c.Height, height / (double)width);
        int Side(double pixels, int patch) => Math.Max(1, (int)(Math.Floor(pixels / c.Vae.SpatialStride) / patch)) * patch * c.Vae.SpatialStride;
        return (Side(Math.Sqrt(area / shape), c.Wan.PatchSize[2]), Side(Math.Sqrt(area * shape), c.Wan.PatchSize[1]));
    }

    /// <summary>CLIP's tokens of a picture [1, 3, H, W] in [-1, 1], in float32: the encoder is read, used once and let go.</summary>
    public Tensor Clip(Tensor picture)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Load(encoder.Source(), Dtype.F32, device);
        return scope.Keep(new ClipVision(weights, files.Config.Clip!).Forward(picture.To(device)));
    }

    /// <summary>
    /// Mask and latents [1, stride + Z, latents, h, w]: the mask is one in the first latent; the latents are of the picture, resized (bicubic,
    /// no antialias) and followed by frames of zeros. Encoded in a stream: memory does not grow with the film.
    /// </summary>
    public Tensor Latents(ModelConfig c, WanVae vae, Tensor picture, int latents, int tile, Action<int> step)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var (stride, h, w) = (c.Vae.TemporalStride, c.Height / c.Vae.SpatialStride, c.Width / c.Vae.SpatialStride);
        var first = UpsampleBicubic(picture.To("cpu"), c.Height, c.Width).Unsqueeze(2).To(device);
        var nothing = Zeros([1, 3, stride, c.Height, c.Width]).To(device);
        using var tiles = new WanVaeTiles(vae, h, w, tile);
        var parts = new List<Tensor>();
        for (var t = 0; t < latents; t++)
        {
            step(t);
            parts.Add(tiles.EncodeStep(t == 0 ? first : nothing));
        }
        Tensor[] mask = [Ones([1, stride, 1, h, w]), .. latents > 1 ? [Zeros([1, stride, latents - 1, h, w])] : Array.Empty<Tensor>()];
        return scope.Keep(Cat([Cat(mask, 2).To(device), Cat([.. parts], 2)], 1));
    }
}
