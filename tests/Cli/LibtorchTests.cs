using LongTake.Tensors;

namespace LongTake.Tests.Cli;

/// <summary>The program with LIBTORCH set to what will not do: one sentence, exit code 1, nothing written.</summary>
public sealed class LibtorchTests : IDisposable
{
    private readonly CommandLine program = new();
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-libtorch-").FullName;

    public void Dispose()
    {
        program.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static string Library(string name) => LibtorchFolder.FileName(name);

    private void Refused(string given, string pattern)
    {
        program.Variables[LibtorchFolder.Variable] = given;
        var ran = program.Run("generate", "-p", "a traveller", "-o", "out/video.mp4");
        Assert.Equal(1, ran.Code);
        Assert.Equal("", ran.Out);
        Assert.Matches($@"^longtake: {pattern}[^\r\n]*\r?\n$", ran.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(program.Folder));
    }

    [Theory]
    [InlineData("LONGTAKE_KERNELS", "on, off")]
    [InlineData("LONGTAKE_PRODUCTS", "bfloat16, float32")]
    public void AVariableWithAnUnknownValueIsRefusedInOneLine(string variable, string allowed)
    {
        program.Variables[variable] = "abc";
        var ran = program.Run("generate", "-p", "a traveller", "-o", "out/video.mp4");
        Assert.Equal((2, ""), (ran.Code, ran.Out));
        Assert.Equal($"longtake: {variable}=abc: {allowed} or nothing", ran.Error.Trim());
    }

    [Fact]
    public void AFolderThatIsNotThere() =>
        Refused(Path.Combine(folder, "none"), "LIBTORCH names '.+', which is no folder: set LIBTORCH to ");

    [Fact]
    public void AFolderWithoutLibtorch() =>
        Refused(folder, @"LIBTORCH names '.+', where there is no \S+, nor in its lib or torch/lib: set LIBTORCH to ");

    [Fact]
    public void AnOlderOneByItsVersionFile()
    {
        foreach (var name in (string[])["c10", "torch_cpu", "torch"])
            File.WriteAllText(Path.Combine(folder, Library(name)), "never loaded");
        File.WriteAllText(Path.Combine(folder, "version.py"), "__version__ = '2.9.1+cu128'\n");
        Refused(
            folder,
            @"the libtorch of '.+' is 2\.9\.1\+cu128, but 2\.10 or later is needed: set LIBTORCH to one, or unset it"
        );
    }

    [SkippableFact]
    public void ALibraryThatIsCutShort()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        Put("torch_cpu", "torch");
        var whole = File.ReadAllBytes(Path.Combine(Engine.Describe().Folder, Library("c10")));
        File.WriteAllBytes(Path.Combine(folder, Library("c10")), whole[..(whole.Length / 2)]);
        Refused(folder, "'.+c10.*' is cut short: install that libtorch again");
    }

    [SkippableFact]
    public void ALibraryThatIsAnother()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        Put("c10", "torch");
        File.Copy(
            Path.Combine(Engine.Describe().Folder, Library("torch_global_deps")),
            Path.Combine(folder, Library("torch_cpu"))
        );
        Refused(folder, "(the libtorch of|lib)");
    }

    // Links: libtorch has hundreds of megabytes.
    private void Put(params string[] libraries)
    {
        foreach (var name in libraries)
            File.CreateSymbolicLink(
                Path.Combine(folder, Library(name)),
                Path.Combine(Engine.Describe().Folder, Library(name))
            );
    }
}
