using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Generation;

/// <summary>A video with LoRAs is that of a model into which they were merged.</summary>
[Collection(nameof(Alone))]
public sealed class LoraRequestTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly DisposeScope scope = torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        tiny.Dispose();
    }

    private (Tensor Latents, string Hash) Made(string model, params string[] loras)
    {
        using var files = ModelFiles.Open(model);
        var request = new VideoRequest
        {
            Prompt = "a red cat",
            Network = Network.Teacher,
            Frames = 5,
            Steps = 2,
            Loras = loras,
        };
        using var generator = new VideoGenerator(files, request, ScalarType.Float32);
        return (generator.Sample(request), generator.Hash);
    }

    [Fact]
    public void TheVideoIsThatOfTheMergedModel()
    {
        using var g = new torch.Generator(1);
        TensorFiles.Write(
            tiny["lora.safetensors"],
            new Dictionary<string, Tensor>
            {
                ["diffusion_model.blocks.0.ffn.2.lora_down.weight"] = torch.randn([2, 32], generator: g),
                ["diffusion_model.blocks.0.ffn.2.lora_up.weight"] = torch.randn([24, 2], generator: g),
            }
        );
        var lora = tiny["lora.safetensors"];
        var merged = tiny.Convert(tiny["own"], Layout.Wan, "merged", r => r with { Loras = [(lora, .5)] });
        var (plain, half) = (Made(tiny["own"]), Made(tiny["own"], lora + "=0.5"));
        Assert.True(Made(merged).Latents.SameAs(half.Latents));
        Assert.False(plain.Latents.SameAs(half.Latents));
        Assert.NotEqual(plain.Hash, half.Hash);
        Assert.True(Made(tiny["own"], lora + "=0").Latents.SameAs(plain.Latents));
        Assert.False(Made(tiny["own"], lora, lora).Latents.SameAs(Made(tiny["own"], lora).Latents));
        Assert.Contains(
            "write FILE or FILE=0.8",
            Assert.Throws<UserException>(() => Made(tiny["own"], "a=0,5")).Message
        );
    }
}
