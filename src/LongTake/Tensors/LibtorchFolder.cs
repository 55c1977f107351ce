using System.Text.RegularExpressions;

namespace LongTake.Tensors;

/// <summary>
/// A folder with libtorch's libraries: the one that LIBTORCH names (an unpacked libtorch, its lib folder, a
/// Python's site-packages or the torch folder in it), or the one that a NuGet package put beside the program.
/// </summary>
internal sealed partial class LibtorchFolder
{
    /// <summary>The environment variable that names a folder.</summary>
    public const string Variable = "LIBTORCH";

    /// <summary>
    /// The folder beside a program that holds its libtorch. .NET looks for libraries in the program's folder and those
    /// that its deps.json lists, and would find a libtorch there although another is named; it does not look here.
    /// </summary>
    public const string Own = "libtorch";

    private LibtorchFolder(string path, bool named) => (Path, Named, Version) = (path, named, FindVersion(path));

    /// <summary>The folder that holds the libraries themselves.</summary>
    public string Path { get; }

    /// <summary>True when LIBTORCH named it, false when it came with the program.</summary>
    public bool Named { get; }

    /// <summary>What the folder says of its version ("2.10.0+cu128"); null when it says nothing.</summary>
    public string? Version { get; }

    /// <summary>True when any library of the CUDA part is here, or the version says that it should be.</summary>
    public bool Cuda => Cudas.Any(Has) || Version?.Contains("+cu", StringComparison.Ordinal) == true;

    /// <summary>The libraries in the order in which they are loaded.</summary>
    public IEnumerable<string> Libraries =>
        from name in (string[])["c10", "torch_cpu", .. Cuda ? (string[])["c10_cuda", "torch_cuda"] : [], "torch"]
        select System.IO.Path.Combine(Path, FileName(name));

    private static string[] Cudas => ["c10_cuda", "torch_cuda", "torch_cuda_linalg"];

    /// <summary>Whether the folder holds a library, named without prefix and ending.</summary>
    public bool Has(string name) => File.Exists(System.IO.Path.Combine(Path, FileName(name)));

    /// <summary>The name of a library's file on this system.</summary>
    public static string FileName(string library) =>
        OperatingSystem.IsWindows() ? library + ".dll"
        : OperatingSystem.IsMacOS() ? $"lib{library}.dylib"
        : $"lib{library}.so";

    /// <summary>The folder in use: the one LIBTORCH names, else the package's.</summary>
    public static LibtorchFolder Find()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
            return Open(given);
        var own = System.IO.Path.Combine(AppContext.BaseDirectory, Own);
        if (File.Exists(System.IO.Path.Combine(own, FileName("torch_cpu"))))
            return new(own, named: false);
        if (Beside("torch_cpu") is { } found)
            return new(System.IO.Path.GetDirectoryName(found)!, named: false);
        throw new UserException(
            "no libtorch beside the program: reference the package LongTake, or import its Torch.targets; or " + Advice
        );
    }

    /// <summary>The folder that a person named.</summary>
    public static LibtorchFolder Open(string given)
    {
        var root = System.IO.Path.GetFullPath(given);
        if (!Directory.Exists(root))
            throw new UserException($"{Variable} names '{given}', which is no folder: {Advice}");
        string[] candidates = [root, System.IO.Path.Combine(root, "lib"), System.IO.Path.Combine(root, "torch", "lib")];
        var found = candidates.FirstOrDefault(c => File.Exists(System.IO.Path.Combine(c, FileName("torch_cpu"))))
            ?? throw new UserException(
                $"{Variable} names '{given}', where there is no {FileName("torch_cpu")}, nor in its lib or "
                    + $"torch/lib: {Advice}"
            );
        return new(found, named: true);
    }

    /// <summary>The path at which .NET finds a library of the program; null when it has none.</summary>
    public static string? Beside(string library)
    {
        // where .NET itself looks, by the program's deps.json
        var listed = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        var below = System.IO.Path.Combine(
            AppContext.BaseDirectory,
            "runtimes",
            System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier,
            "native"
        );
        return listed
            .Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Append(below)
            .Select(d => System.IO.Path.Combine(d, FileName(library)))
            .FirstOrDefault(File.Exists);
    }

    private static string Advice =>
        $"set {Variable} to the folder of a libtorch {Engine.Oldest} or later, or to the torch folder of a "
        + $"Python that has PyTorch";

    // PyTorch writes torch/version.py, libtorch's archive build-version, each one folder above the libraries; a NuGet
    // package neither.
    private static string? FindVersion(string path)
    {
        foreach (var folder in (string?[])[path, System.IO.Path.GetDirectoryName(path)])
        {
            if (folder is null)
                continue;
            var (python, archive) = (
                System.IO.Path.Combine(folder, "version.py"),
                System.IO.Path.Combine(folder, "build-version")
            );
            if (File.Exists(python) && PythonVersion().Match(File.ReadAllText(python)) is { Success: true } match)
                return match.Groups[1].Value;
            if (File.Exists(archive))
                return File.ReadLines(archive).FirstOrDefault()?.Trim();
        }
        return null;
    }

    [GeneratedRegex("""^__version__\s*(?::[^=]*)?=\s*['"]([^'"]+)['"]""", RegexOptions.Multiline)]
    private static partial Regex PythonVersion();
}
