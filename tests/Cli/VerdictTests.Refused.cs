using LongTake.Checkpoints;
using LongTake.Cli;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Cli;

public sealed partial class VerdictTests
{
    [Fact]
    public void TwoExpertsAreRefusedInEveryLayout()
    {
        const string two = "Wan 2.2 with two experts",
            one = "one of the two experts";
        var diffusers = tiny.Convert(tiny["own"], Layout.Diffusers, "d");
        Copy(Path.Combine(diffusers, "transformer"), Path.Combine(diffusers, "transformer_2"));
        Refused(diffusers, two);
        Refused(Path.Combine(diffusers, "transformer"), one);
        Refused(Path.Combine(diffusers, "transformer_2"), one);
        Refused(File(Path.Combine(diffusers, "transformer_2"), "*.safetensors"), one);

        var alone = tiny.Convert(tiny["own"], Layout.Diffusers, "boundary");
        System.IO.File.WriteAllText(
            Path.Combine(alone, "model_index.json"),
            """{ "_class_name": "WanPipeline", "boundary_ratio": 0.875 }"""
        );
        Refused(alone, two);

        var wan = Wan("w");
        foreach (var expert in (string[])["high_noise_model", "low_noise_model"])
        {
            Directory.CreateDirectory(Path.Combine(wan, expert));
            System.IO.File.Copy(
                Path.Combine(wan, "diffusion_pytorch_model.safetensors"),
                Path.Combine(wan, expert, "diffusion_pytorch_model.safetensors")
            );
            System.IO.File.Copy(Path.Combine(wan, "config.json"), Path.Combine(wan, expert, "config.json"));
            Refused(wan, two); // with one of them, and with both
            Refused(Path.Combine(wan, expert), one);
        }

        var comfy = tiny.Convert(tiny["own"], Layout.Comfy, "c");
        var models = Path.Combine(comfy, "diffusion_models");
        System.IO.File.Move(File(models, "*"), Path.Combine(models, "wan2.2_t2v_high_noise_14B.safetensors"));
        System.IO.File.Copy(File(models, "*"), Path.Combine(models, "wan2.2_t2v_low_noise_14B.safetensors"));
        Refused(comfy, two);
        Refused(Path.Combine(models, "wan2.2_t2v_low_noise_14B.safetensors"), one);
        HandMadeGguf.Write(tiny["Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf"], Transformer, "F16");
        Refused(tiny["Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf"], one);

        static void Copy(string from, string to)
        {
            Directory.CreateDirectory(to);
            foreach (var file in Directory.GetFiles(from))
                System.IO.File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    [Fact]
    public void SeveralCandidatesAreNamed()
    {
        var comfy = tiny.Convert(tiny["own"], Layout.Comfy, "two files");
        var models = Path.Combine(comfy, "diffusion_models");
        System.IO.File.Copy(File(models, "*"), Path.Combine(models, "other.safetensors"));
        Refused(comfy, "which one? Name one of other.safetensors, wan.safetensors");

        comfy = tiny.Convert(tiny["own"], Layout.Comfy, "two folders");
        Directory.CreateDirectory(Path.Combine(comfy, "unet", "wan"));
        HandMadeGguf.Write(Path.Combine(comfy, "unet", "wan", "wan-Q8_0.gguf"), Transformer, "F16");
        Refused(comfy, "which one? Name one of");

        var wan = Wan("two encoders");
        System.IO.File.Copy(File(wan, "models_t5*"), Path.Combine(wan, "models_t5_umt5-xxl-enc-fp8.pth"));
        Refused(wan, "which one? Name one of");

        wan = Wan("with gguf");
        HandMadeGguf.Write(Path.Combine(wan, "wan-Q8_0.gguf"), Transformer, "F16");
        Refused(wan, "which one? Name one of diffusion_pytorch_model.safetensors, wan-Q8_0.gguf");
    }

    [Theory]
    [InlineData("vace_blocks.0.after_proj.weight", "Wan VACE")]
    [InlineData("vace_patch_embedding.weight", "Wan VACE")]
    [InlineData("face_adapter.fuser_blocks.0.linear1_kv.weight", "Wan Animate")]
    [InlineData("audio_injector.injector.0.q.weight", "Wan S2V")]
    [InlineData("blocks.0.audio_cross_attn.q_linear.weight", "follows sound")]
    [InlineData("control_adapter.conv.weight", "camera control")]
    [InlineData("fps_embedding.weight", "SkyReels V2")]
    [InlineData("blocks.0.self_attn.q.weight_scale", "scales of a form that is not read")]
    [InlineData("blocks.0.self_attn.q.weight.absmax", "bitsandbytes")]
    [InlineData("blocks.0.self_attn.something.weight", "holds what does not belong to it: 1 of")]
    public void WeightsThatWouldNotBeUsedAreNamed(string extra, string because) =>
        Refused(With("extra", all => all.Append(Tensor(extra, 3, 3))), because);

    [Fact]
    public void WeightsThatAreBrokenAreNamed()
    {
        LazyTensor Of(LazyTensor t, double value) =>
            t.Name == "blocks.1.ffn.0.weight"
                ? t with
                {
                    Read = () =>
                    {
                        var made = t.Read().clone();
                        made.view(-1).narrow(0, 5, 1).fill_(value);
                        return made;
                    },
                }
                : t;
        foreach (var value in (double[])[double.NaN, double.PositiveInfinity, double.NegativeInfinity])
            Refused(
                With($"{value}", all => all.Select(t => Of(t, value))),
                "holds NaN or infinity in 1 of 96 weights, blocks.1.ffn.0.weight"
            );
        // What is broken comes before what is missing.
        var half = With("half", all => all.Select(t => Of(t, double.NegativeInfinity)));
        System.IO.File.Delete(File(half, "models_t5*"));
        Refused(half, "holds NaN or infinity in 1 of 96 weights");
        var sound = Transformer;
        TensorFiles.Write(tiny["own", "teacher.safetensors"], sound.Select(t => Of(t, double.NaN)), null);
        Refused(tiny["own", "teacher.safetensors"], "holds NaN or infinity in 1 of 96 weights");
        Refused(tiny["own"], "holds NaN or infinity in 1 of 96 weights");
        TensorFiles.Write(tiny["own", "teacher.safetensors"], sound, null);
        Refused(With("lacks", all => all.Where(t => t.Name != "head.modulation")), "lacks 1 of 96 weights");
        Refused(
            With("shape", all => all.Select(t => t.Name == "head.modulation" ? Tensor(t.Name, 1, 2, 25) : t)),
            "in another shape"
        );
        Refused(
            With("integers", all =>
                all.Select(t =>
                    t.Name == "blocks.0.self_attn.q.weight"
                        ? new(t.Name, ScalarType.Int8, t.Shape, () => torch.ones(t.Shape, ScalarType.Int8))
                        : t
                )
            ),
            "keeps 1 weights as I8"
        );
        var channels = With("channels", all =>
            all.Select(t => t.Name == "patch_embedding.weight" ? Tensor(t.Name, 24, 6, 1, 2, 2) : t)
        );
        var config = Path.Combine(channels, ModelFiles.ConfigFile);
        System.IO.File.WriteAllText(
            config,
            System.IO.File.ReadAllText(config).Replace("\"inChannels\": 4", "\"inChannels\": 6")
        );
        Refused(channels, "takes 6 channels where a text-to-video model of Wan 2.1 takes 4");
    }

    [Fact]
    public void AnAutoencoderOfWan22IsNamed()
    {
        const string another = "Wan 2.2's autoencoder";
        var wan = Wan("wan vae");
        TorchFileWriter.Write(
            File(wan, "*VAE*"),
            null,
            (
                "",
                [
                    Tensor("encoder.conv1.weight", 4, 12, 3, 3, 3),
                    Tensor("decoder.upsamples.0.upsamples.0.residual.0.gamma", 4),
                ]
            )
        );
        Refused(wan, another);
        var diffusers = tiny.Convert(tiny["own"], Layout.Diffusers, "diffusers vae");
        TensorFiles.Write(
            File(Path.Combine(diffusers, "vae"), "*.safetensors"),
            [
                Tensor("encoder.conv_in.weight", 4, 12, 3, 3, 3),
                Tensor("encoder.down_blocks.0.resnets.0.norm1.gamma", 4),
                Tensor("decoder.up_blocks.0.resnets.0.norm1.gamma", 4),
            ],
            null
        );
        Refused(diffusers, another);
    }

    [Fact]
    public void WhatIsNoWeightsIsNamed()
    {
        const string pointer = "a Git LFS pointer, not the file itself; its 28577 bytes";
        foreach (var name in (string[])["a.safetensors", "a.gguf", "a.pth", "a.safetensors.index.json"])
        {
            Pointer(tiny[name]);
            Refused(tiny[name], pointer);
        }
        foreach (
            var inside in (string[])
                ["diffusion_pytorch_model.safetensors", "Wan2.1_VAE.pth", "google/umt5-xxl/spiece.model", "config.json"]
        )
        {
            var folder = Wan("pointer " + Path.GetFileName(inside));
            Pointer(Path.Combine(folder, inside));
            Refused(folder, pointer);
        }
        Pointer(tiny["own", "vae.safetensors"]);
        Refused(tiny["own"], pointer);

        System.IO.File.WriteAllText(tiny["page.safetensors"], "<!DOCTYPE html><html><body>Sign in</body></html>");
        Refused(tiny["page.safetensors"], "a web page, not the file itself");
        HandMadeGguf.Write(tiny["iq.gguf"], [Tensor("patch_embedding.weight", 64, 4, 2, 2)], "IQ2_XS");
        Refused(tiny["iq.gguf"], "quantised as IQ2_XS; read are F32, F16");
        System.IO.File.WriteAllBytes(tiny["cut.gguf"], System.IO.File.ReadAllBytes(tiny["iq.gguf"])[..60]);
        Refused(tiny["cut.gguf"], "ends within its header");
        System.IO.File.WriteAllBytes(tiny["empty.safetensors"], []);
        Refused(tiny["empty.safetensors"], "too few for a header");
        Directory.CreateDirectory(tiny["ltx", "transformer"]);
        System.IO.File.WriteAllText(tiny["ltx", "model_index.json"], """{ "_class_name": "LTXPipeline" }""");
        Refused(tiny["ltx"], "a LTXPipeline by its model_index.json");
    }
}
