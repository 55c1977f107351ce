using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using LongTake.Takes;

namespace LongTake.Tests.Takes;

/// <summary>Takes that were damaged, or made to harm: a sentence each that names the file, and nothing else.</summary>
public sealed partial class TakeDamageTests : IDisposable
{
    private static readonly string example = Path.Combine(AppContext.BaseDirectory, "assets", "takes", "format-1.take");

    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly string take;

    public TakeDamageTests()
    {
        take = Path.Combine(root, "inside", "a.take");
        Copy(example, take);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var at = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(at)!);
            File.Copy(file, at);
        }
    }

    /// <summary>What a program of the first format wrote is read: its operations, branches and latents.</summary>
    [Fact]
    public void TheFirstFormatIsRead()
    {
        using var scope = torch.NewDisposeScope();
        using var opened = Take.Open(example);
        var d = opened.Document;
        Assert.Equal((1, 16, 16, 16.0, 4), (d.Format, d.Width, d.Height, d.Fps, d.TemporalStride));
        Assert.Equal(["main 2", "other 3"], d.Branches.Select(b => $"{b.Name} {b.Operation}"));
        Assert.Equal("other", d.Branch);
        Assert.Equal(
            [OperationKind.Generate, OperationKind.Remake, OperationKind.Extend],
            d.Operations.Select(o => o.Kind)
        );
        Assert.Equal([0, 0, 1, 1, 0, 0, 0], opened.Timeline(2).Select(s => s.From > 0 ? 1 : 0));
        Assert.Empty(opened.Damage());
        Assert.Equal(11, opened.Timeline(3).Length);
        Assert.Equal([1, 4, 11, 4, 4], opened.Latents(opened.Timeline(3), 0, 11).shape);
        Assert.Equal(3, opened.Seconds(3).Count);
    }

    /// <summary>
    /// Bytes of the document changed, cut out, doubled; and members changed by someone who takes the seal out.
    /// </summary>
    [Fact]
    public void AChangedDocumentIsReadWholeOrRefusedWithASentence()
    {
        var file = Path.Combine(take, "take.json");
        var text = File.ReadAllText(file);
        var open = Seal().Replace(text, "\n}\n");
        var random = new Random(7);
        var (read, refused) = (0, 0);
        for (var n = 0; n < Soak.Of(300, 1000); n++)
        {
            var bytes = n % 3 == 0 ? Encoding.UTF8.GetBytes(text) : Encoding.UTF8.GetBytes(open);
            File.WriteAllBytes(file, n % 3 == 2 ? Number(bytes, random) : Bytes(bytes, random));
            try
            {
                using var opened = Take.Open(take);
                foreach (var b in opened.Document.Branches)
                    opened.Timeline(b.Operation);
                opened.Damage();
                read++;
            }
            catch (UserException e)
            {
                Assert.Contains(file, e.Message);
                Assert.DoesNotContain("\n", e.Message);
                refused++;
            }
        }
        Assert.InRange(refused, Soak.Of(300, 1000) / 2, Soak.Of(300, 1000));
        Assert.True(read + refused == Soak.Of(300, 1000));
        NothingOutside();
    }

    /// <summary>
    /// One bit changed, or a file cut off, anywhere in a take: whoever reads its latents gets the same bytes, or an
    /// error that names the file.
    /// </summary>
    [Fact]
    public void DamageAnywhereInATakeIsHarmlessOrNamed()
    {
        var expected = Everything(example);
        string[] files =
        [
            .. Directory
                .GetFiles(example, "*", SearchOption.AllDirectories)
                .Where(f => new FileInfo(f).Length > 0)
                .Select(f => Path.GetRelativePath(example, f))
                .Order(StringComparer.Ordinal),
        ];
        Assert.True(files.Length >= 4);
        var (random, count, same, named) = (new Rng(3), Soak.Of(60, 1000), 0, 0);
        for (var n = 0; n < count; n++)
        {
            var name = files[random.Int(files.Length)];
            var bytes = File.ReadAllBytes(Path.Combine(example, name));
            var at = random.Int(bytes.Length);
            bytes[at] ^= (byte)(1 << random.Int(8));
            File.WriteAllBytes(Path.Combine(take, name), n % 2 == 0 ? bytes : bytes[..at]);
            var harm = $"{name} {(n % 2 == 0 ? "changed at" : "cut at")} byte {at}";
            try
            {
                Assert.True(expected == Everything(take), $"{harm}: other latents");
                same++;
            }
            catch (UserException e)
            {
                Assert.True(e.Message.Contains(Path.GetFileName(name)), $"{harm}: {e.Message}");
                named++;
            }
            File.Copy(Path.Combine(example, name), Path.Combine(take, name), overwrite: true);
        }
        Assert.Equal(count, same + named);
        Assert.True(named > count / 2);
        if (Soak.Full)
            Console.WriteLine($"take: {count} damaged, {same} gave the same latents, {named} were named");
    }

    // The document and the latents of every branch.
    private static string Everything(string folder)
    {
        using var scope = torch.NewDisposeScope();
        using var opened = Take.Open(folder);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(File.ReadAllBytes(Path.Combine(folder, "take.json")));
        foreach (var branch in opened.Document.Branches)
        {
            var timeline = opened.Timeline(branch.Operation);
            var z = opened.Latents(timeline, 0, timeline.Length);
            var bytes = new byte[z.Bytes];
            z.CopyTo(bytes);
            hash.AppendData(bytes);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    [Fact]
    public void ChangedSingleFilesAreReadWholeOrRefusedWithASentence()
    {
        var zip = Path.Combine(root, "a.zip");
        using (var opened = Take.Open(take))
            opened.CopyTo(zip);
        var bytes = File.ReadAllBytes(zip);
        var random = new Random(8);
        var refused = 0;
        for (var n = 0; n < Soak.Of(100, 1000); n++)
        {
            // half of the time in the directory at the end
            File.WriteAllBytes(zip, Bytes(bytes, random, n % 2 == 0 ? bytes.Length - 800 : 0));
            try
            {
                using var opened = Take.Open(zip);
                refused += opened.Damage().Count > 0 ? 1 : 0;
            }
            catch (UserException e)
            {
                Assert.Contains(zip, e.Message);
                Assert.DoesNotContain("\n", e.Message);
                refused++;
            }
        }
        Assert.InRange(refused, Soak.Of(100, 1000) / 3, Soak.Of(100, 1000));
        NothingOutside();
    }

    [Theory]
    [InlineData("../evil.txt", "no file of a take")]
    [InlineData("/tmp/longtake-evil.txt", "no file of a take")]
    [InlineData("latents/../../evil.txt", "no file of a take")]
    [InlineData("latents\\evil.safetensors", "no file of a take")]
    [InlineData("take.json\n", "no file of a take")]
    [InlineData("work/plan.json", "no file of a take")]
    public void EntriesThatAreNoFilesOfATakeAreRefused(string name, string why)
    {
        var zip = Zip(z => z.CreateEntry(name, CompressionLevel.NoCompression));
        Assert.Contains(why, Assert.Throws<UserException>(() => Take.Open(zip)).Message);
        NothingOutside();
    }

    [Fact]
    public void BombsAreRefusedBeforeAnythingIsWritten()
    {
        var zip = Zip(z =>
        {
            using var to = z.CreateEntry("take.json", CompressionLevel.SmallestSize).Open();
            var zeros = new byte[1 << 20];
            for (var i = 0; i < 64; i++)
                to.Write(zeros);
        });
        Assert.Contains("compressed", Assert.Throws<UserException>(() => Take.Open(zip)).Message);
        // entries over one another: the directory names one body many times
        var stored = File.ReadAllBytes(
            Zip(z =>
            {
                for (var i = 0; i < 40; i++)
                {
                    using var to = z.CreateEntry($"latents/{i:x64}.safetensors", CompressionLevel.NoCompression).Open();
                    to.Write(new byte[i == 0 ? 100_000 : 0]);
                }
            })
        );
        for (var i = stored.Length - 46; i >= 0; i--)
            if (BitConverter.ToUInt32(stored, i) == 0x02014b50)
                foreach (var size in (int[])[20, 24])
                    BitConverter.TryWriteBytes(stored.AsSpan(i + size), 100_000);
        File.WriteAllBytes(zip, stored);
        Assert.Contains("larger than the file", Assert.Throws<UserException>(() => Take.Open(zip)).Message);
        File.WriteAllText(zip, "no zip");
        Assert.Contains(zip, Assert.Throws<UserException>(() => Take.Open(zip)).Message);
    }

    [Fact]
    public void LatentsThatAreNotWhatTheTakeNamesAreFound()
    {
        var file = Directory.EnumerateFiles(Path.Combine(take, "latents")).Order().First();
        var whole = File.ReadAllBytes(file);
        Found("damaged", () => File.WriteAllBytes(file, [.. whole[..^1], (byte)(whole[^1] ^ 1)]));
        Found("damaged", () => File.WriteAllBytes(file, whole[..^9]));
        Found("damaged", () => File.WriteAllBytes(file, []));
        Found("missing", () => File.Delete(file));
        if (!OperatingSystem.IsWindows())
            Found("a link", () =>
            {
                File.Delete(file);
                File.CreateSymbolicLink(file, "/etc/hostname");
            });

        void Found(string why, Action harm)
        {
            harm();
            using var opened = Take.Open(take);
            var said = Assert.Single(opened.Damage());
            Assert.Contains(why, said);
            Assert.StartsWith(file, said);
            File.Delete(file);
            File.WriteAllBytes(file, whole);
        }
    }

    [Theory]
    [InlineData("\"format\": 1", "\"format\": 2", "format 2; this program reads format 1")]
    [InlineData("\"format\": 1", "\"format\": 99999999999999999999", "this program reads format 1")]
    [InlineData("\"format\": 1,", "", "names no format")]
    [InlineData("\"branch\": \"other\"", "\"branch\": \"o\"", "a current branch that is not there")]
    [InlineData("\"name\": \"other\"", "\"name\": \"../o\"", "a branch with the name")]
    [InlineData("\"after\": 1", "\"after\": 7", "no earlier operation 7")]
    [InlineData("\"width\": 16", "\"width\": 16000000", "a picture of 16000000x16")]
    [InlineData("\"fps\": 16", "\"fps\": 0", "0 frames a second")]
    [InlineData("\"kind\": \"Remake\"", "\"kind\": \"Reverse\"", "not readable")]
    [InlineData("\"seed\": 3", "\"seed\": 3, \"sneed\": 4", "sneed")]
    public void WhatADocumentCannotSayIsNamed(string before, string after, string why)
    {
        var file = Path.Combine(take, "take.json");
        var text = Seal().Replace(File.ReadAllText(file), "\n}\n");
        Assert.Contains(before, text);
        File.WriteAllText(file, text.Replace(before, after));
        var e = Assert.Throws<UserException>(() => Take.Open(take));
        Assert.Contains(why, e.Message);
        Assert.StartsWith(file, e.Message);
    }

    /// <summary>Unfinished work is somebody else's file, too: what it names outside of the take is not read.</summary>
    [Theory]
    [InlineData("../../../etc/passwd")]
    [InlineData("")]
    public void WorkThatNamesOtherFilesIsIgnored(string hash)
    {
        using var opened = Take.Open(take);
        var operation = opened.Document.Operations[0];
        var evil = operation with { Segments = [operation.Segments[0] with { Sha256 = hash }] };
        var folder = Directory.CreateDirectory(Path.Combine(take, "work", "0123456789abcdef")).FullName;
        SealedJson.Write(Path.Combine(folder, "plan.json"), evil, TakeJson.Default.TakeOperation);
        Assert.Empty(opened.Unfinished);
        SealedJson.Write(Path.Combine(folder, "plan.json"), operation, TakeJson.Default.TakeOperation);
        Assert.Single(opened.Unfinished);
    }

    [Fact]
    public void WhatIsNoTakeIsSaid()
    {
        Assert.Contains(
            "no such take",
            Assert.Throws<UserException>(() => Take.Open(Path.Combine(root, "b.take"))).Message
        );
        Assert.Contains("has no take.json", Assert.Throws<UserException>(() => Take.Open(root)).Message);
    }

    private string Zip(Action<ZipArchive> fill)
    {
        var zip = Path.Combine(root, "evil.zip");
        File.Delete(zip);
        using var archive = ZipFile.Open(zip, ZipArchiveMode.Create);
        fill(archive);
        return zip;
    }

    private void NothingOutside() =>
        Assert.Empty(
            Directory.EnumerateFileSystemEntries(root).Select(Path.GetFileName).Except(["inside", "a.zip", "evil.zip"])
        );

    // A byte or a stretch changed, cut out or doubled.
    private static byte[] Bytes(byte[] bytes, Random random, int from = 0)
    {
        var (at, count) = (from + random.Next(bytes.Length - from), 1 + random.Next(8));
        var end = Math.Min(bytes.Length, at + count);
        return random.Next(4) switch
        {
            0 => [.. bytes[..at], .. bytes[end..]],
            1 => [.. bytes[..end], .. bytes[at..]],
            2 => bytes[..at],
            _ => [.. bytes[..at], .. bytes[at..end].Select(_ => (byte)random.Next(256)), .. bytes[end..]],
        };
    }

    // One of its numbers becomes another.
    private static byte[] Number(byte[] bytes, Random random)
    {
        string[] others =
        [
            "0",
            "-1",
            "1e300",
            "2147483647",
            "-2147483648",
            "99999999999",
            "0.5",
            "null",
            "\"a\"",
            "[]",
            "7",
        ];
        var text = Encoding.UTF8.GetString(bytes);
        var numbers = Numbers().Matches(text);
        var one = numbers[random.Next(numbers.Count)];
        return Encoding.UTF8.GetBytes(
            text[..one.Index] + others[random.Next(others.Length)] + text[(one.Index + one.Length)..]
        );
    }

    [GeneratedRegex(",\n  \"sha256\": \"[0-9a-f]{64}\"\n}\n$")]
    private static partial Regex Seal();

    [GeneratedRegex(@"(?<=: |\n\s+)-?\d[\d.eE+-]*(?=,|\n)")]
    private static partial Regex Numbers();
}
