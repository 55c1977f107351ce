using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public class WindowsTests
{
    private const int Total = 12,
        Length = 5;

    [Fact]
    public void TheFirstWindowIsAPlainCropAndOthersBeginWithTheImageLatent()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (video, image) = (
            torch.randn([1, 2, Total, 2, 2], generator: g),
            torch.randn([1, 2, 1, 2, 2], generator: g)
        );
        Assert.True(video.narrow(2, 0, Length).SameAs(Windows.Crop(video, 0, Length, null)));
        var inner = Windows.Crop(video, 3, Length, image);
        Assert.True(image.SameAs(inner.narrow(2, 0, 1)));
        Assert.True(video.narrow(2, 4, Length - 1).SameAs(inner.narrow(2, 1, Length - 1)));
        Assert.Throws<ArgumentNullException>(() => Windows.Crop(video, 3, Length, null));
    }

    [Fact]
    public void TheFirstLatentOfAnInnerWindowHasNoGradient()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(2));
        foreach (var start in (int[])[0, 1, 4])
        {
            var video = torch.randn([1, 2, Total, 2, 2], generator: g).requires_grad_();
            var image = video.narrow(2, start, 1) * 2; // even when made of the video itself
            Windows.Crop(video, start, Length, image).sum().Backward();
            var per = video.grad!.sum([0, 1, 3, 4]).ToArray<float>();
            for (var t = 0; t < Total; t++)
                Assert.Equal(t >= (start == 0 ? 0 : start + 1) && t < start + Length ? 8 : 0, per[t]);
        }
    }

    /// <summary>Every start taken once, every latent carries gradient: the first two from window 0 alone.</summary>
    [Theory]
    [InlineData(12, 5)]
    [InlineData(8, 7)]
    [InlineData(6, 6)]
    public void TheWindowsTogetherReachEveryLatent(int total, int length)
    {
        using var scope = torch.NewDisposeScope();
        var video = torch.ones([1, 1, total, 1, 1]).requires_grad_();
        int[] starts = [.. Enumerable.Range(0, total - length + 1)];
        var windows = torch.cat([.. starts.Select(s => Windows.Crop(video, s, length, torch.zeros([1, 1, 1, 1, 1])))]);
        (windows * Windows.Mask(starts, length)).sum().Backward();
        var counted = video.grad!.ToArray<float>();
        Assert.All(counted, c => Assert.True(c > 0));
        Assert.Equal([1f, 1f], counted[..2]);
        Assert.Equal(length + (total - length) * (length - 1), counted.Sum());
    }

    [Fact]
    public void TheMaskLeavesOutExactlyTheImageLatents()
    {
        using var scope = torch.NewDisposeScope();
        var mask = Windows.Mask([0, 3, 0, 1], 3);
        Assert.Equal([4, 1, 3, 1, 1], mask.shape);
        Assert.Equal([1f, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1], mask.ToArray<float>());
    }

    [Fact]
    public void StartsAreUniformWithExtraMassOnTheFirst()
    {
        var random = new Rng(4);
        var counts = new int[Total - Length + 1];
        for (var i = 0; i < 40_000; i++)
            counts[Windows.DrawStart(random, Total, Length, 0.2)]++;
        Assert.Equal(0.2 + 0.8 / 8, counts[0] / 40_000.0, 0.01);
        foreach (var c in counts[1..])
            Assert.Equal(0.1, c / 40_000.0, 0.01);
        Assert.Equal(0, Windows.DrawStart(random, 5, 5, 0));
        Assert.All(Enumerable.Range(0, 50), _ => Assert.Equal(0, Windows.DrawStart(random, Total, Length, 1)));
    }
}
