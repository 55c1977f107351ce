using LongTake.Video;

namespace LongTake.Tests.Video;

public sealed class PictureTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string At(string name) => Path.Combine(folder, name);

    // A picture of any kind, made by ffmpeg from the same pixels.
    private (string Path, byte[] Rgb) Made(string kind, int width, int height)
    {
        var rgb = Frames.Drifting(3, width, height);
        File.WriteAllBytes(
            At("from.ppm"),
            [.. System.Text.Encoding.ASCII.GetBytes($"P6\n{width} {height}\n255\n"), .. rgb]
        );
        using var child = new MediaProcess(
            "ffmpeg",
            ["-v", "error", "-y", "-i", At("from.ppm"), "-q:v", "1", At("made." + kind)],
            TimeSpan.FromSeconds(30)
        );
        Assert.Equal(0, child.Wait());
        return (At("made." + kind), rgb);
    }

    [SkippableTheory]
    [InlineData("png", 31, 17, 0)]
    [InlineData("bmp", 2, 3, 0)]
    [InlineData("jpg", 64, 48, 40)]
    public void PixelsComeAsTheyAreStored(string kind, int width, int height, int most)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var (path, rgb) = Made(kind, width, height);
        var picture = Picture.Read(path);
        Assert.Equal((width, height), (picture.Width, picture.Height));
        Assert.InRange(picture.Rgb.Zip(rgb, (a, b) => Math.Abs(a - b)).Max(), 0, most);
    }

    [SkippableTheory]
    [InlineData("png")]
    [InlineData("jpg")]
    [InlineData("bmp")]
    public void APictureThatEndsEarlyIsNone(string kind)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var (path, _) = Made(kind, 64, 48);
        var bytes = File.ReadAllBytes(path);
        foreach (var share in new[] { 0.0, 0.1, 0.7 })
        {
            File.WriteAllBytes(path, bytes[..(int)(bytes.Length * share)]);
            var e = Assert.Throws<UserException>(() => Picture.Read(path));
            Assert.Contains("not a picture that can be read whole", e.Message);
            Assert.True(e.Usage);
        }
    }

    [Fact]
    public void PathsThatAreNoPictureAreNamed()
    {
        Assert.Contains("a folder", Assert.Throws<UserException>(() => Picture.Read(folder)).Message);
        Assert.Contains("no such picture", Assert.Throws<UserException>(() => Picture.Read(At("nowhere.png"))).Message);
    }
}
