using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public class FlowTests
{
    private static Tensor Noise(torch.Generator g) => torch.randn([2, 3, 4, 2, 2], generator: g).to(ScalarType.Float64);

    [Fact]
    public void SelfForcingsThreeIsTheStandardFour()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (cond, uncond) = (Noise(g), Noise(g));
        Near.Equal(cond + (cond - uncond) * 3, Flow.Guide(cond, uncond, 4), 1e-12);
        Assert.True(uncond.SameAs(Flow.Guide(cond, uncond, 0)));
        Near.Equal(cond, Flow.Guide(cond, uncond, 1), 1e-12);
    }

    [Fact]
    public void GuidanceOfVelocitiesIsGuidanceOfPredictions()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (xt, vc, vu, sigma) = (Noise(g), Noise(g), Noise(g), Tensor.From([0.3, 0.8]));
        Near.Equal(
            Flow.Guide(Flow.Clean(xt, vc, sigma), Flow.Clean(xt, vu, sigma), 4.5),
            Flow.Clean(xt, Flow.Guide(vc, vu, 4.5), sigma),
            1e-12
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void VelocityAndDataAreClosedFormsOfOneAnother(bool perFrame)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(2));
        var (x0, noise) = (Noise(g), Noise(g));
        var sigma = perFrame ? Tensor.From([.1, .3, .5, .7, .2, .4, .6, 1], 2, 4) : Tensor.From([0.2, 1.0]);
        var (xt, v, s) = (Flow.Noisy(x0, noise, sigma), Flow.Target(x0, noise), Flow.Spread(sigma));
        Assert.Equal(perFrame ? [2, 1, 4, 1, 1] : new long[] { 2, 1, 1, 1, 1 }, s.shape);
        Near.Equal(x0, Flow.Clean(xt, v, sigma), 1e-12);
        Near.Equal(noise, xt + v * (1 - s), 1e-12);
        Near.Equal(v, (xt - x0) / s, 1e-12);
        Near.Equal(torch.zeros([], ScalarType.Float64), Flow.Loss(v, x0, noise), 1e-20);
        Assert.Equal(1, Flow.Loss(v + 1, x0, noise).ToDouble(), 1e-12);
    }

    /// <summary>
    /// The paper's sign is the other one; its eq. 9 and the difference of scores are (fake - real) in x0 space.
    /// </summary>
    [Fact]
    public void ThePapersVelocityIsMinusWansAndItsEquationNineIsTheDifferenceOfPredictions()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(3));
        var (x0, noise, t) = (Noise(g), Noise(g), 0.4);
        var sigma = torch.full([2], t, ScalarType.Float64);
        var xt = Flow.Noisy(x0, noise, sigma);
        var (vFake, vReal) = (Noise(g), Noise(g));
        var (uFake, uReal) = (-vFake, -vReal); // u = x0 - noise
        var (fake, real) = (Flow.Clean(xt, vFake, sigma), Flow.Clean(xt, vReal, sigma));
        Near.Equal(xt + uFake * t, fake, 1e-12);
        Near.Equal(x0 - noise, -Flow.Target(x0, noise), 1e-15);
        Near.Equal((fake - real) / t, uFake - uReal, 1e-12); // eq. 9
        Tensor Score(Tensor clean) => -(xt - clean * (1 - t)) / (t * t);
        Near.Equal((fake - real) * ((1 - t) / (t * t)), Score(fake) - Score(real), 1e-12);
        Near.Equal((vFake - vReal) * (-(1 - t) / t), Score(fake) - Score(real), 1e-12);
    }
}
