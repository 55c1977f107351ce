namespace LongTake.Checkpoints;

/// <summary>
/// What diffusers (transformer, VAE) and transformers (umT5) call the modules of Wan 2.1, and the prefixes that
/// trainers and user interfaces put before names. Source of the names: the published checkpoints and diffusers'
/// conversion script.
/// </summary>
internal static class Names
{
    /// <summary>
    /// Prefixes a whole model may carry; ComfyUI's, PyTorch's data parallel wrapper, a pipeline's member.
    /// </summary>
    private static readonly string[] prefixes = ["model.", "module.", "diffusion_model."];

    // Wrappers that stand anywhere in a name: fully sharded data parallel, activation checkpointing, torch.compile.
    private static readonly string[] wrappers = ["_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod"];

    /// <summary>The prefix ComfyUI reads and writes before a transformer's names.</summary>
    public const string Comfy = "model.diffusion_model.";

    /// <summary>A name without what wraps it.</summary>
    public static string Bare(string name)
    {
        if (wrappers.Any(name.Contains))
            name = string.Join('.', name.Split('.').Where(word => !wrappers.Contains(word)));
        while (prefixes.FirstOrDefault(p => name.StartsWith(p, StringComparison.Ordinal)) is { } prefix)
            name = name[prefix.Length..];
        return name;
    }

    /// <summary>Wan's transformer, text to video and image to video, and diffusers' WanTransformer3DModel.</summary>
    public static NameMap Transformer { get; } =
        new([
            ("patch_embedding", "patch_embedding"),
            ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
            ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
            ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
            ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
            ("time_projection.1", "condition_embedder.time_proj"),
            ("img_emb.emb_pos", "condition_embedder.image_embedder.pos_embed"),
            ("img_emb.proj.0", "condition_embedder.image_embedder.norm1"),
            ("img_emb.proj.1", "condition_embedder.image_embedder.ff.net.0.proj"),
            ("img_emb.proj.3", "condition_embedder.image_embedder.ff.net.2"),
            ("img_emb.proj.4", "condition_embedder.image_embedder.norm2"),
            ("head.modulation", "scale_shift_table"),
            ("head.head", "proj_out"),
            ("blocks.#.modulation", "blocks.#.scale_shift_table"),
            ("blocks.#.norm3", "blocks.#.norm2"),
            ("blocks.#.ffn.0", "blocks.#.ffn.net.0.proj"),
            ("blocks.#.ffn.2", "blocks.#.ffn.net.2"),
            .. Attention("self_attn", "attn1"),
            .. Attention("cross_attn", "attn2"),
            ("blocks.#.cross_attn.k_img", "blocks.#.attn2.add_k_proj"),
            ("blocks.#.cross_attn.v_img", "blocks.#.attn2.add_v_proj"),
            ("blocks.#.cross_attn.norm_k_img", "blocks.#.attn2.norm_added_k"),
        ]);

    private static (string, string)[] Attention(string wan, string other) =>
        [
            ($"blocks.#.{wan}.q", $"blocks.#.{other}.to_q"),
            ($"blocks.#.{wan}.k", $"blocks.#.{other}.to_k"),
            ($"blocks.#.{wan}.v", $"blocks.#.{other}.to_v"),
            ($"blocks.#.{wan}.o", $"blocks.#.{other}.to_out.0"),
            ($"blocks.#.{wan}.norm_q", $"blocks.#.{other}.norm_q"),
            ($"blocks.#.{wan}.norm_k", $"blocks.#.{other}.norm_k"),
        ];

