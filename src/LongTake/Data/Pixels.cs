namespace LongTake.Data;

/// <summary>RGB bytes to and from the tensors of the autoencoder.</summary>
public static class Pixels
{
    /// <summary>[F, H, W, 3] bytes -> [1, 3, F, H, W] in [-1, 1].</summary>
    // Turned while it is bytes, and scaled in place: of a minute each pass over floats beyond the caches counts.
    public static Tensor ToTensor(ReadOnlySpan<byte> rgb, int height, int width) =>
        Tensor
            .FromBytes(rgb, ScalarType.Byte, rgb.Length / (3 * height * width), height, width, 3)
            .permute(3, 0, 1, 2)
            .contiguous()
            .to(ScalarType.Float32)
            .div_(127.5)
            .sub_(1)
            .unsqueeze(0);

    /// <summary>[1, 3, F, H, W] in [-1, 1] -> F frames of H x W x 3 bytes, rounded.</summary>
    public static byte[] ToBytes(Tensor video)
    {
        using var scope = torch.NewDisposeScope();
        return (video.squeeze(0) + 1)
            .mul_(127.5)
            .round_()
            .clamp_(0, 255)
            .to(ScalarType.Byte)
            .permute(1, 2, 3, 0)
            .contiguous()
            .ToArray<byte>();
    }
}
