using System.Formats.Tar;
using System.Text;
using LongTake.Data;
using LongTake.Models.Text;

namespace LongTake.Tests.Data;

/// <summary>Texts of people in other encodings: read as they are meant, or named with the byte.</summary>
public sealed class EncodingTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-text-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private string Put(string name, byte[] bytes)
    {
        var path = Path.Combine(root, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public static TheoryData<string, byte[], string> Bad =>
        new()
        {
            { "Latin-1", [.. "caf"u8, 0xE9, .. " noir"u8], "byte 0xE9 at offset 3" },
            { "Windows-1252", [.. "a fox "u8, 0x93, .. "runs"u8, 0x94], "byte 0x93 at offset 6" },
            { "Shift-JIS", [0x82, 0xA0, 0x82, 0xA2], "byte 0x82 at offset 0" },
            { "EUC-JP", [.. "a "u8, 0xA4, 0xA2], "byte 0xA4 at offset 2" },
            { "GBK", [0xC4, 0xE3, 0xBA, 0xC3], "byte 0xC4 at offset 0" },
            { "ISO-2022-JP", [.. "a "u8, 0x1B, 0x24, 0x42, 0x24, 0x22, 0x1B, 0x28, 0x42], "byte 0x1B at offset 2" },
            { "UTF-16 without a mark", Encoding.Unicode.GetBytes("a red fox"), "byte 0x00 at offset 1" },
            { "UTF-16BE without a mark", Encoding.BigEndianUnicode.GetBytes("a red fox"), "byte 0x00 at offset 0" },
            { "UTF-32 without a mark", Encoding.UTF32.GetBytes("a red fox"), "byte 0x00 at offset 1" },
            { "UTF-8 cut short", "a café"u8[..^1].ToArray(), "byte 0xC3 at offset 5" },
            { "half a pair", [0xFF, 0xFE, 0x61, 0, 0x3D, 0xD8, 0x61, 0], "byte 0x3D at offset 4" },
            { "odd UTF-16", [0xFE, 0xFF, 0, 0x61, 0], "byte 0x00 at offset 4" },
            { "UTF-32 beyond Unicode", [0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0, 0, 0, 0x11, 0], "byte 0x00 at offset 8" },
        };

    public static TheoryData<string> Good => ["utf-8", "utf-16", "utf-16BE", "utf-32", "utf-32BE"];

    private static byte[] Marked(string encoding, string text) =>
        Encoding.GetEncoding(encoding) is var e ? [.. e.GetPreamble(), .. e.GetBytes(text)] : [];

    [Theory]
    [MemberData(nameof(Bad))]
    public void WhatCannotBeReadIsNamedAndNoOtherCaptionTakesItsPlace(string what, byte[] bytes, string fault)
    {
        Put("a_name.mp4", [1]);
        foreach (var name in (string[])["a_name.txt", "a_name.caption", "a_name.json"])
        {
            var side = Put(name, bytes);
            if (name != "a_name.json")
                Put("a_name.json", "{\"caption\": \"another one\"}"u8.ToArray());
            var (files, refused) = Sources.Find([root], Path.Combine(root, "unpacked"));
            Assert.Equal(("", ""), (files.Single().Caption, files.Single().CaptionFrom));
            Assert.Contains(fault, refused.Single(r => r.Path == side).Reason);
            File.Delete(side);
        }
        // A manifest: an error where it was given, else named, and its videos have no caption.
        foreach (var name in (string[])["metadata.csv", "metadata.json", "metadata.jsonl", "videos.txt"])
        {
            var manifest = Put(name, bytes);
            Put("prompt.txt", "x"u8.ToArray());
            var error = Assert.Throws<UserException>(() => Sources.Find([manifest], root)).Message;
            Assert.StartsWith($"{manifest}: {fault}", error);
            var (files, refused) = Sources.Find([root], Path.Combine(root, "unpacked"));
            Assert.Equal(("", ""), (files.Single().Caption, files.Single().CaptionFrom));
            Assert.StartsWith(fault, refused.Single(r => r.Path == manifest).Reason);
            File.Delete(manifest);
        }
        // Recipes, files of prompts, word lists.
        var path = Put("any.json", bytes);
        var recipe = Assert.Throws<UserException>(() => Recipe.Read(path, [], DataRecipeJson.Default.DataRecipe));
        Assert.True(recipe.Usage);
        Assert.Contains(fault, recipe.Message);
        Assert.Contains(fault, Assert.Throws<UserException>(() => TextFile.Lines(path)).Message);
        if (what is "Latin-1" or "Shift-JIS" or "GBK")
        {
            byte[] list = [.. "LongTake word vocabulary 1\n"u8, .. bytes, (byte)'\n'];
            Assert.Contains("0x" + fault[7..9], Assert.Throws<UserException>(() => Vocabulary.Read(list)).Message);
        }
    }

    [Theory]
    [MemberData(nameof(Good))]
    public void WhatSaysItsEncodingIsReadAsItIsMeant(string encoding)
    {
        const string caption = "ein Fuchs, 狐 🦊";
        Put("a.mp4", [1]);
        Put("a.txt", Marked(encoding, caption));
        SourceFile Found() => Sources.Find([root], Path.Combine(root, "unpacked")).Files.Single();
        Assert.Equal((caption, "a.txt"), (Found().Caption, Found().CaptionFrom));
        File.Move(Path.Combine(root, "a.txt"), Path.Combine(root, "a.TXT"));
        Assert.Equal((caption, "a.TXT"), (Found().Caption, Found().CaptionFrom));
        foreach (
            var (name, text) in ((string, string)[])
                [
                    ("metadata.csv", $"video,caption\na.mp4,\"{caption}\"\n"),
                    ("metadata.json", $$"""[{"video":"a.mp4","caption":"{{caption}}"}]"""),
                    ("metadata.jsonl", $$"""{"video":"a.mp4","caption":"{{caption}}"}"""),
                ]
        )
        {
            var manifest = Put(name, Marked(encoding, text));
            Assert.Equal((caption, name), (Found().Caption, Found().CaptionFrom));
            File.Delete(manifest);
        }
        var recipe = Put("r.json", Marked(encoding, $$"""{"about":"{{caption}}"}"""));
        Assert.Equal(caption, Recipe.Read(recipe, [], DataRecipeJson.Default.DataRecipe).About);
        var words = Vocabulary.Read(Marked(encoding, "LongTake word vocabulary 1\n狐\nFuchs\n"));
        Assert.Equal([3, 4], words.Encode("狐 Fuchs"));
    }

    [Fact]
    public void LargeTextsAreCheckedAcrossTheBordersOfTheBuffer()
    {
        for (var shift = 0; shift < 4; shift++)
        {
            byte[] text =
            [
                .. Encoding.UTF8.GetBytes(new string('x', shift) + string.Concat(Enumerable.Repeat("é🦊", 60_000))),
            ];
            Assert.Equal(Encoding.UTF8.GetString(text), TextFile.Read(Put("large.txt", text)));
            text[200_000 + shift] = 0xFF;
            var error = Assert.Throws<UserException>(() => TextFile.Open(Put("large.txt", text)));
            Assert.Matches("at offset (199|200)[0-9]{3} is no UTF-8", error.Message);
        }
    }

    [Fact]
    public void MembersOfATarWhoseNamesAreNotUtf8AreNamed()
    {
        using (var writer = new TarWriter(File.Create(Path.Combine(root, "a.tar")), TarEntryFormat.Ustar))
            foreach (var name in (string[])["X.mp4", "X.txt", "b.mp4"])
                writer.WriteEntry(
                    new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream([1]) }
                );
        var bytes = File.ReadAllBytes(Path.Combine(root, "a.tar"));
        for (var at = 0; at < bytes.Length; at += 512)
            if (bytes[at] == 'X')
            {
                bytes[at] = 0xE9; // Latin-1
                var sum =
                    8 * 32 + bytes.AsSpan(at, 512).ToArray().Index().Sum(b => b.Index is >= 148 and < 156 ? 0 : b.Item);
                Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0')).CopyTo(bytes, at + 148);
            }
        var (files, refused) = Sources.Find([Put("a.tar", bytes)], Path.Combine(root, "unpacked"));
        Assert.Equal("b", files.Single().Caption);
        Assert.Equal(2, refused.Count(r => r.Reason.Contains("whose name is not UTF-8", StringComparison.Ordinal)));
    }
}
