using System.Text.RegularExpressions;
using LongTake.Data;

namespace LongTake.Tests.Data;

public class LatentSetTests
{
    /// <summary>Descriptions written before items named their shards and sizes.</summary>
    [Fact]
    public void ADescriptionOfAnOlderVersionOpens()
    {
        using var tiny = new TinyModel();
        var path = Path.Combine(tiny.Data.Folder, "set.json");
        var text = File.ReadAllText(path);
        var old = Regex.Replace(text, ",\n  \"sha256\": \"[^\"]*\"", ""); // nor had they a hash
        old = Regex.Replace(old, ",\"(shard|size|locals)\":(\"[^\"]*\"|\\[[^\\]]*\\])", "");
        Assert.NotEqual(text, old);
        Assert.DoesNotContain("shard", old, StringComparison.Ordinal);
        File.WriteAllText(path, old);
        using var set = LatentSet.Open(tiny.Data.Folder);
        Assert.All(set.Info.Items, i =>
            Assert.Equal(("latents.safetensors", "", 0), (i.Shard, i.Size, i.Locals.Count))
        );
        using var scope = torch.NewDisposeScope();
        Assert.Equal(set.Takes[0].Latents, set.Latents(set.Takes[0]).size(2));
    }
}
