using Microsoft.ML.OnnxRuntime;

namespace LongTake.Evaluation;

/// <summary>
/// Features of windows of video out of a ResNet-18 that was trained on ImageNet and on nothing of ours: three pairs of
/// frames a window, a quarter of a second apart; the mean of the 512 pooled features over the six frames, and their
/// mean change within a pair. The network is the ONNX file of the NuGet package
/// Microsoft.ML.DnnImageFeaturizer.ResNet18, which the program carries with it.
/// </summary>
public sealed class ImageNetFeatures : IDisposable
{
    private const int Side = 224;
    private const int Pairs = 3;

    // Of ImageNet, in the order of the network's channels: blue, green, red; of bytes.
    private static readonly float[] Means = [103.94f, 116.78f, 123.68f];

    private readonly InferenceSession network;
    private readonly string input;
    private readonly float[] picture = new float[3 * Side * Side];

    /// <summary>The network in a file; by default that beside the program.</summary>
    /// <exception cref="UserException">There is no such file.</exception>
    public ImageNetFeatures(string? path = null)
    {
        path ??= Path.Combine(AppContext.BaseDirectory, "ResNet18.onnx");
        if (!File.Exists(path))
            throw new UserException(
                $"{path}: not there; the distance FDi needs the ResNet-18 that the program longtake brings with it"
            );
        // One thread, so that numbers do not depend on the machine's, and jobs beside each other do not crowd it.
        using var options = new SessionOptions { IntraOpNumThreads = 1, InterOpNumThreads = 1 };
        network = new InferenceSession(path, options);
        input = network.InputNames[0];
    }

    /// <summary>Features of each whole window, [windows][1024].</summary>
    /// <param name="video">Bytes [frames, side, side, 3].</param>
    /// <param name="side">Pixels, 8 or more.</param>
    /// <param name="frames">Of a window.</param>
    /// <param name="apart">Frames from the first of a pair to its second: a quarter of a second.</param>
    public float[][] Of(byte[] video, int side, int frames, int apart) =>
        [.. RandomFeatures.Windows(video, side * side * 3 * frames).Select(w => OfWindow(w, side, frames, apart))];

    private float[] OfWindow(byte[] window, int side, int frames, int apart)
    {
        var bytes = side * side * 3;
        apart = Math.Clamp(apart, 1, frames - 1);
        var features = new float[2 * 512];
        for (var pair = 0; pair < Pairs; pair++)
        {
            var at = (frames - 1 - apart) * (2 * pair + 1) / (2 * Pairs);
            var first = OfPicture(window.AsSpan(at * bytes, bytes), side);
            var second = OfPicture(window.AsSpan((at + apart) * bytes, bytes), side);
            for (var i = 0; i < first.Length; i++)
            {
                features[i] += (first[i] + second[i]) / (2 * Pairs);
                features[512 + i] += Math.Abs(first[i] - second[i]) / Pairs;
            }
        }
        return features;
    }

    private float[] OfPicture(ReadOnlySpan<byte> rgb, int side)
    {
        Enlarge(rgb, side);
        using var value = OrtValue.CreateTensorValueFromMemory(picture, [1, 3, Side, Side]);
        using var run = new RunOptions();
        using var results = network.Run(run, [input], [value], network.OutputNames);
        return results[0].GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Nearest pixels: the world's edges are hard, and stay so.</summary>
    private void Enlarge(ReadOnlySpan<byte> rgb, int side)
    {
        for (var channel = 0; channel < 3; channel++)
        for (var y = 0; y < Side; y++)
        for (var x = 0; x < Side; x++)
        {
            var from = (y * side / Side * side + x * side / Side) * 3 + 2 - channel;
            picture[(channel * Side + y) * Side + x] = rgb[from] - Means[channel];
        }
    }

    public void Dispose() => network.Dispose();
}
