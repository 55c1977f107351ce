using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Generation;

/// <summary>Transformers whose blocks come and go.</summary>
[Collection(nameof(Alone))]
public sealed class OffloadTests : IDisposable
{
    private readonly WanTiny tiny = new();

    public void Dispose() => tiny.Dispose();

    private static readonly VideoRequest request = new()
    {
        Prompt = "a red cat",
        Seed = 3,
        Steps = 2,
        Guidance = 3,
    };

    [Theory]
    [InlineData(Network.Teacher, null)]
    [InlineData(Network.DmHead, null)]
    [InlineData(Network.Teacher, Sampler.Causal)]
    public void TheVideoIsTheSameAndTwoBlocksAreThereAtMost(Network network, Sampler? sampler)
    {
        var own = tiny.Convert(tiny.Convert(tiny["own"], Layout.Diffusers, "d"), Layout.LongTake, "with-student");
        var asked = request with
        {
            Network = network,
            Sampler = sampler,
            Guidance = sampler is null ? 3 : null,
            Frames = 5,
        };
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(own);
        var before = LiveTensors.Settled();
        Tensor kept,
            streamed;
        using (var model = new VideoGenerator(files, asked, offload: Offload.Off))
        {
            kept = model.Sample(asked);
            Assert.Equal((0, 0), model.Streamed);
        }
        using (var model = new VideoGenerator(files, asked, offload: Offload.On))
        {
            streamed = model.Sample(asked);
            // in bfloat16
            var block = model
                .Part.Tensors.Where(t => t.Name.StartsWith("blocks.0.", StringComparison.Ordinal))
                .Sum(t => t.Count * 2);
            Assert.Equal(0, model.Streamed.Now);
            // the next may come after this one is done with: they are tiny
            Assert.InRange(model.Streamed.Peak, block, 2 * block);
        }
        Assert.True(kept.SameAs(streamed));
        Assert.Equal(before + 2, Tensor.TotalCount);
    }

    [Fact]
    public void TheRuleIsAShareOfTheMemory()
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        Assert.Equal(
            (false, true),
            (
                Offloading.Streams(Offload.Auto, (long)(memory * 0.59), "cpu"),
                Offloading.Streams(Offload.Auto, (long)(memory * 0.61), "cpu")
            )
        );
        Assert.Equal(
            (true, false),
            (Offloading.Streams(Offload.On, 1, "cpu"), Offloading.Streams(Offload.Off, long.MaxValue, "cpu"))
        );
    }

    [Fact]
    public void AWeightThatIsMissingIsToldBeforeTheWork()
    {
        var wan = tiny.Convert(tiny["own"], Layout.Wan, "w");
        using (var whole = ModelFiles.Open(wan))
            TensorFiles.Write(
                Path.Combine(wan, "diffusion_pytorch_model.safetensors"),
                [.. whole.Require(PartKind.Transformer).Tensors.Where(t => t.Name != "blocks.1.ffn.2.bias")],
                null
            );
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(wan);
        Assert.Contains(
            "blocks.1.ffn.2.bias",
            Assert.ThrowsAny<UserException>(() => new VideoGenerator(files, request, offload: Offload.On)).Message
        );
    }
}
