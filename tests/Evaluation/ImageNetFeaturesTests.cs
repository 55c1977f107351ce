using LongTake.Evaluation;
using LongTake.Worlds;

namespace LongTake.Tests.Evaluation;

/// <summary>Features of a network that nobody here trained.</summary>
public class ImageNetFeaturesTests
{
    private const int Frames = 20,
        Apart = 4;

    private static readonly Lazy<ImageNetFeatures> network = new(() => new ImageNetFeatures());

    private static byte[] Window(int from) => World.Journey.Take(new Rng(5), 0, 0).Frames(from, Frames, 1);

    private static float[] Of(byte[] window) =>
        Assert.Single(network.Value.Of(window, World.Journey.Side, Frames, Apart));

    private static double Apart2(float[] a, float[] b) => a.Zip(b, (x, y) => (double)(x - y) * (x - y)).Sum();

    [Fact]
    public void Windows_that_look_alike_are_near_each_other()
    {
        var (one, next, later) = (Of(Window(0)), Of(Window(4)), Of(Window(400)));
        Assert.Equal(1024, one.Length);
        Assert.Equal(one, Of(Window(0)));
        Assert.True(Apart2(one, next) < Apart2(one, later));
    }

    [Fact]
    public void The_second_half_is_what_moves()
    {
        var still = Enumerable.Repeat(Window(0)[..World.Journey.FrameBytes], Frames).SelectMany(f => f).ToArray();
        Assert.All(Of(still)[512..], change => Assert.Equal(0, change));
        Assert.True(Of(Window(0))[512..].Sum() > 1);
    }

    [Fact]
    public void Blur_moves_a_window_further_than_the_next_second_does()
    {
        var sharp = Window(0);
        var soft = World.Journey.Take(new Rng(5), 0, 1).Frames(0, Frames, 1);
        Assert.True(Apart2(Of(sharp), Of(soft)) > Apart2(Of(sharp), Of(Window(16))));
    }

    [Fact]
    public void A_rest_is_left_out_and_a_missing_network_is_named()
    {
        byte[] video = [.. Window(0), .. Window(0), .. Window(0)[..(3 * World.Journey.FrameBytes)]];
        var windows = network.Value.Of(video, World.Journey.Side, Frames, Apart);
        Assert.Equal(2, windows.Length);
        Assert.Equal(windows[0], windows[1]);
        var e = Assert.Throws<UserException>(() => new ImageNetFeatures("nowhere/net.onnx"));
        Assert.Contains("nowhere/net.onnx", e.Message);
    }
}
