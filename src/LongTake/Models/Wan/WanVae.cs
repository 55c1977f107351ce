using System.Text.Json.Serialization;
using LongTake.Models.Text;

namespace LongTake.Models.Wan;

/// <summary>
/// Shape of a causal video autoencoder; the defaults are Wan 2.1's. A stage for each entry of <see cref="DimMult"/>,
/// with a halving of height and width between stages, and of time where <see cref="TemporalDownsample"/> says so.
/// </summary>
public sealed record WanVaeConfig
{
    /// <summary>Channels of the widest resolution; a stage has this times its entry of DimMult.</summary>
    public int Dim { get; init; } = 96;

    /// <summary>Latent channels.</summary>
    public int ZDim { get; init; } = 16;
    public int[] DimMult { get; init; } = [1, 2, 4, 4];

    /// <summary>Residual blocks of an encoder stage; a decoder stage has one more.</summary>
    public int ResBlocks { get; init; } = 2;
    public bool[] TemporalDownsample { get; init; } = [false, true, true];

    /// <summary>
    /// Latents decoded before the one whose last frame is re-encoded (<see cref="VideoAutoencoder.ImageLatent"/>).
    /// </summary>
    public int WarmUp { get; init; } = 6;

    /// <summary>Mean of each latent channel; empty for 0.</summary>
    public double[] Mean { get; init; } =
    [
        -0.7571,
        -0.7089,
        -0.9113,
        0.1075,
        -0.1745,
        0.9653,
        -0.1517,
        1.5508,
        0.4134,
        -0.0715,
        0.5517,
        -0.3632,
        -0.1922,
        -0.9497,
        0.2503,
        -0.2921,
    ];

    /// <summary>Standard std of each latent channel; empty for 1.</summary>
    public double[] Std { get; init; } =
    [
        2.8184,
        1.4541,
        2.3275,
        2.6558,
        1.2196,
        1.7708,
        2.6052,
        2.0743,
        3.2687,
        2.1526,
        2.8652,
        1.5579,
        1.6382,
        1.1253,
        2.8251,
        1.9160,
    ];

    /// <summary>Pixels of a latent pixel's side.</summary>
    [JsonIgnore]
    public int SpatialStride => 1 << (DimMult.Length - 1);

    /// <summary>Frames of a latent, the first excepted, which has one.</summary>
    [JsonIgnore]
    public int TemporalStride => 1 << TemporalDownsample.Count(t => t);

    /// <summary>Frames that <paramref name="latents"/> latents decode to.</summary>
    public long Frames(long latents) => 1 + (latents - 1) * TemporalStride;

    /// <summary>Latents of <paramref name="frames"/> frames.</summary>
    public long Latents(long frames) => 1 + (frames - 1) / TemporalStride;

    /// <summary>Sizes and strides of the latents.</summary>
    [JsonIgnore]
    public LatentGeometry Geometry => new(ZDim, TemporalStride, SpatialStride, WarmUp);

    /// <summary>(mu - mean) / std, channel by channel.</summary>
    internal Tensor Normalised(Tensor mu) => (mu - Channels(Mean, 0, mu)) / Channels(Std, 1, mu);

    /// <summary>The inverse of <see cref="Normalised"/>.</summary>
    internal Tensor Raw(Tensor latents) =>
        latents.to(ScalarType.Float32) * Channels(Std, 1, latents) + Channels(Mean, 0, latents);

    private Tensor Channels(double[] values, double otherwise, Tensor like)
    {
        var all = values.Length == 0 ? Enumerable.Repeat((float)otherwise, ZDim) : values.Select(v => (float)v);
        return Tensor.From<float>(all.ToArray(), 1, ZDim, 1, 1, 1).to(like.device);
    }

    /// <summary>The frames of a video [B, 3, F, H, W]; an error where it is not whole latents.</summary>
    internal long RequireWhole(Tensor video)
    {
        var (_, _, frames, height, width) = video;
        var (time, space) = (TemporalStride, SpatialStride);
        if ((frames - 1) % time != 0)
        {
            var fewer = Frames(Latents(frames));
            throw new UserException(
                $"a video of {frames} frames cannot be encoded: the count must be 1 + {time} k; try {fewer} "
                    + $"or {fewer + time}"
            );
        }
        if (height % space != 0 || width % space != 0)
            throw new UserException(
                $"a video of {width}x{height} pixels cannot be encoded: both must be multiples of {space}"
            );
        return frames;
    }

    internal WanVaeConfig Checked()
    {
        if (TemporalDownsample.Length != DimMult.Length - 1)
            throw new UserException(
                $"TemporalDownsample has {TemporalDownsample.Length} entries, DimMult {DimMult.Length}; it "
                    + $"needs one fewer than DimMult"
            );
        if ((Mean.Length != 0 && Mean.Length != ZDim) || (Std.Length != 0 && Std.Length != ZDim))
            throw new UserException(
                $"Mean and Std have {Mean.Length} and {Std.Length} entries; give one for each of the {ZDim} "
                    + $"latent channels, or none"
            );
        return this;
    }
}

