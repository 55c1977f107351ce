using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class WanTransformerTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private static readonly WanConfig config = new()
    {
        TextLength = 16,
        Dim = 96,
        FfnDim = 256,
        FreqDim = 64,
        TextDim = 48,
        Heads = 3,
        Layers = 2,
    };

    [SkippableFact]
    public void EqualsTheReferenceOnTheFixture()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("wan_dit");
        using var error = new Deviation(output, "wan_dit");
        var wan = new WanTransformer(f.Weights, f.Config, ScalarType.Float32);
        for (var at = 0; f.Has($"inputs/case{at}/t"); at++)
        {
            // Videos of one size are one tensor in the file, those of several sizes one each.
            var together = f.Has($"inputs/case{at}/x");
            var count = (int)f[$"inputs/case{at}/t"].size(0);
            for (var i = 0; i < count; i++)
            {
                var x = together ? f[$"inputs/case{at}/x"][i] : f[$"inputs/case{at}/x_{i}"];
                var text = f.PadText(f[$"inputs/case{at}/context_{i}"]);
                var v = wan.Forward(x.unsqueeze(0), f[$"inputs/case{at}/t"].narrow(0, i, 1), text).squeeze(0);
                var expected = together ? f[$"outputs/case{at}/velocity"][i] : f[$"outputs/case{at}/velocity_{i}"];
                error.Hold(expected, v, f.Atol, f.Rtol);
            }
        }
    }

    private static Tensor Texts(WanFixture f) =>
        torch.cat([
            .. Enumerable
                .Range(0, (int)f["inputs/case0/t"].size(0))
                .Select(i => f.PadText(f[$"inputs/case0/context_{i}"])),
        ]);

    /// <summary>Everything before the first block, and the head, on their own.</summary>
    [SkippableFact]
    public void PartsEqualTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("wan_dit");
        using var error = new Deviation(output, "wan_dit parts");
        var model = new WanModel(f.Config);
        var embedding = model.Embedding(f.Weights, ScalarType.Float32);
        Tensor Out(string name) => f["outputs/case0/" + name];
        var text = Texts(f);
        var s = (WanState)embedding.Forward(f["inputs/case0/x"], f["inputs/case0/t"], text);
        var (b, n) = (s.X.size(0), s.X.size(1) * s.X.size(2));
        void Hold(string name, Tensor ours) => error.Hold(Out(name), ours, f.Atol, f.Rtol);
        Hold("patch_embedding", s.X[0].reshape(-1, f.Config.Dim).transpose(0, 1).reshape(Out("patch_embedding").shape));
        Hold("text_embedding", s.Text);
        Hold("time_embedding", s.Time.squeeze(1));
        Hold("time_projection", s.Modulation.reshape(b, -1));
        for (var i = 0; i < f.Config.Layers; i++)
        {
            s = (WanState)model.Block(f.Weights / "blocks" / i).Forward(s);
            Hold($"block{i}/out", s.X.reshape(b, n, -1));
        }
        var head = model.Output(f.Weights / "head").Forward(s, f["inputs/case0/x"], f["inputs/case0/t"]);
        Hold("head", Patches(head, f.Config).reshape(b, n, -1));
    }

    // [B, C, T, H, W] as the head gives it: patches, the last dimension (patch t, patch h, patch w, channel).
    private static Tensor Patches(Tensor v, WanConfig c)
    {
        var (pt, ph, pw) = (c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]);
        var (b, channels, t, h, w) = v;
        return v.reshape([b, channels, t / pt, pt, h / ph, ph, w / pw, pw]).permute(0, 2, 4, 6, 3, 5, 7, 1);
    }

    [SkippableFact]
    public void ImageToVideoEqualsTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("wan_dit_i2v");
        using var error = new Deviation(output, "wan_dit_i2v");
        var wan = new WanTransformer(f.Weights, f.Config, ScalarType.Float32);
        Assert.Equal(
            f.Names.Where(n => n.StartsWith("weights/", StringComparison.Ordinal)).Order(),
            f.Weights.All.Select(p => "weights/" + p.Key).Order()
        );
        Tensor[] texts = [.. Enumerable.Range(0, (int)f["inputs/x"].size(0)).Select(i => f[$"inputs/context_{i}"])];
        var (clip, y) = (f["inputs/clip_fea"], f["inputs/y"]);
        var image = new ImageCondition(clip, y);
        var v = wan.Forward(f["inputs/x"], f["inputs/t"], torch.cat([.. texts.Select(f.PadText)]), image);
        error.Hold(f["outputs/velocity"], v, f.Atol, f.Rtol);
        error.Hold(
            f["outputs/img_emb"],
            new WanImageEmbedding(f.Weights / "img_emb", f.Config).Forward(clip),
            f.Atol,
            f.Rtol
        );
        Assert.Contains(
            "image",
            Assert
                .Throws<UserException>(() =>
                    wan.Forward(f["inputs/x"], f["inputs/t"], torch.cat([.. texts.Select(f.PadText)]))
                )
                .Message
        );
    }

    [SkippableFact]
    public void OneTimestepPerFrameEqualsOnePerSampleWhenTheyAgree()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new WanFixture("wan_dit");
        var wan = new WanTransformer(f.Weights, f.Config, ScalarType.Float32);
        var text = Texts(f);
        var (x, t) = (f["inputs/case0/x"], f["inputs/case0/t"]);
        Near.Equal(
            wan.Forward(x, t, text),
            wan.Forward(x, t.unsqueeze(1).expand(-1, x.size(2)).contiguous(), text),
            1e-5,
            1e-5
        );
    }

    /// <summary>Sizes that no fixture has, against attention and rotation written out.</summary>
    [Theory]
    [InlineData(1, 2, 2, 3)]
    [InlineData(5, 6, 10, 1)]
    [InlineData(4, 2, 14, 2)]
    [InlineData(7, 4, 4, 1)]
    public void EqualsItsSlowSelfAtAnySize(int frames, int height, int width, int batch)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        using var g = new torch.Generator((ulong)(2));
        var wan = new WanTransformer(weights, config, ScalarType.Float32);
        foreach (var (_, w) in weights.All)
            w.copy_(w + torch.randn(w.shape, generator: g) * 0.05);
        var (x, text) = (
            torch.randn([batch, 16, frames, height, width], generator: g),
            torch.randn([batch, 9, config.TextDim], generator: g)
        );
        var t = torch.rand([batch], generator: g) * 1000;
        using var slow = new SlowCausalWan(weights, config, frames, 0, CachePositions.Video);
        var steps = t.unsqueeze(1).expand(batch, frames).contiguous();
        Near.Equal(slow.Forward(x, steps, text, 0), wan.Forward(x, t, text), 5e-5, 1e-4);
    }

    [Fact]
    public void BothHeadsAreExactlyWanAtTheStart()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var c = config with { Layers = 4 };
        using var wanWeights = Weights.Create(new Rng(1));
        var wan = new WanTransformer(wanWeights, c, ScalarType.Float32);
        using var g = new torch.Generator((ulong)(2));
        foreach (var (name, t) in wanWeights.All.Where(p => p.Key.StartsWith("head.", StringComparison.Ordinal)))
            t.copy_(torch.randn(t.shape, generator: g) * 0.1);
        using var weights = Weights.Load(DecoupledTransformer.FromTransformer(wanWeights.Source(), 4, headBlocks: 2));
        var student = new DecoupledTransformer(weights, new WanModel(c), headBlocks: 2, ScalarType.Float32);
        var (x, t5, text) = (
            torch.randn([1, 16, 5, 4, 4], generator: g),
            torch.full([1], 700),
            torch.randn([1, 7, 48], generator: g)
        );
        var expected = wan.Forward(x, t5, text);
        foreach (var head in Enum.GetValues<Head>())
            Assert.True(expected.SameAs(student.Forward(head, x, t5, text)));
    }

    [Fact]
    public void APatchThatDoesNotFitIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var wan = new WanTransformer(weights, config, ScalarType.Float32);
        using var g = new torch.Generator((ulong)(2));
        var e = Assert.Throws<UserException>(() =>
            wan.Forward(
                torch.randn([1, 16, 2, 5, 4], generator: g),
                torch.full([1], 1),
                torch.randn([1, 3, 48], generator: g)
            )
        );
        Assert.Contains("[2, 5, 4]", e.Message);
    }
}
