namespace LongTake.Data;

/// <summary>RGB bytes to and from the tensors of the autoencoder.</summary>
public static class Pixels
{
    /// <summary>[F, H, W, 3] bytes -> [1, 3, F, H, W] in [-1, 1].</summary>
    public static Tensor ToTensor(ReadOnlySpan<byte> rgb, int height, int width) =>
        (Tensor.FromBytes(rgb, Dtype.U8, rgb.Length / (3 * height * width), height, width, 3).To(Dtype.F32) / 127.5 - 1)
            .Permute(3, 0, 1, 2).Contiguous().Unsqueeze(0);

    /// <summary>[1, 3, F, H, W] in [-1, 1] -> F frames of H x W x 3 bytes, rounded.</summary>
    public static byte[] ToBytes(Tensor video)
    {
        using var scope = new Scope();
        return Clamp(Round((video.Squeeze(0) + 1) * 127.5), 0, 255).Permute(1, 2, 3, 0).To(Dtype.U8).To("cpu").Contiguous().ToArray<byte>();
    }
}
