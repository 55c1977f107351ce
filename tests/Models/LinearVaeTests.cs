using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Wan;
using LongTake.Worlds;

namespace LongTake.Tests.Models;

public class LinearVaeTests
{
    private static readonly WanVaeConfig config = new()
    {
        ZDim = 24,
        DimMult = [1, 1, 1, 1, 1],
        TemporalDownsample = [false, false, true, true],
        Mean = [],
        Std = [],
    };

    private static Tensor Video(int seed, int count, int frames = 9) =>
        torch.cat([
            .. Enumerable
                .Range(0, count)
                .Select(i => Pixels.ToTensor(World.Traveller.Clip(new Rng(seed, i)).Frames(i % 20, frames, 1), 32, 32)),
        ]);

    private static (LinearVae Vae, Weights Weights) Fitted(bool sharedRows = false)
    {
        var weights = Weights.Create(new Rng(1));
        var vae = new LinearVae(weights, config, (2, 2), sharedRows);
        vae.Fit(Video(1, 24));
        return (vae, weights);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Passes_of_any_length_give_what_one_pass_gives(bool sharedRows)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Fitted(sharedRows);
        using var owned = weights;
        var video = Video(2, 2, 17);
        var latents = vae.Encode(video, chunk: 0);
        Assert.Equal([2, 24, 5, 2, 2], latents.shape);
        using AutoencoderCache encoding = new(),
            decoding = new();
        var steps = torch.cat(
            [
                vae.EncodeStep(video.narrow(2, 0, 5), encoding),
                vae.EncodeStep(video.narrow(2, 5, 8), encoding),
                vae.EncodeStep(video.narrow(2, 13, 4), encoding),
            ],
            2
        );
        Assert.True(latents.allclose(steps, 1e-4, 1e-4));
        var decoded = vae.Decode(latents, chunk: 0);
        Assert.Equal(video.shape, decoded.shape);
        Assert.True(decoded.allclose(vae.Decode(latents, chunk: 2), 1e-4, 1e-4));
        var parts = torch.cat(
            [vae.DecodeStep(latents.narrow(2, 0, 1), decoding), vae.DecodeStep(latents.narrow(2, 1, 4), decoding)],
            2
        );
        Assert.True(decoded.allclose(parts, 1e-4, 1e-4));
        Assert.Equal(0, decoding.Bytes);
    }

    [Theory]
    [InlineData(true, 0, 1e-4)]
    [InlineData(false, 1e-2, 10)]
    public void With_one_basis_a_row_what_moves_sideways_keeps_its_channels(bool sharedRows, double least, double most)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Fitted(sharedRows);
        using var owned = weights;
        var video = Video(2, 2);
        var nothing = vae.Encode(torch.zeros_like(video));
        var still = (vae.Encode(video) - nothing).roll(1, 4);
        var moved = vae.Encode(video.roll(16, 4)) - nothing;
        Assert.InRange((moved - still).square().mean().Number(), least, most);
    }

    [Fact]
    public void More_channels_keep_more_of_the_picture()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var unseen = Video(3, 4);
        double Error(int channels)
        {
            using var weights = Weights.Create(new Rng(1));
            var vae = new LinearVae(weights, config with { ZDim = channels }, (2, 2));
            vae.Fit(Video(1, 24));
            return (vae.Decode(vae.Encode(unseen)) - unseen).square().mean().Number();
        }
        var (few, more) = (Error(4), Error(24));
        Assert.True(more < .7 * few, $"{more} with 24 channels, {few} with 4");
    }

    [Fact]
    public void A_video_that_is_not_whole_latents_or_of_another_size_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        var (vae, weights) = Fitted();
        using var owned = weights;
        Assert.Throws<UserException>(() => vae.Encode(Video(2, 1, 8)));
        Assert.Throws<UserException>(() => vae.Encode(torch.zeros([1, 3, 5, 16, 32])));
        Assert.Throws<UserException>(() => vae.Decode(torch.zeros([1, 24, 2, 1, 2])));
    }

    [Fact]
    public void The_largest_components_are_those_of_all()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator(3);
        var spectrum = torch.linspace(0, -12, 1100, dtype: ScalarType.Float32).exp();
        var vectors = torch.linalg.qr(torch.randn([1, 1100, 1100], generator: g)).Q;
        var matrix = (vectors * spectrum).matmul(vectors.transpose(1, 2));
        var (values, found) = LinearPath.Components(matrix, 8);
        Assert.True(values[0].allclose(spectrum.narrow(0, 0, 8), 1e-3, 1e-4));
        var overlap = found.transpose(1, 2).matmul(vectors.narrow(2, 0, 8)).abs()[0].diagonal();
        Assert.True(overlap.min().Number() > .99, $"{overlap.min().Number()}");
    }
}
