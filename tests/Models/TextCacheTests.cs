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
}
