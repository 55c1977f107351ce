using LongTake.Checkpoints;

namespace LongTake.Tests.Checkpoints;

public sealed class LoraTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly DisposeScope scope = torch.NewDisposeScope();
    private readonly Dictionary<string, Tensor> tensors = [];

    public void Dispose()
    {
        scope.Dispose();
        tiny.Dispose();
    }

    private static Tensor Noise(int seed, params long[] shape)
    {
        using var g = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: g);
    }

    // What the file may call (down, up, alpha) of blocks.1.self_attn.q and blocks.0.ffn.2.
    [Theory]
    [InlineData(
        "base_model.model.blocks.1.self_attn.q.",
        "base_model.model.blocks.0.ffn.2.",
        "lora_A.weight",
        "lora_B.weight",
        false
    )]
    [InlineData(
        "base_model.model.blocks.1.self_attn.q.",
        "base_model.model.blocks.0.ffn.2.",
        "lora_A.default.weight",
        "lora_B.default.weight",
        false
    )]
    [InlineData(
        "diffusion_model.blocks.1.self_attn.q.",
        "diffusion_model.blocks.0.ffn.2.",
        "lora_A.weight",
        "lora_B.weight",
        true
    )]
    [InlineData(
        "diffusion_model.blocks.1.self_attn.q.",
        "diffusion_model.blocks.0.ffn.2.",
        "lora_down.weight",
        "lora_up.weight",
        true
    )]
    [InlineData(
        "transformer.blocks.1.attn1.to_q.",
        "transformer.blocks.0.ffn.net.2.",
        "lora_A.weight",
        "lora_B.weight",
        false
    )]
    [InlineData(
        "lora_unet_blocks_1_self_attn_q.",
        "lora_unet_blocks_0_ffn_2.",
        "lora_down.weight",
        "lora_up.weight",
        true
    )]
    [InlineData(
        "lora_unet_blocks_1_attn1_to_q.",
        "lora_unet_blocks_0_ffn_net_2.",
        "lora_down.weight",
        "lora_up.weight",
        true
    )]
    public void EveryWayToNameOneGivesTheSame(string q, string ffn, string down, string up, bool alpha)
    {
        var (a, b, c, d) = (Noise(1, 2, 24), Noise(2, 24, 2), Noise(3, 4, 32), Noise(4, 24, 4));
        tensors[q + down] = a;
        tensors[q + up] = b;
        tensors[ffn + down] = c;
        tensors[ffn + up] = d;
        if (alpha)
            (tensors[q + "alpha"], tensors[ffn + "alpha"]) = (torch.full([], 1), torch.full([], 8));
        TensorFiles.Write(tiny["lora.safetensors"], tensors);
        using var own = ModelFiles.Open(tiny["own"]);
        using var lora = ModelFiles.Open(tiny["lora.safetensors"]);
        var wan = own.Require(PartKind.Transformer);
        var merged = Lora.Merge(wan, tiny["lora.safetensors"], 0.7, lora);
        foreach (var (before, after) in wan.Tensors.Zip(merged.Tensors))
        {
            var expected = before.Name switch
            {
                "blocks.1.self_attn.q.weight" => before.Read() + b.matmul(a) * (alpha ? 0.7 / 2 : 0.7),
                "blocks.0.ffn.2.weight" => before.Read() + d.matmul(c) * (alpha ? 0.7 * 2 : 0.7),
                _ => before.Read(),
            };
            Near.Equal(
                expected,
                after.Read(),
                before.Name is "blocks.1.self_attn.q.weight" or "blocks.0.ffn.2.weight" ? 1e-5 : 0
            );
        }
        Assert.False(
            WanTiny
                .Outputs(tiny["own"])[0]
                .SameAs(
                    WanTiny.Outputs(
                        tiny.Convert(tiny["own"], Layout.Wan, "m", r =>
                            r with
                            {
                                Loras = [(tiny["lora.safetensors"], 1)],
                            }
                        )
                    )[0]
                )
        );
        Assert.True(
            WanTiny
                .Outputs(tiny["own"])[0]
                .SameAs(
                    WanTiny.Outputs(
                        tiny.Convert(tiny["own"], Layout.Wan, "n", r =>
                            r with
                            {
                                Loras = [(tiny["lora.safetensors"], 0)],
                            }
                        )
                    )[0]
                )
        );
    }

    [Fact]
    public void WholeDifferencesAndAnAdaptersAlpha()
    {
        tensors["diffusion_model.blocks.0.ffn.2.lora_down.weight"] = Noise(1, 2, 32);
        tensors["diffusion_model.blocks.0.ffn.2.lora_up.weight"] = Noise(2, 24, 2);
        tensors["diffusion_model.blocks.0.ffn.2.diff_b"] = Noise(3, 24);
        tensors["diffusion_model.blocks.0.norm3.diff"] = Noise(4, 24);
        TensorFiles.Write(tiny["lora.safetensors"], tensors);
        File.WriteAllText(tiny["adapter_config.json"], """{ "r": 2, "lora_alpha": 6 }""");
        using var own = ModelFiles.Open(tiny["own"]);
        using var lora = ModelFiles.Open(tiny["lora.safetensors"]);
        var before = own.Require(PartKind.Transformer).Tensors.ToDictionary(t => t.Name);
        var after = Lora.Merge(own.Require(PartKind.Transformer), tiny["lora.safetensors"], 1, lora)
            .Tensors.ToDictionary(t => t.Name);
        Near.Equal(
            before["blocks.0.ffn.2.weight"].Read() + Noise(2, 24, 2).matmul(Noise(1, 2, 32)) * 3,
            after["blocks.0.ffn.2.weight"].Read(),
            1e-5
        );
        Near.Equal(before["blocks.0.ffn.2.bias"].Read() + Noise(3, 24), after["blocks.0.ffn.2.bias"].Read(), 1e-6);
        Near.Equal(before["blocks.0.norm3.weight"].Read() + Noise(4, 24), after["blocks.0.norm3.weight"].Read(), 1e-6);
    }

    [Theory]
    [InlineData("blocks.9.self_attn.q.lora_A.weight", new long[] { 2, 24 }, "modules that teacher does not have")]
    [InlineData("blocks.1.self_attn.q.lora_A.weight", new long[] { 2, 24 }, "one of the two factors")]
    [InlineData("blocks.1.self_attn.q.hada_w1_a", new long[] { 2, 24 }, "LoHa, LoKr and DoRA are not read")]
    [InlineData("blocks.1.self_attn.q.dora_scale", new long[] { 24 }, "LoHa, LoKr and DoRA are not read")]
    public void WhatCannotBeMergedIsAnError(string name, long[] shape, string because)
    {
        using var own = ModelFiles.Open(tiny["own"]);
        var e = Assert.Throws<UserException>(() =>
            Lora.Merge(
                own.Require(PartKind.Transformer),
                [new(name, ScalarType.Float32, shape, () => torch.zeros(shape))],
                1,
                "a.safetensors"
            )
        );
        Assert.Contains(because, e.Message);
    }

    [Fact]
    public void FactorsOfAnotherWidthAreAnError()
    {
        using var own = ModelFiles.Open(tiny["own"]);
        var e = Assert.Throws<UserException>(() =>
            Lora.Merge(
                own.Require(PartKind.Transformer),
                [
                    new("blocks.1.self_attn.q.lora_A.weight", ScalarType.Float32, [2, 30], () => torch.zeros([2, 30])),
                    new("blocks.1.self_attn.q.lora_B.weight", ScalarType.Float32, [24, 2], () => torch.zeros([24, 2])),
                ],
                1,
                "a.safetensors"
            )
        );
        Assert.Contains("do not make blocks.1.self_attn.q.weight", e.Message);
    }
}
