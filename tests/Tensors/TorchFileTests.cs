using System.Diagnostics;

namespace LongTake.Tests.Tensors;

public sealed partial class TorchFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string At(string name) => Path.Combine(folder, name);

    private string Put(byte[] bytes)
    {
        File.WriteAllBytes(At("a.pt"), bytes);
        return At("a.pt");
    }

    private static LazyTensor Tensor(string name, ScalarType dtype, params long[] shape) =>
        new(name, dtype, shape, () =>
        {
            using var g = new torch.Generator((ulong)name.Length);
            return (torch.randn(shape, generator: g) * 20).to(dtype);
        });

    private static LazyTensor[] All =>
        [
            .. TensorFiles.Types.Select(d => Tensor($"block.{d}", d, 2, 3)),
            Tensor("scalar", ScalarType.Float64),
            Tensor("none", ScalarType.Float32, 0, 4),
        ];

    [Fact]
    public void RoundTripOfEveryElementType()
    {
        using var scope = torch.NewDisposeScope();
        TorchFileWriter.Write(At("a.pth"), null, ("", All));
        using var file = TorchFile.Open(At("a.pth"));
        var read = file.Groups[""];
        Assert.Equal(All.Select(t => t.Name), read.Select(t => t.Name));
        foreach (var (a, b) in All.Zip(read))
        {
            Assert.Equal((a.Dtype, string.Join(' ', a.Shape)), (b.Dtype, string.Join(' ', b.Shape)));
            Assert.True(a.Read().SameAs(b.Read()), a.Name);
        }
        TorchFileWriter.Write(At("b.pth"), null, ("", read));
        TorchFileWriter.Write(At("c/a.pth"), null, ("", read));
        Assert.Equal(File.ReadAllBytes(At("a.pth")), File.ReadAllBytes(At("c/a.pth")));
    }

    [Fact]
    public void GroupsAndACast()
    {
        using var scope = torch.NewDisposeScope();
        TorchFileWriter.Write(At("a.pt"), ScalarType.BFloat16, ("generator", All), ("critic", [All[0]]));
        using var file = TorchFile.Open(At("a.pt"));
        Assert.Equal(["generator", "critic"], file.Groups.Keys);
        Assert.All(file.Groups["generator"].Where(t => t.Name is "block.F32" or "block.F64" or "scalar"), t =>
            Assert.Equal(ScalarType.BFloat16, t.Dtype)
        );
        Assert.Contains(file.Groups["generator"], t => t.Dtype == ScalarType.Int64);
    }

    [Fact]
    public void TwoMebibytesAndMoreAreWrittenInPieces()
    {
        using var scope = torch.NewDisposeScope();
        var large = Tensor("w", ScalarType.Float32, 3, 2_000_001);
        TorchFileWriter.Write(At("a.pt"), null, ("", [large]));
        using var file = TorchFile.Open(At("a.pt"));
        Assert.True(large.Read().SameAs(file.Groups[""][0].Read()));
    }

    [Fact]
    public void StridesAndOffsetsAreFollowed()
    {
        using var scope = torch.NewDisposeScope();
        var storage = new byte[24 * 2];
        for (short i = 0; i < 24; i++)
            BitConverter.TryWriteBytes(storage.AsSpan(2 * i), i);
        using var file = TorchFile.Open(
            Put(HandMade.File(HandMade.Tensor("ShortStorage", 0, 24, 3, [2, 3, 2], [1, 6, 3]), storage))
        );
        var expected = new List<long>();
        for (var a = 0; a < 2; a++)
        for (var b = 0; b < 3; b++)
        for (var c = 0; c < 2; c++)
            expected.Add(3 + a + 6 * b + 3 * c);
        Assert.Equal(expected, file.Groups[""][0].Read().to(ScalarType.Int64).ToArray<long>());
    }
}
