using LongTake.Tensors;

namespace LongTake.Tests.Tensors;

public sealed class EngineTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void WhatIsLoadedSaysItsVersionPlaceAndDevices()
    {
        var facts = Engine.Describe();
        Assert.True(File.Exists(Path.Combine(facts.Folder, LibtorchFolder.FileName("torch_cpu"))));
        Assert.Matches(@"^\d+\.\d+\.\d+", facts.Version);
        Assert.Equal(
            Environment.GetEnvironmentVariable("LIBTORCH") is { Length: > 0 } ? "LIBTORCH" : "package",
            facts.From
        );
        Assert.Equal("cpu", facts.Devices[0].Name);
        Assert.True(
            facts.Devices.Any(d => d.Name == "cuda:0")
                || facts.Absent.Any(a => a.StartsWith("cuda: ", StringComparison.Ordinal))
        );
        Assert.True(facts.Threads > 0);
    }

    [Fact]
    public void TheSelfTestPasses() => Assert.Null(SelfTest.Failure());

    [Fact]
    public void AFolderThatIsNotThereOrEmptyIsRefused()
    {
        Assert.Contains("which is no folder", Refused(Path.Combine(folder, "none")));
        Assert.Contains($"no {LibtorchFolder.FileName("torch_cpu")}", Refused(folder));
    }

    [Theory]
    [InlineData("build-version", "2.9.1+cpu\n", "2.9.1+cpu")]
    [InlineData(
        "version.py",
        "from typing import Optional\n__version__ = '1.13.1+cu117'\ncuda = '11.7'\n",
        "1.13.1+cu117"
    )]
    [InlineData("version.py", "__version__: str = \"2.8.0\"\n", "2.8.0")]
    public void AnOlderOneIsRefusedUnloaded(string file, string text, string version)
    {
        Fill("c10", "torch_cpu", "torch");
        File.WriteAllText(Path.Combine(folder, file), text);
        Assert.Contains($"is {version}, but 2.10 or later is needed", Refused(folder));
    }

    [Fact]
    public void AMissingLibraryOfACudaBuildIsNamed()
    {
        Fill("c10", "torch_cpu", "torch", "torch_cuda");
        Assert.Contains($"{LibtorchFolder.FileName("c10_cuda")} is missing", Refused(folder));
        Fill("c10_cuda");
        File.Delete(Path.Combine(folder, "lib", LibtorchFolder.FileName("torch_cuda")));
        Assert.Contains($"{LibtorchFolder.FileName("torch_cuda")} is missing", Refused(folder));
        File.Delete(Path.Combine(folder, "lib", LibtorchFolder.FileName("c10_cuda")));
        File.WriteAllText(Path.Combine(folder, "build-version"), "2.10.0+cu128");
        Assert.Contains($"{LibtorchFolder.FileName("c10_cuda")} is missing", Refused(folder));
    }

    [SkippableFact]
    public void ALibraryThatIsCutShortIsRefusedUnloaded()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        Fill("c10", "torch_cpu", "torch");
        var whole = File.ReadAllBytes(Path.Combine(Engine.Describe().Folder, "libc10.so"));
        File.WriteAllBytes(Path.Combine(folder, "lib", "libc10.so"), whole[..^100]);
        Assert.Contains("is cut short", Refused(folder));
    }

    [Fact]
    public void ASecondLibtorchIsRefused()
    {
        Engine.Start();
        Fill("c10", "torch_cpu", "torch");
        Assert.Contains("is loaded already", Refused(folder));
    }

    [SkippableFact]
    public void OneVersionOfTheCppLibraryBecomesWeakAndNothingElseChanges()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        var before = File.ReadAllBytes(LibtorchFolder.Beside(EngineLoader.Shim)!);
        var after = before.ToArray();
        Assert.True(VersionNeeds.Weaken(after, "GLIBCXX_3.4.32"));
        Assert.Single(Enumerable.Range(0, before.Length), i => before[i] != after[i]);
        Assert.False(VersionNeeds.Weaken(after, "GLIBCXX_9.9.9"));
    }

    [SkippableFact]
    public void BrokenLibrariesAreNoReasonToFail()
    {
        Skip.IfNot(OperatingSystem.IsLinux());
        var image = File.ReadAllBytes(Path.Combine(Engine.Describe().Folder, "libtorch.so"));
        var random = new Random(1);
        for (var i = 0; i < 2000; i++)
        {
            var broken = image[..random.Next(image.Length + 1)];
            for (var k = 0; k < 8 && broken.Length > 0; k++)
                broken[random.Next(broken.Length)] = (byte)random.Next(256);
            for (var k = 24; k < Math.Min(64, broken.Length); k += 7)
                broken[k] ^= (byte)random.Next(4);
            VersionNeeds.Weaken(broken, "GLIBC_2.2.5");
        }
    }

    [Fact]
    public void AProcessOfOneThreadAfterAnotherSeesTheSameLibrary() => Parallel.For(0, 8, _ => Engine.Start());

    private string Refused(string given) =>
        Assert.Throws<UserException>(() => EngineLoader.Load(LibtorchFolder.Open(given))).Message;

    // Files that are no libraries: whatever is refused is refused before it is loaded.
    private void Fill(params string[] libraries)
    {
        Directory.CreateDirectory(Path.Combine(folder, "lib"));
        foreach (var name in libraries)
            File.WriteAllText(Path.Combine(folder, "lib", LibtorchFolder.FileName(name)), new string('x', 100));
    }
}
