using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Checkpoints;

public class NamesTests
{
    private static CheckpointLike T2V(WanConfig c, params (string, long[])[] more) =>
        new([.. Weights.Shapes(w => _ = new WanTransformer(w, c)).Select(p => (p.Key, p.Value)), .. more]);

    // Tensors with a shape and no data: sizes of real models in no memory.
    private sealed record CheckpointLike((string Name, long[] Shape)[] Tensors)
    {
        public ModelPart Part(Func<string, string?>? rename = null) =>
            ModelPart.Recognise(
                "",
                [
                    .. Tensors.Select(t => new LazyTensor(
                        rename?.Invoke(t.Name) ?? t.Name,
                        ScalarType.BFloat16,
                        t.Shape,
                        () => throw new InvalidOperationException()
                    )),
                ]
            );
    }

    private static readonly WanConfig Large = new()
    {
        Dim = 5120,
        FfnDim = 13824,
        Heads = 40,
        Layers = 40,
    };

    private static (string, long[])[] Image(WanConfig c)
    {
        long d = c.Dim;
        return
        [
            ("img_emb.proj.0.weight", [1280]),
            ("img_emb.proj.0.bias", [1280]),
            ("img_emb.proj.1.weight", [1280, 1280]),
            ("img_emb.proj.1.bias", [1280]),
            ("img_emb.proj.3.weight", [d, 1280]),
            ("img_emb.proj.3.bias", [d]),
            ("img_emb.proj.4.weight", [d]),
            ("img_emb.proj.4.bias", [d]),
            .. Enumerable
                .Range(0, c.Layers)
                .SelectMany(i =>
                    new (string, long[])[]
                    {
                        ($"blocks.{i}.cross_attn.k_img.weight", [d, d]),
                        ($"blocks.{i}.cross_attn.k_img.bias", [d]),
                        ($"blocks.{i}.cross_attn.v_img.weight", [d, d]),
                        ($"blocks.{i}.cross_attn.v_img.bias", [d]),
                        ($"blocks.{i}.cross_attn.norm_k_img.weight", [d]),
                    }
                ),
        ];
    }

    [Fact]
    public void SizesAreReadOffTheShapes()
    {
        Assert.Equal(Text(new WanConfig()), Text(Sizes.Wan(T2V(new()).Part(), null)));
        Assert.Equal(Text(Large), Text(Sizes.Wan(T2V(Large).Part(), null)));
        var plain = Large with { InChannels = 36 };
        // image's names are written out below
        var (i2v, image) = (plain with { ClipDim = 1280 }, T2V(plain, Image(plain)).Part());
        Assert.Equal(Text(i2v), Text(Sizes.Wan(image, null)));
        Assert.True(image.TakesImage);
        Assert.Equal(
            image.Shapes.Keys.Order(StringComparer.Ordinal),
            Sizes.Expected(image, new() { Wan = i2v })!.Keys.Order(StringComparer.Ordinal)
        );
        Assert.InRange(T2V(new()).Part().Count, 1.41e9, 1.43e9);
        Assert.InRange(T2V(Large).Part().Count, 14.2e9, 14.3e9);

        var vae = new WanVaeConfig();
        var part = new CheckpointLike([
            .. Weights.Shapes(w => _ = new WanVae(w, vae)).Select(p => (p.Key, p.Value)),
        ]).Part();
        Assert.Equal(PartKind.Vae, part.Kind);
        Assert.Equal(Text(vae), Text(Sizes.Vae(part, null)));
        var text = new UmT5Config();
        part = new CheckpointLike([
            .. Weights.Shapes(w => _ = new UmT5Encoder(w, text)).Select(p => (p.Key, p.Value)),
        ]).Part();
        Assert.Equal(text, Sizes.Text(part, null));
        Assert.InRange(part.Count, 5.6e9, 5.8e9);
    }

    private static string Text<T>(T config) => System.Text.Json.JsonSerializer.Serialize(config);

