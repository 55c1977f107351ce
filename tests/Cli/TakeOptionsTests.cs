namespace LongTake.Tests.Cli;

/// <summary>Options that a verb of takes has no use for are said, not passed over.</summary>
public sealed class TakeOptionsTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    private static string Frozen => Path.Combine(AppContext.BaseDirectory, "assets", "takes", "format-1.take");

    [Theory]
    [InlineData("w.zip", "--from", "2")]
    [InlineData("w.take", "--to", "2")]
    [InlineData("w.zip", "--codec", "hevc")]
    [InlineData("w.zip", "--branch", "main")]
    [InlineData("frames/", "--upscale", "4")]
    [InlineData("frames/", "--crf", "3")]
    [InlineData("poster.png", "--to", "3")]
    [InlineData("moving.gif", "--crf", "3")]
    [InlineData("video.webm", "--fragmented", "true")]
    public void ExportNamesWhatItsOutputHasNoUseFor(string output, string option, string value)
    {
        var ran = program.Run("take", "export", Frozen, "-o", output, option, value);
        Assert.Equal(2, ran.Code);
        Assert.Contains($"{option}: nothing to do in {output}", ran.Error);
        Assert.False(Path.Exists(program[output]));
    }

    [Fact]
    public void GenerateSaysWhatIsNotOfATake()
    {
        var model = Path.Combine(SourceFiles.Root, "models", "traveller");
        string[] asked = ["generate", "a traveller walks", "--model", model, "--dry-run"];
        var ran = program.Run([.. asked, "-o", "w.take", "--crf", "3", "--upscale", "2"]);
        Assert.Equal(0, ran.Code);
        Assert.Contains("--crf does nothing in a take", ran.Error);
        Assert.Contains("--upscale does nothing in a take", ran.Error);
        ran = program.Run([.. asked, "-o", "w.mp4", "--start", "picture.png"]);
        Assert.Equal(2, ran.Code);
        Assert.Contains("--start", ran.Error);
    }
}
