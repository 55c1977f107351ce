using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Checkpoints;

public sealed partial class LayoutTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly DisposeScope scope = torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        tiny.Dispose();
    }

    private static readonly Layout[] written = [Layout.Wan, Layout.Diffusers, Layout.Comfy, Layout.LongTake];

    public static TheoryData<Layout, Layout> Pairs()
    {
        var pairs = new TheoryData<Layout, Layout>();
        foreach (var first in written)
        foreach (var second in written)
            pairs.Add(first, second);
        return pairs;
    }

    private static void Same(string a, string b)
    {
        using var first = ModelFiles.Open(a);
        using var second = ModelFiles.Open(b);
        Assert.Equal(first.Part(PartKind.ImageEncoder) is null, second.Part(PartKind.ImageEncoder) is null);
        foreach (
            var kind in (
                (PartKind[])[PartKind.Transformer, PartKind.Vae, PartKind.TextEncoder, PartKind.ImageEncoder]
            ).Where(k => k != PartKind.ImageEncoder || first.Part(k) is not null)
        )
        {
            var (x, y) = (first.Require(kind), second.Require(kind));
            Assert.Equal(
                x.Tensors.Select(t => (t.Name, t.Dtype, string.Join(' ', t.Shape))),
                y.Tensors.Select(t => (t.Name, t.Dtype, string.Join(' ', t.Shape)))
            );
            foreach (var (s, t) in x.Tensors.Zip(y.Tensors))
                Assert.True(s.Read().SameAs(t.Read()), $"{kind} {s.Name}");
            Assert.Empty(second.Problems(y));
        }
        Assert.Equal(first.Tokenizer, second.Tokenizer);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void ThereAndBackIsBitForBit(Layout first, Layout second)
    {
        var there = tiny.Convert(tiny["own"], first, "a");
        Same(tiny["own"], there);
        var further = tiny.Convert(there, second, "b");
        Same(tiny["own"], further);
        var back = tiny.Convert(further, first, "c");
        foreach (
            var file in Directory
                .GetFiles(there, "*", SearchOption.AllDirectories)
                .Where(f => !f.EndsWith(".json", StringComparison.Ordinal))
        )
            Assert.Equal(
                File.ReadAllBytes(file),
                File.ReadAllBytes(Path.Combine(back, Path.GetRelativePath(there, file)))
            );
        using var files = ModelFiles.Open(back);
        Assert.Equal(first, files.Layout);
        Assert.Equal(
            (WanTiny.Config.Wan.Heads, WanTiny.Config.Fps, WanTiny.Config.Vae.Std[0]),
            (files.Config.Wan.Heads, files.Config.Fps, files.Config.Vae.Std[0])
        );
    }

    [Fact]
    public void AModelOfPicturesGoesRoundAllLayoutsBitForBit()
    {
        using var pictures = new WanTiny(pictures: true);
        var at = pictures["own"];
        foreach (
            var (i, layout) in (
                (Layout[])
                    [
                        Layout.Wan,
                        Layout.Diffusers,
                        Layout.Comfy,
                        Layout.Diffusers,
                        Layout.LongTake,
                        Layout.Comfy,
                        Layout.Wan,
                    ]
            ).Index()
        )
        {
            Same(pictures["own"], at = pictures.Convert(at, layout, $"{i}"));
            using var files = ModelFiles.Open(at);
            Assert.Equal(
                (layout, WanTiny.ImageConfig.Clip, 20),
                (files.Layout, files.Config.Clip, files.Config.Wan.ClipDim)
            );
        }
        foreach (var file in Directory.GetFiles(pictures["0"], "*", SearchOption.AllDirectories))
            Assert.Equal(
                File.ReadAllBytes(file),
                File.ReadAllBytes(Path.Combine(at, Path.GetRelativePath(pictures["0"], file)))
            );
        Assert.Superset(
            new HashSet<string>
            {
                "image_encoder/config.json",
                "image_encoder/model.safetensors",
                "image_processor/preprocessor_config.json",
            },
            new HashSet<string>(
                Directory
                    .GetFiles(pictures["1"], "*", SearchOption.AllDirectories)
                    .Select(f => Path.GetRelativePath(pictures["1"], f))
            )
        );
        using var comfy = SafetensorsSet.Open(pictures["2", "clip_vision", "clip_vision_h.safetensors"]);
        Assert.Equal([20L], comfy.Entry("vision_model.embeddings.class_embedding").Shape);
        Assert.Equal([6L, 20], comfy.Entry("visual_projection.weight").Shape);
        Assert.Equal([20L, 20], comfy.Entry("vision_model.encoder.layers.2.self_attn.v_proj.weight").Shape);
    }

    /// <summary>Wan's own file holds CLIP's texts too, some files a counter of transformers' or no prefix.</summary>
    [Fact]
    public void OtherFilesOfTheImageEncoderAreKnown()
    {
        using var pictures = new WanTiny(pictures: true);
        using var own = ModelFiles.Open(pictures["own"]);
        var clip = own.Require(PartKind.ImageEncoder).Tensors;
        LazyTensor Extra(string name, ScalarType type = ScalarType.Float32) =>
            new(name, type, [1, 2], () => torch.ones([1, 2], type));
        var wan = pictures.Convert(pictures["own"], Layout.Wan, "w");
        TorchFileWriter.Write(
            Directory.GetFiles(wan, "models_clip*").Single(),
            null,
            ("", [.. clip, Extra("textual.head.weight"), Extra("log_scale")])
        );
        using (var files = ModelFiles.Open(wan))
        {
            Assert.Empty(files.Parts.SelectMany(files.Problems));
            Assert.Contains(
                "text half is left out",
                Assert.Single(Conversion.Run(files, new() { To = Layout.Diffusers, Output = pictures["d"] }))
            );
            Assert.Empty(Conversion.Run(files, new() { To = Layout.Wan, Output = pictures["w2"] }));
            using var kept = ModelFiles.Open(pictures["w2"]);
            Assert.Contains("textual.head.weight", kept.Require(PartKind.ImageEncoder).Shapes.Keys);
        }
        Same(pictures["own"], pictures["d"]);
        TensorFiles.Write(
            pictures["d", "image_encoder", "model.safetensors"],
            [
                Extra("vision_model.embeddings.position_ids", ScalarType.Int64),
                .. Transformers().Where(t => t.Name != "visual_projection.weight"),
            ],
            null
        );
        using (var files = ModelFiles.Open(pictures["d"]))
            Assert.Empty(files.Parts.SelectMany(files.Problems));
        TensorFiles.Write(
            pictures["bare.safetensors"],
            [.. clip.Select(t => t with { Name = t.Name["visual.".Length..] })],
            null
        );
        using (var files = ModelFiles.Open(pictures["bare.safetensors"]))
            Assert.Equal(
                (PartKind.ImageEncoder, clip.Count),
                (files.Parts.Single().Kind, files.Parts.Single().Tensors.Count(t => clip.Any(c => c.Name == t.Name)))
            );
        // A query without its key stays what it is and is reported.
        TensorFiles.Write(
            pictures["d", "image_encoder", "model.safetensors"],
            [
                .. Transformers()
                    .Where(t => !t.Name.EndsWith("layers.1.self_attn.k_proj.bias", StringComparison.Ordinal)),
            ],
            null
        );
        using (var files = ModelFiles.Open(pictures["d"]))
            Assert.Contains(
                "visual.transformer.1.attn.to_qkv.bias",
                string.Join('\n', files.Parts.SelectMany(files.Problems))
            );

        List<LazyTensor> Transformers() => ClipNames.ToTransformers(own.Require(PartKind.ImageEncoder));
    }

    [Fact]
    public void TheModelGivesTheSameFromEveryLayout()
    {
        var expected = WanTiny.Outputs(tiny["own"]);
        foreach (var layout in written)
            Assert.All(expected.Zip(WanTiny.Outputs(tiny.Convert(tiny["own"], layout, $"{layout}"))), p =>
                Assert.True(p.First.SameAs(p.Second), $"{layout}")
            );
        Assert.True(expected[0].SameAs(WanTiny.Outputs(tiny.Research())[0]));
        Assert.False(expected[0].SameAs(WanTiny.Outputs(tiny.Research(), "generator")[0]));
        var single = tiny.Convert(tiny.Research(), Layout.Comfy, "research/wan.safetensors");
        Assert.True(expected[0].SameAs(WanTiny.Outputs(single)[0]));
    }
}
