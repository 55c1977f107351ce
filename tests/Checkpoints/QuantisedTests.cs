using LongTake.Checkpoints;

namespace LongTake.Tests.Checkpoints;

/// <summary>Weights in fewer bits, against the values written down element by element.</summary>
public sealed class QuantisedTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly DisposeScope scope = torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        tiny.Dispose();
    }

    [Theory]
    [InlineData("F32")]
    [InlineData("F16")]
    [InlineData("BF16")]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q5_0")]
    [InlineData("Q5_1")]
    [InlineData("Q8_0")]
    [InlineData("Q4_K")]
    [InlineData("Q5_K")]
    [InlineData("Q6_K")]
    public void EveryBlockOfGgufGivesItsNumbers(string form)
    {
        var (elements, size) = HandMadeGguf.Block(form);
        var (random, blocks) = (new Random(3), Math.Max(5, 256 / elements));
        var data = new byte[blocks * size];
        random.NextBytes(data);
        for (var b = 0; b < blocks; b++)
            // Scales of any sign, neither infinite nor NaN.
            foreach (
                var at in form switch
                {
                    "Q6_K" => (int[])[208],
                    "F32" or "BF16" => [],
                    "F16" => [0],
                    _ => [0, 2],
                }
            )
                if (at == 0 || form is "Q6_K" or "Q4_1" or "Q5_1" or "Q4_K" or "Q5_K")
                    BitConverter.TryWriteBytes(data.AsSpan(b * size + at), (Half)(random.NextDouble() * 4 - 2));
        long[] shape = [blocks, elements];
        HandMadeGguf.Write(tiny["a.gguf"], [("first", [3], "F32", new byte[12]), ("x", shape, form, data)]);
        using var file = GgufFile.Open(tiny["a.gguf"]);
        Assert.Equal("wan", file.Metadata["general.architecture"]);
        var x = file.Tensors.Single(t => t.Name == "x");
        Assert.Equal(shape, x.Shape);
        var made = x.Read().to(ScalarType.Float32).ToArray<float>();
        for (var i = 0; i < made.Length; i++)
            Assert.Equal(Slow(form, data.AsSpan(i / elements * size, size), i % elements), made[i]);
    }

    // One element of a block, by the description of its form.
    private static float Slow(string form, ReadOnlySpan<byte> b, int i)
    {
        float Half(ReadOnlySpan<byte> b, int at) => (float)BitConverter.ToHalf(b[at..]);
        int Nibble(ReadOnlySpan<byte> b, int at, bool high) => high ? b[at] / 16 : b[at] % 16;
        int Bit(ReadOnlySpan<byte> b, int at, int bit) => (b[at + bit / 8] >> (bit % 8)) & 1;
        switch (form)
        {
            case "F32":
                return BitConverter.ToSingle(b);
            case "F16":
                return Half(b, 0);
            case "BF16":
                return BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(b) << 16);
            case "Q8_0":
                return Half(b, 0) * (sbyte)b[2 + i];
            case "Q4_0":
                return Half(b, 0) * (Nibble(b, 2 + i % 16, i >= 16) - 8);
            case "Q4_1":
                return Half(b, 0) * Nibble(b, 4 + i % 16, i >= 16) + Half(b, 2);
            case "Q5_0":
                return Half(b, 0) * (Nibble(b, 6 + i % 16, i >= 16) + 16 * Bit(b, 2, i) - 16);
            case "Q5_1":
                return Half(b, 0) * (Nibble(b, 8 + i % 16, i >= 16) + 16 * Bit(b, 4, i)) + Half(b, 2);
            case "Q6_K":
                var half = i / 128 * 64;
                var low = Nibble(b, half + i % 64, i % 128 >= 64);
                var high = (b[128 + half / 2 + i % 32] >> (2 * (i % 128 / 32))) & 3;
                return Half(b, 208) * (sbyte)b[192 + i / 16] * (low + 16 * high - 32);
            default:
                var group = i / 32;
                var s = b.Slice(4, 12).ToArray();
                var (scale, least) =
                    group < 4
                        ? (s[group] % 64, s[group + 4] % 64)
                        : (s[group + 4] % 16 + 16 * (s[group - 4] / 64), s[group + 4] / 16 + 16 * (s[group] / 64));
                var first = form == "Q4_K" ? 16 : 48;
                var q = Nibble(b, first + group / 2 * 32 + i % 32, group % 2 == 1);
                if (form == "Q5_K")
                    q += 16 * ((b[16 + i % 32] >> group) & 1);
                return Half(b, 0) * scale * q - Half(b, 2) * least;
        }
    }

    [Fact]
    public void EveryValueOfFloat8IsRead()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        SafetensorsWriter.Write(
            tiny["f8.safetensors"],
            [("a", "F8_E4M3", [256], to => to.Write(all)), ("b", "F8_E5M2", [16, 16], to => to.Write(all))]
        );
        using var set = SafetensorsSet.Open(tiny["f8.safetensors"]);
        var (a, b) = (
            set.Tensor("a").to(ScalarType.Float32).ToArray<float>(),
            set.Tensor("b").to(ScalarType.Float32).reshape(-1).ToArray<float>()
        );
        for (var i = 0; i < 256; i++)
        {
            var (exponent, fraction) = (i % 128 / 8, i % 8);
            var size =
                i % 128 == 127 ? double.NaN
                : exponent == 0 ? fraction / 8.0 * Math.Pow(2, -6)
                : (1 + fraction / 8.0) * Math.Pow(2, exponent - 7);
            Assert.Equal((float)(i < 128 ? size : -size), a[i]);
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)(i << 8)), b[i]); // its upper half
        }
    }

    /// <summary>A scale belongs to a matrix or to a row, in all layouts, read at once or in turn.</summary>
    [Theory]
    [InlineData("I8", ".weight_scale", true)]
    [InlineData("F8_E4M3", ".weight_scale", true)]
    [InlineData("F8_E4M3", ".scale_weight", false)]
    [InlineData("F8_E5M2", ".scale_weight", false)]
    public void ScalesAreMultipliedIn(string dtype, string ending, bool rows)
    {
        byte[] q = [.. Enumerable.Range(0, 12).Select(i => (byte)(i * 19 % 120))];
        float[] scales = rows ? [0.5f, -2, 3] : [0.25f];
        foreach (var prefix in (string[])["", "model.diffusion_model."])
        {
            SafetensorsWriter.Write(
                tiny["x.safetensors"],
                [
                    (prefix + "blocks.0.ffn.0.weight", dtype, [3, 4], to => to.Write(q)),
                    (prefix + "blocks.0.ffn.0" + ending, "F32", rows ? [3, 1] : [], to =>
                        to.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(scales))
                    ),
                    (prefix + "blocks.0.ffn.0.input_scale", "F32", [], to => to.Write(new byte[4])),
                    (prefix + "scaled_fp8", "F8_E4M3", [0], _ => { }),
                    (prefix + "blocks.0.ffn.0.bias", "F32", [3], to => to.Write(new byte[12])),
                ]
            );
            using var files = ModelFiles.Open(tiny["x.safetensors"]);
            var part = files.Parts.Single();
            Assert.Equal(2, part.Tensors.Count);
            var weight = part.Tensors.Single(t => t.Name.EndsWith("ffn.0.weight", StringComparison.Ordinal));
            Assert.Equal((ScalarType.Float32, $"{dtype} with scales"), (weight.Dtype, weight.Stored));
            using var set = SafetensorsSet.Open(tiny["x.safetensors"]);
            var plain = set.Tensor(prefix + "blocks.0.ffn.0.weight")
                .to(ScalarType.Float32)
                .reshape(-1)
                .ToArray<float>();
            var made = weight.Read().reshape(-1).ToArray<float>();
            for (var i = 0; i < made.Length; i++)
                Assert.Equal(plain[i] * scales[rows ? i / 4 : 0], made[i]);
        }
    }

    /// <summary>A model in GGUF gives what its numbers, written out in float32, give.</summary>
    [Theory]
    [InlineData("Q8_0")]
    [InlineData("F16")]
    public void AModelInGgufIsTheModelOfItsNumbers(string form)
    {
        using var own = ModelFiles.Open(tiny["own"]);
        HandMadeGguf.Write(tiny["gguf", "a.gguf"], own.Require(PartKind.Transformer).Tensors, form);
        File.Copy(tiny["own", "config.json"], tiny["gguf", ModelFiles.ConfigFile]);
        using (var files = ModelFiles.Open(tiny["gguf", "a.gguf"]))
        {
            var part = files.Require(PartKind.Transformer);
            Assert.Empty(files.Problems(part));
            Assert.Equal([24, 4, 1, 2, 2], part.Shapes["patch_embedding.weight"]);
            var notes = Conversion.Run(files, new() { To = Layout.Comfy, Output = tiny["gguf", "plain.safetensors"] });
            Assert.Equal(form == "Q8_0", notes.Any(n => n.Contains("kept as Q8_0 are written as F32")));
        }
        Assert.True(
            WanTiny.Outputs(tiny["gguf", "a.gguf"])[0].SameAs(WanTiny.Outputs(tiny["gguf", "plain.safetensors"])[0])
        );
    }

    [Fact]
    public void ATextEncoderUnderTheNamesOfLlamaCppIsTheEncoder()
    {
        using var own = ModelFiles.Open(tiny["own"]);
        var tensors = own.Require(PartKind.TextEncoder).Tensors;
        HandMadeGguf.Write(
            tiny["t5", "umt5.gguf"],
            [.. tensors.Select(t => t with { Name = Names.LlamaText.ToOther(t.Name)! })],
            "F32"
        );
        Assert.Contains(
            "enc.blk.1.attn_rel_b.weight",
            Names.LlamaText.ToOther("blocks.1.pos_embedding.embedding.weight")
        );
        using var files = ModelFiles.Open(tiny["t5", "umt5.gguf"]);
        var part = files.Require(PartKind.TextEncoder);
        Assert.Empty(files.Problems(part));
        foreach (var t in tensors)
            Assert.True(
                t.Read().to(ScalarType.Float32).SameAs(part.Tensors.Single(p => p.Name == t.Name).Read()),
                t.Name
            );
    }

    [Fact]
    public void AMutatedGgufIsReadOrRefused()
    {
        using (var own = ModelFiles.Open(tiny["own"]))
            HandMadeGguf.Write(tiny["a.gguf"], own.Require(PartKind.Transformer).Tensors, "Q8_0");
        var (sound, random) = (File.ReadAllBytes(tiny["a.gguf"]), new Random(5));
        for (var trial = 0; trial < 300; trial++)
        {
            var bytes = trial % 10 == 0 ? sound[..random.Next(sound.Length)] : sound.ToArray();
            for (var changes = random.Next(1, 5); changes > 0 && bytes.Length > 8; changes--)
                bytes[random.Next(4, Math.Min(bytes.Length, 6000))] = (byte)random.Next(256);
            File.WriteAllBytes(tiny["b.gguf"], bytes);
            try
            {
                using var file = GgufFile.Open(tiny["b.gguf"]);
                using var inner = torch.NewDisposeScope();
                foreach (var t in file.Tensors)
                    Assert.Equal(t.Count, t.Read().numel());
            }
            catch (UserException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }
    }
}
