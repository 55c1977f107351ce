using System.Diagnostics;

namespace LongTake.Tests.Tensors;

public sealed partial class TorchFileTests
{
    [Theory]
    [InlineData(24, 0, new[] { 25 }, new[] { 1 }, "reaches beyond its storage of 24")]
    [InlineData(24, 23, new[] { 2 }, new[] { 1 }, "reaches beyond its storage of 24")]
    [InlineData(24, 0, new[] { 2, 12 }, new[] { 13, 1 }, "reaches beyond its storage of 24")]
    [InlineData(24, 0, new[] { 24, 1000000 }, new[] { 1, 0 }, "reaches beyond its storage of 24")]
    [InlineData(24, 0, new[] { int.MaxValue, int.MaxValue, int.MaxValue }, new[] { 0, 0, 0 }, "impossible shape")]
    [InlineData(24, 0, new[] { -1 }, new[] { 1 }, "impossible shape")]
    [InlineData(24, -1, new[] { 1 }, new[] { 1 }, "impossible shape")]
    [InlineData(24, 0, new[] { 1 }, new[] { 1, 1 }, "impossible shape")]
    [InlineData(24, 0, new[] { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, new[] { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, "impossible shape")]
    [InlineData(25, 0, new[] { 1 }, new[] { 1 }, "has 48 bytes, its pickle says 25 elements of 2")]
    public void ATensorThatIsNotThereIsRefused(int count, int offset, int[] size, int[] stride, string because) =>
        Refused(HandMade.File(HandMade.Tensor("ShortStorage", 0, count, offset, size, stride), new byte[48]), because);

    private void Refused(byte[] bytes, string because)
    {
        var path = Put(bytes);
        var e = Assert.Throws<UserException>(() => TorchFile.Open(path).Dispose());
        Assert.Contains(path, e.Message);
        Assert.Contains(because, e.Message);
    }

    [Theory]
    [InlineData("\u0080\u0002cos\nsystem\n(U\u0009touch pwntR.", "the name 'os.system'")]
    [InlineData("\u0080\u0002cposix\nsystem\n(U\u0009touch pwntR.", "the name 'posix.system'")]
    [InlineData(
        "\u0080\u0004\u008c\u0008builtins\u008c\u0004exec\u0093\u008c\u0004pass\u0085R.",
        "the name 'builtins.exec'"
    )]
    [InlineData("\u0080\u0004\u008c\u0002os\u008c\u0006system\u0093.", "the name 'os.system'")]
    [InlineData("\u0080\u0002c__builtin__\neval\n(U\u00041+1tR.", "the name '__builtin__.eval'")]
    [InlineData("\u0080\u0002ctorch\nload\n(U\u0004evilR.", "the name 'torch.load'")]
    [InlineData("\u0080\u0002ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "the name")]
    [InlineData("\u0080\u0002]U\u0002id\u0085R.", "a call of something that is no known name")]
    [InlineData(
        "\u0080\u0002ctorch\nFloatStorage\n)R.",
        "calls torch.FloatStorage with arguments that do not belong to it"
    )]
    [InlineData("(S'id'\nios\nsystem\n.", "0x53")]
    [InlineData("(ios\nsystem\n.", "(INST)")]
    [InlineData("(cos\nsystem\nU\u0002ido.", "the name 'os.system'")]
    [InlineData("(ccollections\nOrderedDict\nU\u0002ido.", "(OBJ)")]
    [InlineData("\u0080\u0002ccollections\nOrderedDict\n)\u0081.", "(NEWOBJ)")]
    [InlineData("\u0080\u0004ccollections\nOrderedDict\n)}\u0092.", "(NEWOBJ_EX)")]
    [InlineData("\u0080\u0002]}U\u000c__setstate__U\u0001xsb.", "BUILD")]
    [InlineData("\u0080\u0002ctorch._utils\n_rebuild_tensor_v2\n}b.", "BUILD")]
    [InlineData("\u0080\u0002\u0082\u0001.", "(EXT)")]
    [InlineData("Pevil\n.", "(PERSID)")]
    public void NothingThatCouldRunIsRead(string pickle, string because)
    {
        Refused(HandMade.File(pickle), because);
        Assert.False(File.Exists("pwn"));
    }

    [Theory]
    [InlineData("\u0080\u0002}", "cut short")]
    [InlineData("\u0080\u0009}.", "protocol 9")]
    [InlineData("\u0080\u0002}}.", "more or less than one object")]
    [InlineData("\u0080\u0002.", "more or less than one object")]
    [InlineData("\u0080\u0002(.", "more or less than one object")]
    [InlineData("\u0080\u00020.", "takes what is not there")]
    [InlineData("\u0080\u0002t.", "takes what is not there")]
    [InlineData("\u0080\u0002(0.", "takes what is not there")]
    [InlineData("\u0080\u0002}(NNNu.", "sets items of something that is no dictionary")]
    [InlineData("\u0080\u0002}Na.", "no list")]
    [InlineData("\u0080\u0002Nq\u0005.", "do not follow each other")]
    [InlineData("\u0080\u0002h\u0001.", "recalls what it never remembered")]
    [InlineData("\u0080\u0002X\u00ff\u00ff\u00ff\u007fab.", "cut short")]
    [InlineData("\u0080\u0002X\u00ff\u00ff\u00ff\u00ffab.", "cut short")]
    [InlineData("\u0080\u0004\u008d\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffab.", "cut short")]
    [InlineData("\u0080\u0002NQ.", "no tuple")]
    [InlineData("\u0080\u0002)Q.", "names a storage in an unknown way")]
    [InlineData("\u0080\u0002}.", "holds no dictionary of tensors")]
    public void ABrokenPickleIsRefused(string pickle, string because) => Refused(HandMade.File(pickle), because);

    [Fact]
    public void BombsStaySmall()
    {
        // A list of two of the list before, forty deep: 2^40 elements to whoever walks it.
        var bomb =
            "\u0080\u0002}q\0"
            + HandMade.Text("k")
            + "]q\u0001"
            + string.Concat(Enumerable.Range(1, 40).Select(i => $"(h{(char)i}h{(char)i}lq{(char)(i + 1)}"))
            + "N.";
        Small(() => Refused(HandMade.File(bomb), "more or less than one object"));
        // Dictionaries are looked into for tensors, however deep they are nested.
        var dicts =
            "\u0080\u0002"
            + string.Concat(
                Enumerable
                    .Range(0, 60)
                    .Select(i =>
                        i == 0
                            ? "}q\0"
                            : $"0}}q{(char)i}{HandMade.Text("a")}h{(char)(i - 1)}s{HandMade.Text("b")}h{(char)(i - 1)}s"
                    )
            )
            + ".";
        Small(() => Refused(HandMade.File(dicts), "no dictionary of tensors"));
        // Nested very deep.
        Small(() =>
            Refused(
                HandMade.File("\u0080\u0002" + new string('(', 400_000) + new string('l', 400_000) + "."),
                "no dictionary of tensors"
            )
        );
        Small(() =>
            Refused(HandMade.File("\u0080\u0002" + new string(']', 3_000_000)), "more than 1000000 operations")
        );
        // Keys that would all fall together if they were hashed.
        var keys = string.Concat(
            Enumerable
                .Range(0, 100_000)
                .Select(i =>
                    $"\u008a\u0008{(char)(i & 255)}{(char)(i >> 8 & 255)}{(char)(i >> 16)}\0{(char)(i & 255)}{(char)(i >> 8 & 255)}{(char)(i >> 16)}\0N"
                )
        );
        Small(() => Refused(HandMade.File("\u0080\u0002}(" + keys + "u."), "no dictionary of tensors"));
    }

    private static void Small(Action act, long most = 200_000_000)
    {
        var (before, clock) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew());
        act();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, most);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 20);
    }

    [Fact]
    public void ABrokenArchiveIsRefused()
    {
        byte[] sound = HandMade.Bytes(HandMade.Tensor("ByteStorage", 0, 4, 0, [4], [1]));
        HandMade.Entry Pickle(string name = "a/data.pkl") => new(name, sound);
        HandMade.Entry data = new("a/data/0", new byte[4]);
        using (TorchFile.Open(Put(HandMade.Zip(Pickle(), data)))) { }
        Refused(HandMade.Zip(Pickle(), data, new("../../etc/cron.d/x", [1])), "path that leaves the archive");
        Refused(HandMade.Zip(Pickle(), data, new("/etc/passwd", [1])), "path that leaves the archive");
        Refused(HandMade.Zip(Pickle(), data, new("a\\..\\b", [1])), "path that leaves the archive");
        Refused(HandMade.Zip(Pickle(), new("a/data/0", new byte[4], Method: 8, Says: uint.MaxValue)), "is compressed");
        Refused(HandMade.Zip(Pickle(), data with { Flags = 1 }), "is encrypted");
        Refused(HandMade.Zip(Pickle(), data, data), "is there twice");
        Refused(HandMade.Zip(Pickle(), data with { Local = "a/data/1" }), "another name in its own header");
        Refused(HandMade.Zip(Pickle()), "storage '0' is missing");
        Refused(HandMade.Zip(Pickle(), Pickle("b/data.pkl"), data), "2 data.pkl");
        Refused(HandMade.Zip(Pickle(), data, new("a/code/__torch__.py", [1])), "TorchScript");
        Refused(HandMade.Zip(Pickle(), data, new("a/byteorder", HandMade.Bytes("big"))), "byte order");
        Refused(HandMade.Zip(), "no zip archive");
        Refused([0x80, 2, 0x8a, 0x0a, .. new byte[100]], "before PyTorch 1.6");
        Refused([1, 2, 3], "too few");
        var whole = HandMade.Zip(Pickle(), data);
        for (var length = 0; length < whole.Length; length++)
            Refused(whole[..length], "");
    }

    [Fact]
    public void ManyMutatedFilesNeitherCrashNorHangNorGrow()
    {
        using var outer = torch.NewDisposeScope();
        LazyTensor[] tensors =
        [
            Tensor("blocks.0.self_attn.q.weight", ScalarType.Float32, 4, 4),
            Tensor("patch_embedding.weight", ScalarType.BFloat16, 4, 2, 1, 2, 2),
            Tensor("n", ScalarType.Int64, 3),
        ];
        TorchFileWriter.Write(At("s.pt"), null, ("generator", tensors), ("critic", tensors));
        TensorFiles.Write(At("s.safetensors"), tensors, null);
        byte[] pickled = File.ReadAllBytes(At("s.pt")),
            safe = File.ReadAllBytes(At("s.safetensors"));
        var pickle = pickled.AsSpan().IndexOf("ctorch"u8) - 60;
        var random = new Rng(3);
        var (refused, clock) = (0, Stopwatch.StartNew());
        var trials = Soak.Of(4_000, 100_000);
        for (var trial = 0; trial < trials; trial++)
        {
            var isTorch = trial % 2 == 0;
            var bytes = Mutated(isTorch ? pickled : safe, random, isTorch ? pickle : 0);
            var path = At(isTorch ? "m.pt" : "m.safetensors");
            File.WriteAllBytes(path, bytes);
            var (before, since) = (GC.GetAllocatedBytesForCurrentThread(), clock.Elapsed);
            try
            {
                using var scope = torch.NewDisposeScope();
                using IDisposable file = isTorch ? TorchFile.Open(path) : SafetensorsSet.Open(path);
                var found = file is TorchFile t ? t.Groups.Values.SelectMany(g => g) : ((SafetensorsSet)file).Lazy();
                foreach (var tensor in found)
                {
                    Assert.True(
                        tensor.Bytes <= bytes.Length,
                        $"trial {trial}: {tensor.Bytes} bytes out of a file of {bytes.Length}"
                    );
                    _ = tensor.Read();
                }
            }
            catch (UserException e)
            {
                refused++;
                Assert.Contains(path, e.Message);
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2_000_000);
            Assert.InRange((clock.Elapsed - since).TotalSeconds, 0, 10);
        }
        Assert.InRange(refused, 3 * trials / 10, trials);
    }

    // A few bytes replaced, a piece cut out, doubled or moved; half of the changes in the part that is parsed.
    private static byte[] Mutated(byte[] sound, Rng random, int parsed)
    {
        var bytes = sound.ToList();
        for (var changes = 1 + random.Int(4); changes > 0; changes--)
        {
            var at = Math.Min(bytes.Count - 1, random.Int(2) == 0 ? parsed + random.Int(600) : random.Int(bytes.Count));
            var length = Math.Min(1 + random.Int(16), bytes.Count - at);
            switch (random.Int(8))
            {
                case 0:
                    bytes.RemoveRange(at, length);
                    break;
                case 1:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 2:
                    bytes.InsertRange(at, bytes.GetRange(random.Int(bytes.Count - length + 1), length));
                    break;
                case 3:
                    bytes[at] = (byte)(random.Int(2) * 255);
                    break;
                default:
                    bytes[at] = (byte)random.Int(256);
                    break;
            }
            if (bytes.Count < 100)
                break;
        }
        return [.. bytes];
    }
}