    [Fact]
    public void EveryNameHasExactlyOneOtherAndComesBack()
    {
        var i2v = Large with { InChannels = 36 };
        var vae = new WanVaeConfig();
        var small = new WanVaeConfig
        {
            Dim = 4,
            ZDim = 4,
            DimMult = [1, 2, 2],
            ResBlocks = 1,
            TemporalDownsample = [true, true],
            Mean = [],
            Std = [],
        };
        BackAndForth(T2V(i2v, Image(i2v)).Part(), Names.Transformer);
        BackAndForth(
            new CheckpointLike([.. Weights.Shapes(w => _ = new WanVae(w, vae)).Select(p => (p.Key, p.Value))]).Part(),
            Names.Vae(4, 2)
        );
        BackAndForth(
            new CheckpointLike([.. Weights.Shapes(w => _ = new WanVae(w, small)).Select(p => (p.Key, p.Value))]).Part(),
            Names.Vae(3, 1)
        );
        BackAndForth(
            new CheckpointLike([
                .. Weights.Shapes(w => _ = new UmT5Encoder(w, new())).Select(p => (p.Key, p.Value)),
            ]).Part(),
            Names.Text
        );

        static void BackAndForth(ModelPart part, NameMap map)
        {
            var there = part.Shapes.Keys.Select(n => map.ToOther(n)).ToList();
            Assert.DoesNotContain(null, there);
            Assert.Equal(there.Count, there.Distinct().Count());
            Assert.Equal(part.Shapes.Keys, there.Select(n => map.ToWan(n!)));
            var other = new CheckpointLike([.. part.Shapes.Select(p => (map.ToOther(p.Key)!, p.Value))]).Part();
            Assert.Equal(
                (part.Kind, string.Join(' ', part.Shapes.Keys)),
                (other.Kind, string.Join(' ', other.Shapes.Keys))
            );
            Assert.NotEqual(part.Naming, other.Naming);
        }
    }

    // Names as they are published.
    [Theory]
    [InlineData("blocks.17.self_attn.o.weight", "blocks.17.attn1.to_out.0.weight")]
    [InlineData("blocks.17.cross_attn.norm_k.weight", "blocks.17.attn2.norm_k.weight")]
    [InlineData("blocks.0.cross_attn.k_img.bias", "blocks.0.attn2.add_k_proj.bias")]
    [InlineData("blocks.0.cross_attn.norm_k_img.weight", "blocks.0.attn2.norm_added_k.weight")]
    [InlineData("blocks.3.norm3.bias", "blocks.3.norm2.bias")]
    [InlineData("blocks.3.modulation", "blocks.3.scale_shift_table")]
    [InlineData("blocks.3.ffn.0.weight", "blocks.3.ffn.net.0.proj.weight")]
    [InlineData("blocks.3.ffn.2.weight", "blocks.3.ffn.net.2.weight")]
    [InlineData("head.modulation", "scale_shift_table")]
    [InlineData("head.head.bias", "proj_out.bias")]
    [InlineData("time_projection.1.weight", "condition_embedder.time_proj.weight")]
    [InlineData("text_embedding.2.weight", "condition_embedder.text_embedder.linear_2.weight")]
    [InlineData("img_emb.proj.3.weight", "condition_embedder.image_embedder.ff.net.2.weight")]
    public void Transformer(string wan, string diffusers) => Assert.Equal(diffusers, Names.Transformer.ToOther(wan));

