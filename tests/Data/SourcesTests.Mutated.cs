using System.Formats.Tar;
using System.Text;
using LongTake.Data;

namespace LongTake.Tests.Data;

public sealed partial class SourcesTests
{
    [Fact]
    public void AThousandBrokenManifestsGiveClearErrorsAndNothingOutside()
    {
        var secret = Put("secret.mp4");
        string[] videos = ["a.mp4", "sub/b.mp4", "c d.mp4"];
        foreach (var video in videos)
            Put("videos/" + video);
        File.CreateSymbolicLink(Path.Combine(root, "videos/link.mp4"), secret);
        Directory.CreateSymbolicLink(Path.Combine(root, "videos/loop"), root);
        var random = new Rng(11);
        var (errors, rows, good) = (0, 0, 0);
        for (var n = 0; n < 1000; n++)
        {
            var kind = n % 4;
            var name = ((string[])["m.csv", "m.json", "m.jsonl", "videos.txt"])[kind];
            var text = kind switch
            {
                0 => "video,caption\n" + string.Concat(videos.Select(f => $"{f},\"a \"\"{f}\"\"\"\n")),
                1 => "[" + string.Join(",", videos.Select(f => $$"""{"video":"{{f}}","caption":"it"}""")) + "]",
                2 => string.Concat(videos.Select(f => $$"""{"video":"{{f}}","caption":"it"}""" + "\n")),
                _ => string.Concat(videos.Select(f => f + "\n")),
            };
            Put("videos/prompt.txt", "one\ntwo\nthree\n");
            for (var times = 1 + random.Int(2); times > 0; times--)
                text = Mutated(text, n % 97 == 0, random);
            var bytes = Encoding.UTF8.GetBytes(text);
            if (random.Int(12) == 0)
                bytes[random.Int(bytes.Length)] = (byte)(128 + random.Int(64));
            if (random.Int(8) == 0)
                bytes = [0xEF, 0xBB, 0xBF, .. bytes];
            var path = Path.Combine(root, "videos", name);
            File.WriteAllBytes(path, bytes);
            try
            {
                var (files, refused) = Find("videos/" + name);
                Assert.All(files, f =>
                    Assert.True(
                        f.Key.StartsWith("videos/", StringComparison.Ordinal)
                            && File.Exists(f.Value.Path)
                            && !f.Key.Contains("link")
                            && !f.Key.Contains("loop"),
                        f.Key
                    )
                );
                Assert.All(refused, r =>
                    Assert.True(
                        r.Path.StartsWith(path, StringComparison.Ordinal)
                            && r.Reason.Length < 600
                            && !r.Reason.Contains('\n'),
                        $"{r}"
                    )
                );
                (rows, good) = (rows + (refused.Count > 0 ? 1 : 0), good + (refused.Count == 0 ? 1 : 0));
            }
            catch (UserException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
                Assert.True(e.Message.Length < 1000 && !e.Message.Contains('\n'), e.Message);
                errors++;
            }
            File.Delete(path);
        }
        Assert.True(
            errors > 100 && rows > 100 && good > 30,
            $"{errors} errors, {rows} with refused lines, {good} whole"
        );
    }

    private static string Mutated(string text, bool huge, Rng random)
    {
        string Replace(string what, string with) =>
            text.Contains(what, StringComparison.Ordinal)
                ? text.Replace(what, with, StringComparison.Ordinal)
                : text + with;
        var at = random.Int(Math.Max(1, text.Length));
        return random.Int(huge ? 1 : 16) switch
        {
            0 => huge ? text.Insert(at, new string('x', 10 << 20)) : text.Replace("\n", "\r\n"),
            1 => Replace("a.mp4", "../secret.mp4"),
            2 => Replace("a.mp4", "/etc/passwd"),
            3 => Replace("a.mp4", "link.mp4"),
            4 => Replace("sub/b.mp4", "loop/secret.mp4"),
            5 => Replace("sub/b.mp4", "sub/../../secret.mp4"),
            6 => Replace("video", "vidoe"),
            7 => Replace("caption", "kaption"),
            8 => text.Insert(at, "\""),
            9 => text[..at],
            10 => Replace("c d.mp4", "gone.mp4"),
            11 => text.Insert(at, "\0"),
            12 => text + "\n,,,,,\n",
            13 => Replace("a.mp4", "https://example.org/a.mp4"),
            14 => text.Remove(at, Math.Min(text.Length - at, 1 + random.Int(6))),
            _ => text.Insert(at, ((string[])[",", ";", "\t", "{", "]", "\n\n", "\\", "\u202E", "é"])[random.Int(9)]),
        };
    }
}
