using System.Runtime.InteropServices;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;
using LongTake.Training;
using Descent = LongTake.Nn.Optimiser;

namespace LongTake.Tests.Training;

public sealed partial class DeviceTests
{
    /// <summary>The device's memory is full amid a run: the folder goes on as if it had been stopped.</summary>
    [Fact]
    public void ARunWhoseMemoryIsFullGoesOnLater()
    {
        var root = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            var whole = Trained(Path.Combine(root, "whole"), fullAt: -1);
            Assert.Contains(
                "out of memory",
                Assert.Throws<ExternalException>(() => Trained(Path.Combine(root, "broken"), fullAt: 5)).Message
            );
            Assert.Equal(4, new RunFolder(Path.Combine(root, "broken")).Latest(verify: true)!.Step);
            Assert.Equal(whole, Trained(Path.Combine(root, "broken"), fullAt: -1));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static float[] Trained(string folder, int fullAt)
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(5));
        var layer = new LongTake.Nn.Linear(weights / "layer", 3, 2);
        weights.Trainable();
        var calls = 0;
        using var method = new Method
        {
            Networks = new Dictionary<string, Weights> { ["net"] = weights },
            Averaged = ["net"],
            Updates =
            [
                new Update("net", [.. weights.All], new OptimiserConfig { Lr = 1e-2, WarmUp = 1 }, (random, weight) =>
                {
                    if (calls++ == fullAt)
                        throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB.");
                    using var g = new torch.Generator((ulong)random.Seed());
                    var loss = layer.Forward(torch.randn([4, 3], generator: g)).square().mean();
                    (loss * weight).Backward();
                    return new Dictionary<string, double> { ["loss"] = loss.ToDouble() };
                }),
            ],
            Export = (_, _) => { },
        };
        Loop.Run(
            method,
            new()
            {
                Steps = 8,
                CheckpointEvery = 2,
                ValidateEvery = 0,
            },
            new RunFolder(folder),
            null,
            _ => { },
            null,
            default
        );
        return [.. weights.Tensors.SelectMany(t => t.ToArray<float>())];
    }
}
