using LongTake.Checkpoints;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Tensors;

/// <summary>One process at a time makes an output.</summary>
public sealed class OutputLockTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private string this[string name] => Path.Combine(root, name);

    [Theory]
    [InlineData("a.gif", "a.gif")]
    [InlineData("new/a.gif", "new/../new/a.gif")]
    [InlineData("set", "set/")]
    public void TheSecondIsRefusedWhileTheFirstIsAtWork(string first, string second)
    {
        using (FileLock.Output(this[first]))
        {
            var e = Assert.Throws<UserException>(() => FileLock.Output(this[second]));
            Assert.Contains($"{this[second]}: another process is making it", e.Message);
            FileLock.Output(this[first + ".webm"]).Dispose(); // another name is another output
        }
        FileLock.Output(this[second]).Dispose();
        Assert.Empty(Directory.GetFiles(root, "*", SearchOption.AllDirectories));
    }

    /// <summary>A process that was killed leaves its hidden file, which nobody holds.</summary>
    [Fact]
    public void WhatAKilledProcessLeftIsInNobodysWay()
    {
        File.WriteAllText(this[".a.gif.lock"], "");
        FileLock.Output(this["a.gif"]).Dispose();
        Assert.Empty(Directory.GetFiles(root));
    }

    [Fact]
    public void ConvertingIntoWhatAnotherMakesIsRefusedBeforeTheWork()
    {
        using var tiny = new WanTiny();
        using var files = ModelFiles.Open(tiny["own"]);
        using var held = FileLock.Output(this["out"]);
        var e = Assert.Throws<UserException>(() =>
            Conversion.Run(files, new() { To = Layout.Wan, Output = this["out"] }, _ => Assert.Fail("it began"))
        );
        Assert.Contains("another process is making it", e.Message);
        Assert.False(Directory.Exists(this["out"]));
    }
}
