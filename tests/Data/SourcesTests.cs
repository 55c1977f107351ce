using System.Formats.Tar;
using System.Text;
using LongTake.Data;

namespace LongTake.Tests.Data;

public sealed partial class SourcesTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-sources-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private string Put(string name, string text = "video")
    {
        var path = Path.Combine(root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return path;
    }

    private (Dictionary<string, SourceFile> Files, IReadOnlyList<Refused> Refused) Find(params string[] sources)
    {
        var (files, refused) = Sources.Find(sources.Select(s => Path.Combine(root, s)), Path.Combine(root, "unpacked"));
        Assert.All(refused, r => Assert.True(r.Reason.Length > 0 && Filter.Rules.Any(f => f.Rule == r.Rule), $"{r}"));
        return (files.ToDictionary(f => Path.GetRelativePath(root, f.Path)), refused);
    }

    [Theory]
    [InlineData("m.csv", "video,caption\na.mp4,\"a fox, red\"\nsub/b.mp4,a hen\n")]
    [InlineData("m.csv", "\uFEFFFile_Name;Text\r\na.mp4;a fox, red\r\nsub/b.mp4;a hen\r\n")]
    [InlineData("m.tsv", "path\tprompt\textra\na.mp4\ta fox, red\t1\nsub/b.mp4\ta hen\t2\n")]
    [InlineData(
        "m.json",
        """[{"video_path":"a.mp4","cap":["a fox, red"],"fps":30},{"video_path":"sub/b.mp4","cap":"a hen"}]"""
    )]
    [InlineData(
        "m.json",
        """{"data":[{"video":"a.mp4","caption":"a fox, red"},{"video":"sub/b.mp4","caption":"a hen"}]}"""
    )]
    [InlineData("m.json", """{"a.mp4":"a fox, red","sub/b.mp4":"a hen"}""")]
    [InlineData(
        "m.jsonl",
        "{\"path\":\"a.mp4\",\"text\":\"a fox, red\"}\n\n{\"path\":\"sub/b.mp4\",\"prompt\":\"a hen\"}\n"
    )]
    [InlineData("videos.txt", "a.mp4\r\nsub/b.mp4\r\n")]
    [InlineData(
        "m.csv",
        "clip_id,source,video_url,video_id,file_path,short_caption,dense_caption\n12,youtube,https://x/y,abc,video/000000012.mp4,short,\"a "
            + "fox, red\"\n7,youtube,https://x/z,abd,b.mp4,short,a hen\n",
        true
    )]
    [InlineData("m.csv", "videoFile,caption,location\n000000012,\"a fox, red\",Rome\nb.mp4,a hen,Oslo\n", true)]
    public void ManifestsOfAllLayouts(string name, string text, bool ids = false)
    {
        Put(ids ? "videos/deep/000000012.mp4" : "videos/a.mp4");
        Put(ids ? "videos/deep/b.mp4" : "videos/sub/b.mp4");
        Put("videos/" + name, text);
        if (name == "videos.txt")
            Put("videos/prompt.txt", "a fox, red\na hen\n");
        var (files, refused) = Find("videos/" + name);
        Assert.Empty(refused);
        Assert.Equal(
            ["a fox, red", "a hen"],
            files.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => f.Value.Caption)
        );
    }

    [Fact]
    public void FoldersSideFilesGlobsAndWhatIsNotOnDisk()
    {
        Put("videos/a_red-fox.mp4");
        Put("videos/b.mp4");
        Put("videos/b.txt", "a hen\nwalks");
        Put("videos/c.mkv");
        Put("videos/c.json", """{"caption":"a cow"}""");
        Put("videos/notes.md");
        Put(
            "videos/metadata.jsonl",
            "{\"file_name\":\"b.mp4\",\"text\":\"of the list\"}\n{\"file_name\":\"gone.mp4\",\"text\":\"x\"}\n"
        );
        var (files, refused) = Find("videos");
        Assert.Equal(["a red fox", "of the list", "a cow"], files.Values.Select(f => f.Caption));
        Assert.Equal(["name", "metadata.jsonl", "c.json"], files.Values.Select(f => f.CaptionFrom));
        Assert.Equal(["exists", "video"], refused.Select(r => r.Rule));
        Assert.Equal(["videos/b.mp4"], Find("videos/b*").Files.Keys);
        Assert.Equal(2, Find("videos/**/*.m*").Files.Count(f => f.Key.EndsWith(".mp4", StringComparison.Ordinal)));
        Assert.Equal("a hen walks", Find("videos/b.mp4").Files.Values.Single().Caption);
        Assert.Contains(
            "nothing is downloaded",
            Find(Path.GetRelativePath(root, Put("u.csv", "video,caption\nhttps://x/y.mp4,z\n"))).Refused.Single().Reason
        );
        Assert.Equal("exists", Find("videos/*.avi").Refused.Single().Rule);
        Assert.True(Assert.Throws<UserException>(() => Find("nowhere", "videos")).Usage);
    }

    [Fact]
    public void NothingOutsideTheSourcesIsNamed()
    {
        var secret = Put("secret.mp4");
        Put("videos/in.mp4");
        File.CreateSymbolicLink(Path.Combine(root, "videos/link.mp4"), secret);
        Directory.CreateSymbolicLink(Path.Combine(root, "videos/loop"), root);
        Put(
            "videos/m.csv",
            $"video,caption\n../secret.mp4,a\n{secret},b\nlink.mp4,c\nloop/secret.mp4,d\nin.mp4,e\n.,f\n"
        );
        var (files, refused) = Find("videos/m.csv");
        Assert.Equal(["videos/in.mp4"], files.Keys);
        Assert.Equal(["link", "link", "outside", "outside", "outside"], refused.Select(r => r.Rule).Order());
        Assert.Equal(["link", "link"], Find("videos").Refused.Where(r => r.Rule == "link").Select(r => r.Rule));
        // With its folder as a source too, the same line is welcome.
        Put("lists/n.csv", "video,caption\n../videos/in.mp4,good\n");
        Assert.Equal("good", Find("lists/n.csv", "videos").Files["videos/in.mp4"].Caption);
    }

    [Theory]
    [InlineData(@"sub\b.mp4")]
    [InlineData(@".\sub\b.mp4")]
    [InlineData(@"C:\footage\videos\sub\b.mp4")]
    [InlineData(@"D:/elsewhere/sub/B.MP4")]
    [InlineData(@"\\server\share\sub\b.mp4")]
    public void PathsOfWindowsKeepTheirCaption(string path)
    {
        Skip.If(OperatingSystem.IsWindows(), "there they are paths of this system");
        Put("videos/a.mp4");
        Put("videos/sub/b.mp4");
        Put("videos/other/b.mp4");
        Put("videos/metadata.csv", $"video,caption\n{path},a hen\n");
        var (files, refused) = Find("videos");
        Assert.Empty(refused);
        Assert.Equal(
            ("a hen", "metadata.csv"),
            (files["videos/sub/b.mp4"].Caption, files["videos/sub/b.mp4"].CaptionFrom)
        );
        Assert.Equal("b", files["videos/other/b.mp4"].Caption);
        // Nothing outside, and no guess between two.
        Put("secret.mp4");
        Put("videos/metadata.csv", $"video,caption\n..\\secret.mp4,x\nC:\\x\\b.mp4,y\nC:\\secret.mp4,z\n");
        var reasons = Find("videos").Refused.Select(r => r.Reason).ToList();
        Assert.Equal(3, reasons.Count);
        Assert.Contains("outside the sources", reasons[0]);
        Assert.Contains("name it with its folder", reasons[1]);
        Assert.Contains("not on disk", reasons[2]);
    }

    [Fact]
    public void IdsThatSeveralFilesHaveAreNotGuessed()
    {
        Put("a/012.mp4");
        Put("b/012.mp4");
        Put("b/7.mp4");
        Put("lists/m.csv", "clip_id,file_path,caption\n12,,x\n12,b/012.mp4,a hen\n7,,a cow\n");
        var (files, refused) = Find("lists/m.csv", "a", "b");
        Assert.Equal("a hen", files["b/012.mp4"].Caption);
        Assert.Equal("a cow", files["b/7.mp4"].Caption);
        Assert.Contains("name it with its folder", refused.Single().Reason);
    }

    [Theory]
    [InlineData("cache/datasets--x--y/snapshots/0abc")]
    [InlineData("cache/datasets--x--y")]
    [InlineData("cache")]
    public void ACacheOfHuggingFaceKeepsNamesAndCaptions(string source)
    {
        void Link(string name, string blob, string text)
        {
            Put("cache/datasets--x--y/blobs/" + blob, text);
            var link = Path.Combine(root, "cache/datasets--x--y/snapshots/0abc", name);
            Directory.CreateDirectory(Path.GetDirectoryName(link)!);
            var up = string.Concat(Enumerable.Repeat("../", name.Count(c => c == '/') + 2));
            File.CreateSymbolicLink(link, up + "blobs/" + blob);
        }
        Link("videos/a.mp4", "11", "video");
        Link("videos/a_hen.mp4", "22", "video 2");
        Link("videos/c.mp4", "33", "video 3");
        Link("videos/c.txt", "44", "a cow");
        Link("metadata.csv", "55", "file_name,text\nvideos/a.mp4,a fox\n");
        Put("cache/datasets--x--y/refs/main", "0abc");
        Put("cache/.locks/datasets--x--y/11.lock", "");
        var secret = Put("secret.mp4");
        File.CreateSymbolicLink(Path.Combine(root, "cache/datasets--x--y/snapshots/0abc/out.mp4"), secret);
        File.CreateSymbolicLink(Path.Combine(root, "cache/datasets--x--y/blobs/66"), secret);
        File.CreateSymbolicLink(Path.Combine(root, "cache/datasets--x--y/snapshots/0abc/z.mp4"), "../../blobs/66");
        var (files, refused) = Find(source);
        Assert.Equal(["a.mp4", "a_hen.mp4", "c.mp4"], files.Keys.Select(Path.GetFileName));
        Assert.Equal(["a fox", "a hen", "a cow"], files.Values.Select(f => f.Caption));
        Assert.Equal(["out.mp4", "z.mp4"], refused.Select(r => Path.GetFileName(r.Path)));
        Assert.All(refused, r => Assert.Equal("link", r.Rule));
    }

    [Fact]
    public void AFolderOfManyPairsIsReadInTimeThatGrowsWithIt()
    {
        TimeSpan Time(int pairs)
        {
            var folder = Path.Combine(root, $"{pairs}");
            Directory.CreateDirectory(folder);
            for (var n = 0; n < pairs; n++)
            {
                File.WriteAllText(Path.Combine(folder, $"{n:D6}.mp4"), "");
                File.WriteAllText(Path.Combine(folder, $"{n:D6}.txt"), $"take {n}");
            }
            var watch = System.Diagnostics.Stopwatch.StartNew();
            var (files, refused) = Find($"{pairs}");
            Assert.Equal((pairs, 0, "take 7"), (files.Count, refused.Count, files[$"{pairs}/000007.mp4"].Caption));
            return watch.Elapsed;
        }
        Time(100);
        var (small, large) = (Time(1000), Time(6000));
        // six times as many; the square of it would be 36
        Assert.True(large < 18 * small + TimeSpan.FromSeconds(0.5), $"{small}, {large}");
    }

    [Fact]
    public void TarsOfWebDataset()
    {
        var tar = Path.Combine(root, "shard-0.tar");
        using (var writer = new TarWriter(File.Create(tar)))
        {
            void Add(string name, string text) =>
                writer.WriteEntry(
                    new PaxTarEntry(TarEntryType.RegularFile, name)
                    {
                        DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)),
                    }
                );
            Add("000.mp4", "video");
            Add("000.txt", "a fox");
            Add("001.mp4", "video");
            Add("001.json", """{"caption":"a hen"}""");
            Add("../out.mp4", "video");
            writer.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "link.mp4") { LinkName = "/etc/passwd" });
        }
        for (var again = 0; again < 2; again++)
        {
            var (files, refused) = Find("shard-0.tar");
            Assert.Equal(["a fox", "a hen"], files.Values.Select(f => f.Caption));
            Assert.Equal(["link", "outside"], refused.Select(r => r.Rule).Order());
        }
        Assert.False(File.Exists(Path.Combine(root, "unpacked/out.mp4")));
        File.WriteAllBytes(Path.Combine(root, "cut.tar"), File.ReadAllBytes(tar)[..900]);
        Assert.Contains("not a whole tar", Assert.Throws<UserException>(() => Find("cut.tar")).Message);
    }
}
