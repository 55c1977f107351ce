using LongTake.Models;

namespace LongTake.Checkpoints;

/// <summary>
/// Relatives of Wan 2.1 that are not read: each is known by weights that Wan 2.1 does not have, or by its channels.
/// Source of the names: the published checkpoints.
/// </summary>
internal static class OtherModels
{
    // The first that fits counts; what follows a "*" is anywhere in a name, all others at its beginning.
    private static readonly (string Sign, string What)[] signs =
    [
        ("vace_", "Wan VACE, whose control branch is not known here"),
        ("ref_conv.", "Wan Fun, whose control inputs are not known here"),
        ("control_adapter.", "Wan Fun with camera control, which is not known here"),
        ("pose_patch_embedding.", "Wan Animate, whose pose and face inputs are not known here"),
        ("face_adapter.", "Wan Animate, whose pose and face inputs are not known here"),
        ("casual_audio_encoder.", "Wan S2V, which follows sound and is not known here"),
        ("audio_injector.", "Wan S2V, which follows sound and is not known here"),
        ("audio_proj.", "a model that follows sound (MultiTalk, InfiniteTalk), which is not known here"),
        ("*.audio_cross_attn.", "a model that follows sound (MultiTalk, InfiniteTalk), which is not known here"),
        ("fps_embedding.", "SkyReels V2, whose rate embedding is not known here"),
        ("*.cam_encoder.", "a model with camera control (ReCamMaster), which is not known here"),
        ("img_emb.emb_pos", "Wan 2.1 of first and last frame (FLF2V), which is not known here"),
        ("decoder.upsamples.0.upsamples.", "Wan 2.2's autoencoder of 48 channels, which is not known here"),
        ("encoder.down_blocks.0.resnets.", "Wan 2.2's autoencoder of 48 channels, which is not known here"),
        ("*.quant_state.", "quantised by bitsandbytes, whose weights are not read here; take the original weights"),
        ("*.absmax", "quantised by bitsandbytes, whose weights are not read here; take the original weights"),
        ("*.qweight", "quantised by GPTQ or AWQ, whose weights are not read here; take the original weights"),
        ("*weight_scale", "quantised with scales of a form that is not read here; take the original weights"),
        ("*scale_weight", "quantised with scales of a form that is not read here; take the original weights"),
    ];

    /// <summary>What a part is of, where that is known and not read; null for all others.</summary>
    public static string? Of(ModelPart part)
    {
        foreach (var (sign, what) in signs)
        {
            var found = part.Shapes.Keys.Where(Fits).ToList();
            if (found.Count > 0)
                return $"{part.Name} is {what} ({found.Count} weights like {found[0]})";

            bool Fits(string name) =>
                sign[0] == '*'
                    ? name.Contains(sign[1..], StringComparison.Ordinal)
                    : name.StartsWith(sign, StringComparison.Ordinal);
        }
        var whole = part.Kind is PartKind.Lora or PartKind.Other
            ? []
            : part.Tensors.Where(t => !TensorFiles.IsFloat(t.Dtype)).ToList();
        return whole.Count > 0
            ? $"{part.Name} keeps {whole.Count} weights as {TensorFiles.Name(whole[0].Dtype)}, {whole[0].Name} among "
                + "them, without scales that are known here; take the original weights"
            : null;
    }

    /// <summary>What a transformer of Wan's is that takes other channels than Wan 2.1; null for Wan 2.1.</summary>
    public static string? OfChannels(ModelPart part, ModelConfig c)
    {
        if (c.Family != "Wan" || part.Kind is not (PartKind.Transformer or PartKind.Student))
            return null;
        var (taken, made) = (c.Wan.InChannels, c.Wan.OutChannels);
        var expected = part.TakesImage ? 2 * made + c.Geometry.TemporalStride : made;
        if (taken == expected)
            return null;
        var what =
            made == 48 ? "; Wan 2.2 TI2V 5B does, which is not known here"
            : taken == 36 && !part.TakesImage
                ? "; an expert of Wan 2.2's image-to-video model does, which is not known here"
            : "; it is of another kind, which is not known here";
        return $"{part.Name} takes {taken} channels where {(part.TakesImage ? "an image" : "a text")}-to-video model "
            + $"of Wan 2.1 takes {expected}{what}";
    }
}
