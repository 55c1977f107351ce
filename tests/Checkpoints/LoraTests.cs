using LongTake.Checkpoints;

namespace LongTake.Tests.Checkpoints;

public sealed partial class LoraTests : IDisposable
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
    [InlineData(
        "lora_unet_blocks_1.self_attn.q.",
        "lora_unet_blocks_0.ffn.2.",
        "lora_down.weight",
        "lora_up.weight",
        true
    )]
    [InlineData(
        "lora_unet__blocks_1_self_attn_q.",
        "lora_unet__blocks_0_ffn_2.",
        "lora_down.weight",
        "lora_up.weight",
        true
    )]
    [InlineData(
        "blocks.1.self_attn.q.",
        "blocks.0.ffn.2.",
        "lora_A.default_0.weight",
        "lora_B.default_0.weight",
        false
    )]
    [InlineData(
        "transformer.base_model.model.blocks.1.attn1.to_q.",
        "transformer.base_model.model.blocks.0.ffn.net.2.",
        "lora_A.style.v2.weight",
        "lora_B.style.v2.weight",
        false
    )]
    [InlineData(
        "model._fsdp_wrapped_module.blocks.1._checkpoint_wrapped_module.self_attn.q.",
        "model._fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module.ffn.2.",
        "lora_A.default",
        "lora_B.default",
        false
    )]
    [InlineData(
        "pipe.dit.blocks.1.self_attn.q.",
        "pipe.dit.blocks.0.ffn.2.",
        "lora.down.weight",
        "lora.up.weight",
        true
    )]
    [InlineData(
        "lora_transformer_blocks_1_attn1.to_q.",
        "lora_transformer_blocks_0_ffn.net_2.",
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

    /// <summary>As distilled LoRAs of Wan are published: modulations, biases and norms beside the factors.</summary>
    [Fact]
    public void DifferencesOfEveryKindOfWeightAreAdded()
    {
        var changes = new Dictionary<string, (string Name, long[] Shape)>
        {
            ["blocks.0.modulation"] = ("diffusion_model.blocks.0.diff_m", [1, 6, 24]),
            ["blocks.1.modulation"] = ("lora_unet_blocks_1_modulation.diff", [1, 6, 24]),
            ["head.modulation"] = ("diffusion_model.head.diff_m", [1, 2, 24]),
            ["blocks.0.self_attn.q.bias"] = ("diffusion_model.blocks.0.self_attn.q.diff_b", [24]),
            ["blocks.0.self_attn.norm_k.weight"] = ("diffusion_model.blocks.0.self_attn.norm_k.diff", [24]),
            ["blocks.1.norm3.weight"] = ("lycoris_blocks_1_norm3.w_norm", [24]),
            ["blocks.1.norm3.bias"] = ("lycoris_blocks_1_norm3.b_norm", [24]),
            ["patch_embedding.weight"] = ("diffusion_model.patch_embedding.diff", [24, 4, 1, 2, 2]),
        };
        foreach (var (i, (_, (name, shape))) in changes.Index())
            tensors[name] = Noise(i, shape);
        // a bias that goes with the factors, at their strength
        tensors["diffusion_model.blocks.1.ffn.0.lora_A.default.weight"] = Noise(20, 2, 24);
        tensors["diffusion_model.blocks.1.ffn.0.lora_B.default.weight"] = Noise(21, 32, 2);
        tensors["diffusion_model.blocks.1.ffn.0.lora_B.default.bias"] = Noise(22, 32);
        tensors["diffusion_model.blocks.1.ffn.0.alpha"] = torch.full([], 4);
        TensorFiles.Write(tiny["lora.safetensors"], tensors);
        using var own = ModelFiles.Open(tiny["own"]);
        using var lora = ModelFiles.Open(tiny["lora.safetensors"]);
        var before = own.Require(PartKind.Transformer);
        var after = Lora.Merge(before, tiny["lora.safetensors"], 0.5, lora);
        foreach (var (was, made) in before.Tensors.Zip(after.Tensors))
            Near.Equal(
                was.Name switch
                {
                    "blocks.1.ffn.0.weight" => was.Read() + Noise(21, 32, 2).matmul(Noise(20, 2, 24)),
                    "blocks.1.ffn.0.bias" => was.Read() + Noise(22, 32),
                    var name when changes.TryGetValue(name, out var c) => was.Read() + tensors[c.Name] * 0.5,
                    _ => was.Read(),
                },
                made.Read(),
                1e-5
            );
    }

    [Theory]
    [InlineData("""{ "r": 4, "lora_alpha": 6, "use_rslora": true }""", 3)]
    [InlineData("""{ "r": 4, "lora_alpha": 6 }""", 1.5)]
    public void StrengthIsWhatTheSettingsSay(string settings, double scale)
    {
        tensors["transformer.blocks.0.ffn.net.2.lora_A.weight"] = Noise(1, 4, 32);
        tensors["transformer.blocks.0.ffn.net.2.lora_B.weight"] = Noise(2, 24, 4);
        Directory.CreateDirectory(tiny["beside"]);
        TensorFiles.Write(tiny["beside", "lora.safetensors"], tensors);
        File.WriteAllText(tiny["beside", "adapter_config.json"], settings);
        // as diffusers writes them into the file itself
        TensorFiles.Write(
            tiny["inside.safetensors"],
            tensors,
            new Dictionary<string, string>
            {
                ["lora_adapter_metadata"] = System.Text.RegularExpressions.Regex.Replace(
                    settings,
                    "\"(\\w+)\":",
                    "\"transformer.$1\":"
                ),
            }
        );
        using var own = ModelFiles.Open(tiny["own"]);
        var before = own.Require(PartKind.Transformer);
        foreach (var path in (string[])[tiny["beside", "lora.safetensors"], tiny["beside"], tiny["inside.safetensors"]])
        {
            using var lora = ModelFiles.Open(path);
            var after = Lora.Merge(before, path, 1, lora).Tensors.Single(t => t.Name == "blocks.0.ffn.2.weight");
            Near.Equal(
                before.Tensors.Single(t => t.Name == after.Name).Read()
                    + Noise(2, 24, 4).matmul(Noise(1, 4, 32)) * scale,
                after.Read(),
                1e-5
            );
        }
    }
}
