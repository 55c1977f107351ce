using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Checkpoints;

public sealed class LayoutTests : IDisposable
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

    [Fact]
    public void TheFilesAreWhatOtherProgramsExpect()
    {
        string[] Files(Layout to, string name) =>
            [
                .. Directory
                    .GetFiles(
                        tiny.Convert(tiny["own"], to, name, r => r with { ShardBytes = 40_000 }),
                        "*",
                        SearchOption.AllDirectories
                    )
                    .Select(f => Path.GetRelativePath(tiny[name], f))
                    .Order(StringComparer.Ordinal),
            ];
        var wan = Files(Layout.Wan, "w");
        Assert.Contains("diffusion_pytorch_model.safetensors.index.json", wan);
        Assert.Contains("diffusion_pytorch_model-00001-of-00003.safetensors", wan);
        Assert.Superset(
            new HashSet<string>
            {
                "config.json",
                "models_t5_umt5-xxl-enc-bf16.pth",
                "Wan2.1_VAE.pth",
                "google/umt5-xxl/spiece.model",
            },
            new HashSet<string>(wan)
        );
        var diffusers = Files(Layout.Diffusers, "d");
        Assert.Superset(
            new HashSet<string>
            {
                "model_index.json",
                "transformer/config.json",
                "transformer/diffusion_pytorch_model.safetensors.index.json",
                "vae/diffusion_pytorch_model.safetensors.index.json",
                "text_encoder/model.safetensors",
                "tokenizer/spiece.model",
                "scheduler/scheduler_config.json",
            },
            new HashSet<string>(diffusers)
        );
        Same(tiny["w"], tiny["d"]);
        using var comfy = SafetensorsSet.Open(
            Path.Combine(tiny.Convert(tiny["own"], Layout.Comfy, "c"), "diffusion_models")
        );
        Assert.All(comfy.Names, n => Assert.StartsWith("model.diffusion_model.", n));
        using var alone = ModelFiles.Open(Path.Combine(tiny["c"], "diffusion_models", "wan.safetensors"));
        Assert.Equal((Layout.Comfy, 2), (alone.Layout, alone.Config.Wan.Heads));
    }

    [Fact]
    public void ACastIsTheCastOfEachTensor()
    {
        var half = tiny.Convert(tiny["own"], Layout.Wan, "half", r => r with { Dtype = ScalarType.BFloat16 });
        using var own = ModelFiles.Open(tiny["own"]);
        using var cast = ModelFiles.Open(half);
        foreach (var kind in (PartKind[])[PartKind.Transformer, PartKind.Vae])
        foreach (var (a, b) in own.Require(kind).Tensors.Zip(cast.Require(kind).Tensors))
            Assert.True(a.Read().to(ScalarType.BFloat16).SameAs(b.Read()));
    }

    [Fact]
    public void AStudentFromAnyLayoutStartsAsWanInBothHeads()
    {
        var own = tiny.Convert(tiny.Convert(tiny["own"], Layout.Diffusers, "d"), Layout.LongTake, "own again");
        using var files = ModelFiles.Open(own);
        var student = files.Require(PartKind.Student);
        Assert.Empty(files.Problems(student));
        var expected = files.Require(PartKind.Transformer).Tensors.ToDictionary(t => t.Name);
        using (var weights = Weights.Load(student.Source()))
        {
            var network = new DecoupledTransformer(weights, files.Config.Model, files.Config.HeadBlocks);
            using var wan = Weights.Load(files.Require(PartKind.Transformer).Source());
            using var g = new torch.Generator((ulong)(5));
            var (x, t, text) = (
                torch.randn([1, 4, 2, 4, 4], generator: g),
                torch.full([1], 700),
                torch.randn([1, 5, 8], generator: g)
            );
            var v = new Transformer(wan, files.Config.Model).Forward(x, t, text);
            foreach (var head in Enum.GetValues<Head>())
            {
                Assert.True(v.SameAs(network.Forward(head, x, t, text)));
                var plain = student.OfHead(head);
                Assert.Equal(
                    expected.Keys.Order(StringComparer.Ordinal),
                    plain.Shapes.Keys.Order(StringComparer.Ordinal)
                );
                foreach (var tensor in plain.Tensors)
                    Assert.True(expected[tensor.Name].Read().SameAs(tensor.Read()), tensor.Name);
            }
        }
        var kept = tiny.Convert(own, Layout.LongTake, "kept");
        foreach (var file in Directory.GetFiles(own))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(kept, Path.GetFileName(file))));
        using (var slim = ModelFiles.Open(tiny.Convert(own, Layout.LongTake, "slim", r => r with { Part = "dm_head" })))
        {
            Assert.Equal(Head.DistributionMatching, slim.Require(PartKind.Student).OnlyHead);
            Assert.Empty(slim.Parts.SelectMany(slim.Problems));
            Assert.Contains(
                "no fm_head",
                Assert
                    .ThrowsAny<UserException>(() =>
                        new VideoRequest { Prompt = "a cat", Network = Network.FmHead }.Resolve(slim)
                    )
                    .Message
            );
            using var video = new VideoGenerator(slim, new VideoRequest { Prompt = "a cat" });
        }
        using var head1 = ModelFiles.Open(tiny.Convert(own, Layout.Wan, "head", r => r with { Part = "dm_head" }));
        Assert.Empty(head1.Problems(head1.Require(PartKind.Transformer)));
    }

    [Fact]
    public void WhatIsMissingIsNamedAndNothingIsWritten()
    {
        var wan = tiny.Convert(tiny["own"], Layout.Wan, "w");
        using (var whole = ModelFiles.Open(wan))
            TensorFiles.Write(
                Path.Combine(wan, "diffusion_pytorch_model.safetensors"),
                [
                    .. whole.Require(PartKind.Transformer).Tensors.Where(t => t.Name != "blocks.1.ffn.2.bias"),
                    whole.Parts[0].Tensors[0] with
                    {
                        Name = "extra",
                    },
                ],
                null
            );
        using var broken = ModelFiles.Open(wan);
        var said = broken.Problems(broken.Require(PartKind.Transformer)).ToList();
        Assert.Contains(said, p =>
            p.Contains("lacks 1 of", StringComparison.Ordinal)
            && p.Contains("blocks.1.ffn.2.bias", StringComparison.Ordinal)
        );
        Assert.Contains(said, p => p.Contains("extra", StringComparison.Ordinal));
        var e = Assert.ThrowsAny<UserException>(() =>
            Conversion.Run(broken, new() { To = Layout.Diffusers, Output = tiny["out"] })
        );
        Assert.Contains("Nothing was written", e.Message);
        Assert.DoesNotContain(Directory.GetFileSystemEntries(tiny.Root), f =>
            Path.GetFileName(f).StartsWith("out", StringComparison.Ordinal)
        );
        Assert.Contains(
            "not empty",
            Assert.ThrowsAny<UserException>(() => tiny.Convert(tiny["own"], Layout.Wan, "w")).Message
        );
        Assert.Contains(
            "holds no",
            Assert
                .ThrowsAny<UserException>(() =>
                {
                    using var r = ModelFiles.Open(tiny.Research());
                    r.Require(PartKind.Vae);
                })
                .Message
        );
        Assert.Contains(
            "generator, generator_ema, critic",
            Assert.ThrowsAny<UserException>(() => WanTiny.Outputs(tiny.Research(), "teacher")).Message
        );
    }

    [Fact]
    public void AMutatedModelIsReadOrRefused()
    {
        tiny.Convert(tiny["own"], Layout.Wan, "w");
        var random = new Rng(4);
        foreach (
            var (name, begin, length) in new[]
            {
                ("own/teacher.safetensors", 8, 9000),
                ("w/Wan2.1_VAE.pth", 0, 20_000),
                ("w/models_t5_umt5-xxl-enc-bf16.pth", 0, 3000),
            }
        )
        {
            var sound = File.ReadAllBytes(tiny[name]);
            var path = tiny["mutated" + Path.GetExtension(name)];
            for (var trial = 0; trial < 200; trial++)
            {
                var bytes = sound.ToArray();
                for (var changes = 1 + random.Int(6); changes > 0; changes--)
                    bytes[begin + random.Int(length)] = (byte)(
                        random.Int(2) == 0 ? '0' + random.Int(10) : random.Int(256)
                    );
                File.WriteAllBytes(path, bytes);
                try
                {
                    using var files = ModelFiles.Open(path);
                    foreach (var part in files.Parts)
                        Assert.All(files.Problems(part), p => Assert.NotEmpty(p));
                }
                catch (UserException e)
                {
                    Assert.NotEmpty(e.Message);
                }
            }
        }
    }
}
