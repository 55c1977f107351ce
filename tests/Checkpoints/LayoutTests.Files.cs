using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Checkpoints;

public sealed partial class LayoutTests
{
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
