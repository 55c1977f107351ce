using System.Text.Json;
using LongTake.Models;

namespace LongTake.Tests.Models;

public class WanVaeTests
{
    private static readonly WanVaeConfig Reference = new() { Dim = 6 };

    private static readonly WanVaeConfig Mini = new()
    {
        Dim = 8, ZDim = 4, DimMult = [1, 2, 4], TemporalDownsample = [true, true], ResBlocks = 1,
        Mean = [0.1, -0.2, 0, 0.3], Std = [1.5, 0.7, 1, 2],
    };

    private static void Close(Tensor expected, Tensor actual, double absolute = 2e-4, double relative = 1e-4)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var worst = Max(Abs(actual - expected) - Abs(expected) * relative).Scalar();
        Assert.True(worst <= absolute, $"off by {Max(Abs(actual - expected)).Scalar():g3}");
    }

    private static Tensor Noise(int seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return generator.Normal(shape);
    }

    private static Tensor[] InSteps(WanVae vae, Tensor latents, params long[] sizes)
    {
        using var cache = new WanVaeCache();
        var (frames, at) = (new List<Tensor>(), 0L);
        foreach (var size in sizes)
        {
            frames.Add(vae.DecodeStep(Narrow(latents, 2, at, size), cache));
            at += size;
        }
        return [.. frames];
    }

    // ---- against the reference implementation

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void EncodingAndDecodingGiveTheNumbersOfTheReference(int chunk)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = VaeFixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        Assert.Equal(fixture.Keys.Where(k => k.StartsWith("weights/")).Select(k => k[8..]).Order(), weights.All.Select(p => p.Key).Order());

        Tensor Output(string name) => fixture["outputs/" + name].Unsqueeze(0);
        var (video, image, latents) = (fixture["inputs/video"].Unsqueeze(0), fixture["inputs/image"].Unsqueeze(0), fixture["inputs/latents"].Unsqueeze(0));
        Close(Output("encode/video_latents"), vae.Encode(video, chunk));
        Close(Output("encode/video_moments"), vae.Moments(video, chunk));
        Close(Output("encode/image_latents"), vae.Encode(image, chunk));
        Close(Output("encode/image_moments"), vae.Moments(image, chunk));
        Close(Output("encode/tail_latents"), vae.Encode(Narrow(fixture["inputs/video_tail"].Unsqueeze(0), 2, 0, 5), chunk));
        Close(Output("decode/video"), vae.Decode(latents, chunk));
        Close(Output("decode/video_unclamped"), vae.Decode(latents, chunk, clamp: false));
        Close(Output("decode/single_latent_video"), vae.Decode(Narrow(latents, 2, 0, 1), chunk));
    }

    [SkippableFact]
    public void StreamedChunksGiveTheNumbersOfTheReference()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = VaeFixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        var latents = fixture["inputs/latents"].Unsqueeze(0);
        var parts = InSteps(vae, latents, 2, 2, 1);
        for (var i = 0; i < 3; i++) Close(fixture[$"outputs/stream/chunk{i}"].Unsqueeze(0), parts[i]);
        Close(fixture["outputs/decode/video"].Unsqueeze(0), Cat(InSteps(vae, latents, 1, 1, 1, 1, 1), 2));
    }

}

file static class VaeFixtures
{
    private static string? Folder
    {
        get
        {
            if (Environment.GetEnvironmentVariable("LONGTAKE_FIXTURES") is { Length: > 0 } given) return given;
            for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
                if (Directory.Exists(Path.Combine(at.FullName, "shared", "fixtures"))) return Path.Combine(at.FullName, "shared", "fixtures");
            return null;
        }
    }

    public static Dictionary<string, Tensor> Read(string name)
    {
        var path = Folder is { } folder ? Path.Combine(folder, name + ".safetensors") : null;
        Skip.If(path is null || !File.Exists(path), $"fixture {name} not found; set LONGTAKE_FIXTURES");
        var bytes = File.ReadAllBytes(path!);
        var start = 8 + (int)BitConverter.ToInt64(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, start - 8));
        return header.RootElement.EnumerateObject().Where(e => e.Name != "__metadata__").ToDictionary(e => e.Name, e =>
        {
            var shape = e.Value.GetProperty("shape").EnumerateArray().Select(n => n.GetInt64()).ToArray();
            var (from, to) = (e.Value.GetProperty("data_offsets")[0].GetInt32(), e.Value.GetProperty("data_offsets")[1].GetInt32());
            Assert.Equal("F32", e.Value.GetProperty("dtype").GetString());
            return Tensor.FromBytes(bytes.AsSpan(start + from, to - from), Dtype.F32, shape);
        });
    }
}