    [Theory]
    [InlineData("conv1.weight", "quant_conv.weight")]
    [InlineData("conv2.bias", "post_quant_conv.bias")]
    [InlineData("encoder.conv1.weight", "encoder.conv_in.weight")]
    [InlineData("encoder.downsamples.3.shortcut.weight", "encoder.down_blocks.3.conv_shortcut.weight")]
    [InlineData("encoder.downsamples.5.time_conv.weight", "encoder.down_blocks.5.time_conv.weight")]
    [InlineData("encoder.downsamples.2.resample.1.bias", "encoder.down_blocks.2.resample.1.bias")]
    [InlineData("encoder.downsamples.9.residual.3.gamma", "encoder.down_blocks.9.norm2.gamma")]
    [InlineData("decoder.middle.1.to_qkv.bias", "decoder.mid_block.attentions.0.to_qkv.bias")]
    [InlineData("decoder.middle.2.residual.6.weight", "decoder.mid_block.resnets.1.conv2.weight")]
    [InlineData("decoder.upsamples.3.time_conv.weight", "decoder.up_blocks.0.upsamplers.0.time_conv.weight")]
    [InlineData("decoder.upsamples.4.shortcut.weight", "decoder.up_blocks.1.resnets.0.conv_shortcut.weight")]
    [InlineData("decoder.upsamples.11.resample.1.weight", "decoder.up_blocks.2.upsamplers.0.resample.1.weight")]
    [InlineData("decoder.upsamples.14.residual.2.bias", "decoder.up_blocks.3.resnets.2.conv1.bias")]
    [InlineData("decoder.head.2.weight", "decoder.conv_out.weight")]
    public void Autoencoder(string wan, string diffusers) => Assert.Equal(diffusers, Names.Vae(4, 2).ToOther(wan));

    [Theory]
    [InlineData("token_embedding.weight", "shared.weight")]
    [InlineData(
        "blocks.23.pos_embedding.embedding.weight",
        "encoder.block.23.layer.0.SelfAttention.relative_attention_bias.weight"
    )]
    [InlineData("blocks.2.ffn.gate.0.weight", "encoder.block.2.layer.1.DenseReluDense.wi_0.weight")]
    [InlineData("blocks.2.norm2.weight", "encoder.block.2.layer.1.layer_norm.weight")]
    [InlineData("norm.weight", "encoder.final_layer_norm.weight")]
    public void TextEncoder(string wan, string transformers) => Assert.Equal(transformers, Names.Text.ToOther(wan));

    [Theory]
    [InlineData("model.diffusion_model.blocks.0.norm3.bias")]
    [InlineData("diffusion_model.blocks.0.norm3.bias")]
    [InlineData("module.blocks.0.norm3.bias")]
    [InlineData("model._fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module.norm3.bias")]
    [InlineData(
        "module.model._orig_mod._fsdp_wrapped_module.blocks.0._fsdp_wrapped_module._checkpoint_wrapped_module.norm3.bias"
    )]
    public void WrappersFall(string name) => Assert.Equal("blocks.0.norm3.bias", Names.Bare(name));

    [Fact]
    public void ATokenTableThatIsThereTwiceIsReadOnce()
    {
        var text = new CheckpointLike([
            .. Weights
                .Shapes(w => _ = new UmT5Encoder(w, new(40, 8, 8, 16, 2, 2)))
                .Select(p => (Names.Text.ToOther(p.Key)!, p.Value)),
            ("encoder.embed_tokens.weight", [40, 8]),
        ]).Part();
        Assert.Single(text.Tensors, t => t.Name == "token_embedding.weight");
        Assert.Equal(Weights.Shapes(w => _ = new UmT5Encoder(w, new(40, 8, 8, 16, 2, 2))).Keys, text.Shapes.Keys);
    }

    [Fact]
    public void HeadsThatShapesDoNotTellAreAskedFor()
    {
        var narrow = T2V(
                new()
                {
                    Dim = 24,
                    FfnDim = 32,
                    FreqDim = 16,
                    TextDim = 8,
                    Heads = 2,
                    Layers = 1,
                }
            )
            .Part();
        Assert.Contains("num_heads", Assert.Throws<UserException>(() => Sizes.Wan(narrow, null)).Message);
        Assert.Equal(3, Sizes.Wan(narrow, new() { ["num_heads"] = 3 }).Heads);
        Assert.Throws<UserException>(() => Sizes.Wan(narrow, new() { ["num_heads"] = 0 }));
    }
}
