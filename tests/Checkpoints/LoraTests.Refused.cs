using LongTake.Checkpoints;

namespace LongTake.Tests.Checkpoints;

public sealed partial class LoraTests
{
    [Theory]
    [InlineData("blocks.9.self_attn.q.lora_A.weight", new long[] { 2, 24 }, "modules that teacher does not have")]
    [InlineData("blocks.0.self_attn.norm_q.diff_b", new long[] { 24 }, "modules that teacher does not have")]
    [InlineData("blocks.0.ffn.0.diff_m", new long[] { 1, 6, 24 }, "modules that teacher does not have")]
    [InlineData("lora_te_encoder_block_0.lora_down.weight", new long[] { 2, 8 }, "modules that teacher does not have")]
    [InlineData("blocks.1.self_attn.q.lora_A.weight", new long[] { 2, 24 }, "one of the two factors")]
    [InlineData("blocks.1.self_attn.q.alpha", new long[] { }, "one of the two factors")]
    [InlineData("blocks.1.self_attn.q.lora_B.bias", new long[] { 24 }, "the factors that go with")]
    [InlineData("blocks.1.self_attn.q.hada_w1_a", new long[] { 2, 24 }, "is LoHa")]
    [InlineData("lycoris_blocks_1_self_attn_q.lokr_w1", new long[] { 2, 2 }, "is LoKr")]
    [InlineData("blocks.1.self_attn.q.dora_scale", new long[] { 24 }, "is DoRA")]
    [InlineData("base_model.model.blocks.1.self_attn.q.lora_magnitude_vector", new long[] { 24 }, "is DoRA")]
    [InlineData("blocks.1.self_attn.q.oft_blocks", new long[] { 2, 2, 2 }, "is OFT")]
    [InlineData("patch_embedding.modules_to_save.weight", new long[] { 24, 4, 1, 2, 2 }, "whole weights")]
    [InlineData("blocks.1.self_attn.q.weight", new long[] { 24, 24 }, "is no name of a LoRA's tensor")]
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
    public void TwoAdaptersAndSettingsThatAreNotReadAreNamed()
    {
        foreach (var adapter in (string[])["default_0", "default_1"])
        {
            tensors[$"blocks.0.ffn.2.lora_A.{adapter}.weight"] = Noise(1, 4, 32);
            tensors[$"blocks.0.ffn.2.lora_B.{adapter}.weight"] = Noise(2, 24, 4);
        }
        TensorFiles.Write(tiny["lora.safetensors"], tensors);
        Assert.Contains("holds 2 adapters, default_0, default_1", Why(tiny["lora.safetensors"]));
        Assert.Contains("holds no LoRA; it holds vae (Vae)", Why(tiny["own", "vae.safetensors"]));
        TensorFiles.Write(tiny["loha.safetensors"], [KeyValuePair.Create("blocks.0.ffn.2.hada_w1_a", Noise(1, 4, 32))]);
        Assert.Contains("is LoHa", Why(tiny["loha.safetensors"]));
        foreach (
            var (settings, because) in new[]
            {
                ("""{ "use_dora": true }""", "is DoRA"),
                ("""{ "peft_type": "LOHA" }""", "is LOHA"),
                ("""{ "alpha_pattern": { "ffn.2": 3 } }""", "an alpha for each module"),
            }
        )
        {
            File.WriteAllText(tiny["adapter_config.json"], settings);
            Assert.Contains(because, Why(tiny["lora.safetensors"]));
        }

        string Why(string path)
        {
            using var own = ModelFiles.Open(tiny["own"]);
            using var lora = ModelFiles.Open(path);
            return Assert
                .Throws<UserException>(() => Lora.Merge(own.Require(PartKind.Transformer), path, 1, lora))
                .Message;
        }
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
