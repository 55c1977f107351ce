using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using LongTake.Checkpoints;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Cli;

public sealed partial class GenerateTests : IDisposable
{
    private readonly CommandLine program = new();
    private readonly WanTiny tiny;

    public GenerateTests() => tiny = new(program.Folder);

    public void Dispose() => program.Dispose();

    /// <summary>
    /// The commands of the page for users of Wan weights, with a tiny model in the place of theirs and little to do.
    /// </summary>
    [Fact]
    public void ThePagesCommandsMakeVideos()
    {
        tiny.Convert(tiny["own"], Layout.Wan, "Wan2.1-T2V-1.3B");
        File.Copy(tiny.Research(), program["Wan2.1-T2V-1.3B/self_forcing.pt"]);
        tiny.Convert(tiny["own"], Layout.Diffusers, "wan-diffusers");
        tiny.Convert(tiny["own"], Layout.Comfy, "comfy");
        Pictures().Convert(tiny["pictures"], Layout.Wan, "Wan2.1-I2V-14B-480P");
        // a name is only a name
        File.WriteAllBytes(program["cat.jpg"], [.. "P6\n16 16\n255\n"u8, .. new byte[16 * 16 * 3]]);
        var page = File.ReadAllText(Path.Combine(Path.GetDirectoryName(Here())!, "../../docs/weights.md"));
        var commands = Generate().Matches(page).Select(m => m.Groups[1].Value).ToList();
        Assert.True(commands.Count >= 7);
        foreach (var command in commands)
        {
            var arguments = Words()
                .Matches(
                    command
                        .Replace("832x480", "16x24")
                        .Replace("81", "5")
                        .Replace("--steps 50", "--steps 2")
                        .Replace("[5s", "[0.1s")
                        .Replace("[10s", "[0.1s")
                )
                .Select(m => m.Value.Trim('"'))
                .ToList();
            var video = arguments.IndexOf("-o") is >= 0 and var o ? arguments[o + 1] : "video.mp4";
            var ran = program.Run([.. arguments]);
            Assert.True(ran.Code == 0, $"{command}\n{ran.Out}{ran.Error}");
            Assert.Contains(
                $"{video}: {(command.Contains('[') ? "11 frames, 0.69" : "5 frames, 0.31")} s of video",
                ran.Out
            );
            File.Delete(program[video]);
        }
    }

    [Theory]
    [InlineData("generate-nowhere", "--model", "nowhere")]
    [InlineData("generate-frames", "--model", "own", "--num-frames", "4")]
    [InlineData("generate-size", "--model", "own", "--size", "100x16")]
    [InlineData("generate-size-words", "--model", "own", "--size", "480p")]
    [InlineData("generate-sampler", "--model", "own", "--sampler", "ddim")]
    [InlineData("generate-image", "--model", "own", "--image", "a.png")]
    [InlineData("generate-image-none", "--model", "pictures")]
    [InlineData("generate-image-broken", "--model", "pictures", "--image", "text.png")]
    [InlineData(
        "generate-image-causal",
        "--model",
        "pictures",
        "--image",
        "text.png",
        "--size",
        "16x16",
        "--sampler",
        "causal",
        "--part",
        "teacher"
    )]
    [InlineData("generate-tile", "--model", "own", "--tile", "10", "--offload", "off")]
    [InlineData("generate-part", "--model", "own", "--part", "generator")]
    [InlineData("generate-parts-missing", "--model", "own/teacher.safetensors")]
    [InlineData(
        "generate-several",
        "--model",
        "own",
        "--steps",
        "-1",
        "--fps",
        "0",
        "--flow-shift",
        "0",
        "--guidance",
        "-2"
    )]
    [InlineData("generate-device", "--model", "own", "--device", "tpu")]
    public void Mistakes(string name, params string[] arguments)
    {
        if (arguments.Contains("pictures"))
            Pictures();
        program.Put("text.png", "no picture");
        Expectation.Same($"cli/{name}.txt", program.Transcript(["generate", "-p", "cat", .. arguments]));
        Assert.False(File.Exists(program["video.mp4"]));
    }

    private WanTiny Pictures() => new(program.Folder, pictures: true, name: "pictures");

    private static string Here([CallerFilePath] string file = "") => file;

    [GeneratedRegex("^longtake (generate .*)$", RegexOptions.Multiline)]
    private static partial Regex Generate();

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Words();
}
