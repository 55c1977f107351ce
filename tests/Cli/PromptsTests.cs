using LongTake.Models;

namespace LongTake.Tests.Cli;

/// <summary>generate --prompts: many videos by one command, which goes on where it stopped.</summary>
public sealed class PromptsTests : IDisposable
{
    private readonly CommandLine program = new();
    private readonly TinyModel tiny = TinyModel.Of(c => c);

    public PromptsTests()
    {
        using var weights = tiny.Student(1);
        tiny.Folder.Save(ModelFolder.Student, weights);
        program.Put("p.csv", "name,prompt,seed\nfirst,place 1,\n,place 2,3\n,place 1,4\n");
    }

    public void Dispose()
    {
        tiny.Dispose();
        program.Dispose();
    }

    private CommandLine.Result Run(params string[] more) =>
        program.Run([
            "generate",
            "--prompts",
            "p.csv",
            "--model",
            tiny.Folder.Path,
            "--seconds",
            "1.5",
            .. more.Contains("-o") ? [] : (string[])["-o", "out/v.mp4"],
            .. more,
        ]);

    private string[] Videos =>
        [.. Directory.GetFiles(program["out"], "*.mp4").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    [SkippableFact]
    public void WhatIsThereIsNotMadeAgain()
    {
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        var ran = Run();
        Assert.True(ran.Code == 0, ran.Error);
        Assert.Equal(["first.mp4", "v-2.mp4", "v-3.mp4"], Videos);
        var expected = Videos.ToDictionary(v => v, v => File.ReadAllBytes(program["out/" + v]));

        // One is missing, and of another the latents are damaged: both come back, and the third is left alone.
        File.Delete(program["out/v-2.mp4"]);
        var latents = program["out/v-3.mp4.latents.safetensors"];
        File.WriteAllBytes(latents, File.ReadAllBytes(latents)[..20]);
        ran = Run();
        Assert.True(ran.Code == 0, ran.Error);
        Assert.Contains("out/first.mp4 is there already", ran.Error);
        Assert.Equal(2, ran.Out.Split('\n').Count(l => l.Contains("frames, 1.")));
        Assert.All(Videos, v => Assert.Equal(expected[v], File.ReadAllBytes(program["out/" + v])));

        // Another request, or element type, is another video.
        ran = Run("--dtype", "float32");
        Assert.DoesNotContain("is there already", ran.Error);
        ran = Run("--crf", "30");
        Assert.DoesNotContain("is there already", ran.Error);
        Assert.NotEqual(expected["first.mp4"], File.ReadAllBytes(program["out/first.mp4"]));
    }

    [Fact]
    public void MistakesNameTheLineAndNothingIsMade()
    {
        program.Put("p.csv", "prompt,seconds\nplace 1,1\nplace 2,100000\n");
        var ran = Run();
        Assert.Equal(2, ran.Code);
        Assert.Contains("p.csv: line 3: ", ran.Error);
        Assert.False(Directory.Exists(program["out"]));
        ran = Run("-p", "place 1");
        Assert.Equal(2, ran.Code);
        Assert.Contains("give one of them", ran.Error);
        program.Put("p.csv", "prompt\nplace 1\n");
        ran = Run("-o", "a.take", "--dry-run");
        Assert.Equal(2, ran.Code);
        ran = Run("--seed", "-1");
        Assert.Equal(2, ran.Code);
        Assert.Contains("line 2: seed -1", ran.Error);
        program.Put("p.csv", "name,prompt\nV-2,place 1\n,place 2\n");
        ran = Run();
        Assert.Equal(2, ran.Code);
        Assert.Contains("two of its videos would be", ran.Error);
        Assert.False(Directory.Exists(program["out"]));
    }
}
