using LongTake.Models.Text;

namespace LongTake.Tests.Models;

public class TextCacheTests
{
    [Fact]
    public void ATextIsEncodedOnceAndComesBackBitForBit()
    {
        using var tiny = new TinyModel();
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var folder = Directory.CreateTempSubdirectory("longtake-").FullName;
        var opened = 0;
        (TextEncoder, IDisposable) Open()
        {
            opened++;
            return tiny.Folder.LoadText();
        }
        var (encoder, weights) = tiny.Folder.LoadText();
        using var _ = weights;
        var cache = new TextCache(folder, "tiny", Open);
        string[] texts = ["a traveller", "place 2", "a traveller"];
        // one by one: a batch may round otherwise
        var expected = torch.cat([.. texts.Select(t => encoder.Encode([t]))]);
        Assert.True(expected.SameAs(cache.Encode(texts)));
        // cleaning makes them the same
        Assert.True(expected.SameAs(new TextCache(folder, "tiny", Open).Encode([.. texts.Select(t => $"  {t} \n")])));
        Assert.Equal(1, opened);
        cache.Encode(["place 1", "place 2"]);
        new TextCache(folder, "another encoder", Open).Encode(texts);
        Assert.Equal(3, opened);
        Assert.Equal(5, Directory.GetFiles(folder).Length);
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("/proc/longtake")]
    [InlineData("file/longtake")] // below a file
    [InlineData("nowhere/longtake")] // below a link that leads nowhere
    public void WithoutAFolderForItTheWorkGoesOn(string folder)
    {
        using var tiny = new TinyModel();
        using var place = new Video.Frames();
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        File.WriteAllText(place["file"], "");
        File.CreateSymbolicLink(place["nowhere"], place["away"]);
        var opened = 0;
        var (encoder, weights) = tiny.Folder.LoadText();
        using var _ = weights;
        var cache = new TextCache(place[folder], "tiny", () =>
        {
            opened++;
            return tiny.Folder.LoadText();
        });
        Assert.True(encoder.Encode(["a traveller"]).SameAs(cache.Encode(["a traveller"])));
        Assert.True(encoder.Encode(["a traveller"]).SameAs(cache.Encode(["a traveller"])));
        Assert.Equal(1, opened);
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("cut")]
    [InlineData("empty")]
    public void ADamagedFileIsMadeAgain(string harm)
    {
        using var tiny = new TinyModel();
        using var place = new Video.Frames();
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var made = Cache().Encode(["a traveller"]);
        var file = Assert.Single(Directory.GetFiles(place[""]));
        var sound = File.ReadAllBytes(file);
        var bytes =
            harm == "empty" ? []
            : harm == "cut" ? sound[..^9]
            : sound.ToArray();
        if (harm == "flip")
            bytes[^9] ^= 4;
        File.WriteAllBytes(file, bytes);
        Assert.True(made.SameAs(Cache().Encode(["a traveller"])));
        Assert.Equal(sound, File.ReadAllBytes(file));

        TextCache Cache() => new(place[""], "tiny", () => tiny.Folder.LoadText());
    }
}
