using LongTake.Kernels;
using static LongTake.Tests.Kernels.Compare;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

[Collection(nameof(Alone))] // it sets the vector width of the process
public class NormKernelTests
{
    [Fact]
    public void TheNormIsThatOfAllNumbersTogether()
    {
        foreach (var width in Widths)
        {
            With(width, () =>
            {
                using var scope = NewDisposeScope();
                Tensor[] all = [Random(1, 3), Random(2, 100, 300).t(), Random(3, 50_000).to(ScalarType.BFloat16)];
                var exact = Math.Sqrt(all.Sum(t => t.to(ScalarType.Float64).pow(2).sum().ToDouble()));
                Assert.Equal(1, NormKernel.Norm(all) / exact, 3e-6);
                Assert.Equal(0, NormKernel.Norm([]));
            });
        }
    }
}