    /// <summary>Wan's umT5 encoder and transformers' UMT5EncoderModel.</summary>
    public static NameMap Text { get; } =
        new([
            ("token_embedding", "shared"),
            ("norm", "encoder.final_layer_norm"),
            .. new[] { "q", "k", "v", "o" }.Select(m =>
                ($"blocks.#.attn.{m}", $"encoder.block.#.layer.0.SelfAttention.{m}")
            ),
            ("blocks.#.pos_embedding.embedding", "encoder.block.#.layer.0.SelfAttention.relative_attention_bias"),
            ("blocks.#.norm1", "encoder.block.#.layer.0.layer_norm"),
            ("blocks.#.norm2", "encoder.block.#.layer.1.layer_norm"),
            ("blocks.#.ffn.gate.0", "encoder.block.#.layer.1.DenseReluDense.wi_0"),
            ("blocks.#.ffn.fc1", "encoder.block.#.layer.1.DenseReluDense.wi_1"),
            ("blocks.#.ffn.fc2", "encoder.block.#.layer.1.DenseReluDense.wo"),
        ]);

    /// <summary>Wan's umT5 encoder and llama.cpp's, in GGUF.</summary>
    public static NameMap LlamaText { get; } =
        new([
            ("token_embedding", "token_embd"),
            ("norm", "enc.output_norm"),
            .. new[] { "q", "k", "v", "o" }.Select(m => ($"blocks.#.attn.{m}", $"enc.blk.#.attn_{m}")),
            ("blocks.#.pos_embedding.embedding", "enc.blk.#.attn_rel_b"),
            ("blocks.#.norm1", "enc.blk.#.attn_norm"),
            ("blocks.#.norm2", "enc.blk.#.ffn_norm"),
            ("blocks.#.ffn.gate.0", "enc.blk.#.ffn_gate"),
            ("blocks.#.ffn.fc1", "enc.blk.#.ffn_up"),
            ("blocks.#.ffn.fc2", "enc.blk.#.ffn_down"),
        ]);

    /// <summary>
    /// Wan's autoencoder of so many stages and diffusers' AutoencoderKLWan. Wan numbers a half's layers through;
    /// diffusers does so in the encoder, while its decoder has a block a stage, with the residual blocks and what
    /// enlarges at the end apart.
    /// </summary>
    public static NameMap Vae(int stages, int resBlocks)
    {
        var table = new List<(string, string)> { ("conv1", "quant_conv"), ("conv2", "post_quant_conv") };
        foreach (var half in (string[])["encoder", "decoder"])
        {
            table.AddRange([
                ($"{half}.conv1", $"{half}.conv_in"),
                ($"{half}.head.0", $"{half}.norm_out"),
                ($"{half}.head.2", $"{half}.conv_out"),
            ]);
            foreach (var part in (string[])["norm", "to_qkv", "proj"])
                table.Add(($"{half}.middle.1.{part}", $"{half}.mid_block.attentions.0.{part}"));
            Residual($"{half}.middle.0", $"{half}.mid_block.resnets.0");
            Residual($"{half}.middle.2", $"{half}.mid_block.resnets.1");
        }
        for (var i = 0; i < stages * (resBlocks + 1) - 1; i++)
            Layer($"encoder.downsamples.{i}", $"encoder.down_blocks.{i}", (i + 1) % (resBlocks + 1) == 0);
        for (var i = 0; i < stages * (resBlocks + 2) - 1; i++)
        {
            var (stage, at) = Math.DivRem(i, resBlocks + 2);
            var resample = at == resBlocks + 1;
            Layer(
                $"decoder.upsamples.{i}",
                resample ? $"decoder.up_blocks.{stage}.upsamplers.0" : $"decoder.up_blocks.{stage}.resnets.{at}",
                resample
            );
        }
        return new(table);

        void Layer(string wan, string other, bool resample)
        {
            if (resample)
                table.AddRange([
                    ($"{wan}.resample.1", $"{other}.resample.1"),
                    ($"{wan}.time_conv", $"{other}.time_conv"),
                ]);
            else
                Residual(wan, other);
        }

        void Residual(string wan, string other) =>
            table.AddRange([
                ($"{wan}.residual.0", $"{other}.norm1"),
                ($"{wan}.residual.2", $"{other}.conv1"),
                ($"{wan}.residual.3", $"{other}.norm2"),
                ($"{wan}.residual.6", $"{other}.conv2"),
                ($"{wan}.shortcut", $"{other}.conv_shortcut"),
            ]);
    }
}