/// <summary>
/// The causal video autoencoder of Wan 2.1 (arXiv 2503.20314, section 4.1). A latent describes four frames and what
/// came before them, the first latent one frame. <paramref name="compute"/> is the type inside (default: that of the
/// weights); <paramref name="startAtZero"/> draws the last layers as zeros.
/// </summary>
public class WanVae(Weights w, WanVaeConfig config, ScalarType? compute = null, bool startAtZero = false)
    : VideoAutoencoder
{
    private readonly VaeStack encoder = VaeStack.Encoder(w / "encoder", config.Checked());
    private readonly CausalConv toMoments = new(w / "conv1", 2 * config.ZDim, 2 * config.ZDim, 1, 1, startAtZero);
    private readonly CausalConv fromLatents = new(w / "conv2", config.ZDim, config.ZDim, 1, 1);
    private readonly VaeStack decoder = VaeStack.Decoder(w / "decoder", config, startAtZero);

    public override torch.Device Device { get; } = w.Device;

    public override LatentGeometry Geometry => config.Geometry;

    /// <summary>The configuration it was built with.</summary>
    public WanVaeConfig Config => config;

    /// <summary>Video to normalised latents: the mean of the posterior, (mu - mean) / std.</summary>
    public override Tensor Encode(Tensor video, int chunk = 1)
    {
        using var scope = torch.NewDisposeScope();
        return config.Normalised(Moments(video, chunk).narrow(1, 0, config.ZDim)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Encodes the next frames of a video: 1 + 4 k of them first, then 4 k at a time. The latents equal those of <see
    /// cref="Encode"/>; the cache is all that is kept between calls, so memory does not depend on the length of the
    /// video.
    /// </summary>
    public override Tensor EncodeStep(Tensor video, AutoencoderCache cache)
    {
        using var scope = torch.NewDisposeScope();
        var first = cache.First;
        if ((video.size(2) - (first ? 1 : 0)) % config.TemporalStride != 0 || video.size(2) == 0)
            throw new ArgumentException(
                $"a step of {video.size(2)} frames: "
                    + $"{(first ? $"1 + {config.TemporalStride} k first" : $"a multiple of {config.TemporalStride}")}"
            );
        var moments = Encoded(
            toMoments.Forward(encoder.Forward(video.to(compute ?? encoder.Dtype), cache)).to(ScalarType.Float32),
            video,
            first
        );
        return config.Normalised(moments.narrow(1, 0, config.ZDim)).MoveToOuterDisposeScope();
    }

    /// <summary>Mean and log variance of the posterior before normalisation, [B, 2 Z, T, h, w].</summary>
    public override Tensor Moments(Tensor video, int chunk = 1)
    {
        using var scope = torch.NewDisposeScope();
        var frames = config.RequireWhole(video);
        var x = video.to(compute ?? encoder.Dtype);
        if (chunk == 0)
            return Encoded(toMoments.Forward(encoder.Forward(x, null)).to(ScalarType.Float32), video, true)
                .MoveToOuterDisposeScope();
        using var cache = new AutoencoderCache();
        var parts = new List<Tensor>();
        for (long at = 0, next; at < frames; at = next)
        {
            next = Math.Min(frames, config.Frames(config.Latents(at) + chunk - (at == 0 ? 1 : 0)));
            parts.Add(encoder.Forward(x.narrow(2, at, next - at), cache));
        }
        return Encoded(toMoments.Forward(torch.cat([.. parts], 2)).to(ScalarType.Float32), video, true)
            .MoveToOuterDisposeScope();
    }

    /// <summary>What a part beside the convolutions adds to the moments.</summary>
    protected virtual Tensor Encoded(Tensor moments, Tensor video, bool first) => moments;

    /// <summary>What a part beside the convolutions adds to the frames.</summary>
    protected virtual Tensor Decoded(Tensor frames, Tensor latents, bool first) => frames;

    /// <summary>Normalised latents to video, clamped to [-1, 1] unless clamp is false.</summary>
    public override Tensor Decode(Tensor latents, int chunk = 1, bool clamp = true)
    {
        using var scope = torch.NewDisposeScope();
        if (chunk == 0)
            return Frames(latents, null, clamp).MoveToOuterDisposeScope();
        using var cache = new AutoencoderCache();
        return torch
            .cat([.. latents.split(chunk, 2).Select(part => DecodeStep(part, cache, clamp))], 2)
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Decodes the next latents of a video, mostly one: the first gives one frame, every other four. The frames equal
    /// those of <see cref="Decode"/>; the cache is all that is kept between calls.
    /// </summary>
    public override Tensor DecodeStep(Tensor latents, AutoencoderCache cache, bool clamp = true)
    {
        using var scope = torch.NewDisposeScope();
        return Frames(latents, cache, clamp).MoveToOuterDisposeScope();
    }

    private Tensor Frames(Tensor latents, AutoencoderCache? cache, bool clamp)
    {
        var raw = config.Raw(latents);
        var first = cache?.First ?? true;
        var frames = decoder
            .Forward(fromLatents.Forward(raw.to(compute ?? decoder.Dtype)), cache)
            .to(ScalarType.Float32);
        frames = Decoded(frames, raw, first);
        return clamp ? frames.clamp(-1, 1) : frames;
    }
}
