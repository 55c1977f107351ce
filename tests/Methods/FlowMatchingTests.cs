using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Methods;

public sealed class FlowMatchingTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private static void Learns(Method method)
    {
        using var scope = torch.NewDisposeScope();
        var update = method.Updates.Single();
        Assert.True(update.Descend(new Rng(3), 1)["loss"] > 0);
        Assert.All(update.Parameters, p => Assert.True(p.Value.requires_grad && p.Value.grad is not null, p.Key));
        Assert.Equal(method.Networks.Values.Sum(w => w.Tensors.Count), update.Parameters.Count);
        Assert.Equal(method.Networks.Keys, method.Averaged);
    }

    [Fact]
    public void ATeacherLearnsInAllItsWeights()
    {
        using var method = Teacher.Entry.Build(tiny.Stage(), new FlowMatchingConfig { Batch = 3 });
        Learns(method);
        Assert.True(method.Validate!()["held-out fm"] > 0);
    }

    [Fact]
    public void ALongTransformerLearnsInAllItsWeightsAndItsTextEncoderStays()
    {
        using var method = LongSft.Entry.Build(tiny.Stage(), new FlowMatchingConfig { Batch = 2 });
        Learns(method);
        Assert.Equal(["wan"], method.Networks.Keys);
    }

    /// <summary>With a network that says nothing the loss is the mean square of noise - x0.</summary>
    [Fact]
    public void TheLossOfSilenceIsTheMeanSquareOfTheTarget()
    {
        using var scope = torch.NewDisposeScope();
        var loss = FlowMatching.Loss(
            (x, t, _) => x * 0,
            torch.full([4, 4, 7, 16, 16], 2),
            torch.zeros([1]),
            new Rng(1),
            new(3)
        );
        Assert.Equal(1 + 2 * 2, loss.ToDouble(), 0.1);
    }

    /// <summary>A file of another size than its config is refused, by the name of a weight.</summary>
    [Theory]
    [InlineData(2, 24, "blocks.2.")] // one block more than the config says
    [InlineData(4, 24, "blocks.3.")] // one fewer
    [InlineData(3, 48, "has shape")]
    public void WeightsOfAnotherSizeAreRefused(int layers, int dim, string said)
    {
        var c = tiny.Folder.Config;
        var folder = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            var wrong = ModelFolder.Create(
                folder,
                c with
                {
                    Wan = c.Wan with { Layers = layers, Dim = dim },
                },
                tiny.Folder
            );
            using var scope = torch.NewDisposeScope();
            Assert.Contains(
                said,
                Assert.Throws<UserException>(() => tiny.Stage().StartOf(wrong, ModelFolder.Teacher)).Message
            );
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void AWeightAskedForInTwoShapesIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        weights.Parameter("a", [2, 3]);
        Assert.Contains("weight 'a'", Assert.Throws<UserException>(() => weights.Parameter("a", [3, 2])).Message);
    }
}
