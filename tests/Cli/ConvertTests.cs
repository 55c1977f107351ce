using System.Text.Json;
using LongTake.Tests.Checkpoints;
using LongTake.Tests.Tensors;

namespace LongTake.Tests.Cli;

public sealed class ConvertTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [Fact]
    public void FromALayoutToTheNextAndWhatInspectSaysOfEach()
    {
        var tiny = new WanTiny(program.Folder);
        tiny.Research();
        Expectation.Same("cli/convert.txt", program.Transcript("convert", "own", "--to", "diffusers", "-o", "there"));
        Expectation.Same("cli/inspect-diffusers.txt", program.Transcript("inspect", "there"));
        Expectation.Same(
            "cli/convert-single.txt",
            program.Transcript(
                "convert",
                "research/model.pt",
                "--to",
                "comfy",
                "--part",
                "generator",
                "--dtype",
                "bf16",
                "-o",
                "wan.safetensors"
            )
        );
        Expectation.Same("cli/inspect-research.txt", program.Transcript("inspect", "research/model.pt"));
        var json = JsonDocument.Parse(program.Run("inspect", "own/teacher.safetensors", "--json").Out).RootElement;
        Assert.Equal(
            ("Wan transformer, 3 blocks, width 24", 0),
            (json.GetProperty("facts").GetProperty("family").GetString(), json.GetProperty("problems").GetArrayLength())
        );
    }

    [Fact]
    public void AModelOfPictures()
    {
        _ = new WanTiny(program.Folder, pictures: true);
        Expectation.Same(
            "cli/convert-pictures.txt",
            program.Transcript("convert", "own", "--to", "wan", "-o", "there")
        );
        Expectation.Same("cli/inspect-pictures.txt", program.Transcript("inspect", "there"));
        Directory.GetFiles(program["there"], "models_clip*").ToList().ForEach(File.Delete);
        Assert.Contains("absent: image encoder", program.Run("inspect", "there").Out);
    }

    [Theory]
    [InlineData("convert-there", "convert", "model.pth", "--to", "wan", "-o", "taken")]
    [InlineData("convert-part", "convert", "model.pth", "--to", "wan", "--part", "student", "-o", "out")]
    [InlineData(
        "convert-lora-strength",
        "convert",
        "model.pth",
        "--to",
        "wan",
        "--lora",
        "a.safetensors=much",
        "-o",
        "out"
    )]
    [InlineData("convert-layout", "convert", "model.pth", "--to", "onnx", "-o", "out")]
    [InlineData("convert-nothing", "convert", "nowhere", "--to", "wan", "-o", "out")]
    [InlineData("inspect-malicious", "inspect", "evil.pt")]
    public void Mistakes(string name, params string[] arguments)
    {
        TorchFileWriter.Write(
            program["model.pth"],
            null,
            (
                "",
                [
                    new("patch_embedding.weight", ScalarType.Float32, [24, 4, 1, 2, 2], () =>
                        torch.zeros([24, 4, 1, 2, 2])
                    ),
                    new("blocks.0.self_attn.q.weight", ScalarType.Float32, [24, 24], () => torch.zeros([24, 24])),
                ]
            )
        );
        File.WriteAllBytes(program["evil.pt"], HandMade.File("\u0080\u0002cposix\nsystem\n(U\u0009touch pwntR."));
        Directory.CreateDirectory(program["taken/full"]);
        Expectation.Same($"cli/{name}.txt", program.Transcript(arguments));
        Assert.False(File.Exists(program["pwn"]) || Directory.Exists(program["out"]));
    }
}
