using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Evaluation;

/// <summary>
/// Features of 5-s windows out of the short teacher: a window's frames are encoded as a clip of their own, noised to
/// sigma .1 with noise that is the same for all windows, and shown to the teacher without a caption; its state after
/// the blocks that the student's encoder is made of, mean and std of each channel over all tokens. A window is
/// one clip of the teacher.
/// </summary>
public sealed class TeacherFeatures : IDisposable
{
    private const float Level = .1f;
    private readonly ModelConfig model;
    private readonly VideoAutoencoder vae;
    private readonly DecoupledTransformer teacher;
    private readonly Weights vaeWeights,
        teacherWeights;
    private readonly Tensor noise,
        text;

    /// <summary>The teacher of a model folder that has autoencoder, text encoder and teacher.</summary>
    public TeacherFeatures(ModelFolder folder, torch.Device? device = null)
    {
        model = folder.Config;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        (vae, vaeWeights) = folder.LoadVae(device: device);
        using var file = folder.OpenPart(ModelFolder.Teacher);
        teacherWeights = Weights.Load(
            DecoupledTransformer.FromTransformer(file.Source(), model.Model.Blocks, model.HeadBlocks),
            ScalarType.BFloat16,
            device
        );
        teacher = new DecoupledTransformer(
            teacherWeights,
            model.Model,
            model.HeadBlocks,
            only: Head.DistributionMatching
        );
        var (encoder, words) = folder.LoadText(device);
        using (words)
            text = encoder.Encode([""]).DetachFromDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        noise = torch.randn(model.LatentShape(model.ClipLatents), generator: g).to(vae.Device).DetachFromDisposeScope();
    }

    /// <summary>Frames of a window.</summary>
    public int WindowFrames => model.Frames(model.ClipLatents);

    /// <summary>Real frames through the autoencoder and back: what a network could at best make.</summary>
    public byte[] Through(byte[] rgb)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        return Pixels.ToBytes(
            vae.Decode(vae.Encode(Pixels.ToTensor(rgb, model.Height, model.Width).to(vae.Device), chunk: 0), chunk: 0)
        );
    }

    /// <summary>Features of each whole window of a video, [windows][2 x dim].</summary>
    public float[][] Of(byte[] rgb)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var windows = RandomFeatures
            .Windows(rgb, 3 * model.Width * model.Height * WindowFrames)
            .Select(w => Pixels.ToTensor(w, model.Height, model.Width))
            .ToArray();
        if (windows.Length == 0)
            return [];
        var clean = vae.Encode(torch.cat(windows).to(vae.Device), chunk: 0);
        var times = torch.full([windows.Length], 1000 * Level, device: clean.device);
        var state = teacher
            .Encode(clean * (1 - Level) + noise * Level, times, Expand(text, windows.Length))
            .X.to(ScalarType.Float32);
        var tokens = state.reshape(windows.Length, -1, state.size(-1));
        var mean = tokens.mean([1], keepdim: true);
        var std = (tokens - mean).square().mean([1]).sqrt();
        var all = torch.cat([mean.squeeze(1), std], 1).contiguous().ToArray<float>();
        return [.. all.Chunk(all.Length / windows.Length)];
    }

    private static Tensor Expand(Tensor text, int count) => torch.cat([.. Enumerable.Repeat(text, count)]);

    public void Dispose()
    {
        noise.Dispose();
        text.Dispose();
        teacherWeights.Dispose();
        vaeWeights.Dispose();
    }
}
