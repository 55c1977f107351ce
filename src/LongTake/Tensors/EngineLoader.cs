using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;

namespace LongTake.Tensors;

/// <summary>
/// Loads the libraries of one libtorch and TorchSharp's native part over them, or says in one sentence why that fails.
/// </summary>
internal sealed partial class EngineLoader
{
    /// <summary>TorchSharp's native part, as its imports name it.</summary>
    public const string Shim = "LibTorchSharp";

    private EngineLoader(LibtorchFolder folder) => Folder = folder;

    /// <summary>Where the libraries are from.</summary>
    public LibtorchFolder Folder { get; }

    /// <summary>The version that the loaded library reports, or its folder where that says more.</summary>
    public Version Version { get; private set; } = new();

    /// <summary>Handle of torch_cpu, which exports the C functions.</summary>
    public IntPtr Cpu { get; private set; }

    /// <summary>Handle of TorchSharp's native part.</summary>
    public IntPtr Sharp { get; private set; }

    /// <summary>Whether TorchSharp's native part was adapted to an older libstdc++.</summary>
    public bool Adapted { get; private set; }

    /// <summary>Loads all.</summary>
    public static EngineLoader Load(LibtorchFolder folder)
    {
        var engine = new EngineLoader(folder);
        var version = Number(folder.Version);
        if (version is not null && version < Engine.Oldest)
            throw engine.TooOld(folder.Version!);
        foreach (var path in folder.Libraries)
            engine.Check(path);
        engine.RefuseASecondOne();
        foreach (var path in folder.Libraries)
        {
            var handle = engine.LoadLibrary(path);
            if (path.EndsWith(LibtorchFolder.FileName("torch_cpu"), StringComparison.Ordinal))
                engine.Cpu = handle;
        }
        engine.Version = engine.LoadedVersion();
        if (engine.Version < Engine.Oldest)
            throw engine.TooOld(engine.Version.ToString());
        if (version is not null && version > engine.Version)
            engine.Version = version;
        engine.LoadShim();
        return engine;
    }

    private void Check(string path)
    {
        if (!File.Exists(path))
            throw new UserException(
                $"the libtorch of '{Folder.Path}' is incomplete: {Path.GetFileName(path)} is missing; install "
                    + $"it again{Instead}"
            );
        if (VersionNeeds.IsCutShort(path))
            throw new UserException($"'{path}' is cut short: install that libtorch again");
    }

    // Two libtorch in one process end it: each registers the same operators.
    private void RefuseASecondOne()
    {
        var name = LibtorchFolder.FileName("torch_cpu");
        using var process = Process.GetCurrentProcess();
        var other = process
            .Modules.Cast<ProcessModule>()
            .FirstOrDefault(m => Path.GetFileName(m.FileName).StartsWith(name, StringComparison.OrdinalIgnoreCase))
            ?.FileName;
        if (
            other is not null
            && Path.GetDirectoryName(Real(other)) != Path.GetDirectoryName(Real(Path.Combine(Folder.Path, name)))
        )
            throw new UserException(
                $"'{other}' is loaded already, so that '{Folder.Path}' cannot be: call Engine.Start() before "
                    + $"the first use of TorchSharp"
            );
        // TorchSharp asks for these by name, and .NET looks beside the program first.
        if (
            Folder.Named
            && (LibtorchFolder.Beside("torch_cuda") ?? LibtorchFolder.Beside("torch_cpu")) is { } own
            && Path.GetDirectoryName(own) != Folder.Path
        )
            throw new UserException(
                $"{LibtorchFolder.Variable} names '{Folder.Path}', but this program has a libtorch of its own "
                    + $"where .NET finds it first ('{own}'): "
                    + $"unset {LibtorchFolder.Variable}, or build the program with its libtorch in the folder "
                    + $"'{LibtorchFolder.Own}'"
            );
    }

    private static string Real(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    // A library of CUDA that no search path of the folder names may be in Python's nvidia packages beside it: those are
    // loaded by path, as Python does it, until nothing is missing.
    private IntPtr LoadLibrary(string path)
    {
        var tried = new HashSet<string>();
        while (true)
        {
            try
            {
                return NativeLibrary.Load(path);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                var missing = MissingLibrary().Match(e.Message) is { Success: true } match
                    ? match.Groups[1].Value
                    : null;
                if (
                    missing is not null
                    && tried.Add(missing)
                    && FromPython(missing) is { } found
                    && NativeLibrary.TryLoad(found, out _)
                )
                    continue;
                throw new UserException(
                    $"{Path.GetFileName(path)} of '{Folder.Path}' does not load: "
                        + $"{(missing is null ? Reason(e) : missing + " is not found")}{Instead}",
                    inner: e
                );
            }
        }
    }

    private string Instead => Folder.Cuda ? "; for the CPU alone use a libtorch without CUDA" : "";

    private string? FromPython(string library)
    {
        var packages = Path.GetFullPath(Path.Combine(Folder.Path, "..", "..", "nvidia"));
        return Directory.Exists(packages)
            ? Directory.EnumerateFiles(packages, library, SearchOption.AllDirectories).FirstOrDefault()
            : null;
    }

    // The last line of what the system said: .NET lists each path it tried.
    private static string Reason(Exception e) =>
        e.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .LastOrDefault(l => l.Contains(':'))
        ?? e.Message.ReplaceLineEndings(" ");

    [GeneratedRegex(@"(\S+\.so[.\d]*): cannot open shared object file")]
    private static partial Regex MissingLibrary();

    private unsafe Version LoadedVersion()
    {
        if (!NativeLibrary.TryGetExport(Cpu, "aoti_torch_abi_version", out var address))
            throw TooOld(Folder.Version ?? "of unknown version");
        var word = ((delegate* unmanaged<ulong>)address)(); // major, minor, patch in the three highest bytes
        return new((int)(word >> 56), (int)(word >> 48) & 255, (int)(word >> 40) & 255);
    }

    private UserException TooOld(string version) =>
        new(
            $"the libtorch of '{Folder.Path}' is {version}, but {Engine.Oldest} or later is "
                + $"needed{(Folder.Named ? $": set {LibtorchFolder.Variable} to one, or unset it" : "")}"
        );

    private static Version? Number(string? version) =>
        version is not null && Version.TryParse(Digits().Match(version).Value, out var number) ? number : null;

    [GeneratedRegex(@"^\d+\.\d+(\.\d+)?")]
    private static partial Regex Digits();

    private void LoadShim()
    {
        var path = LibtorchFolder.Beside(Shim)
            ?? throw new UserException(
                $"{LibtorchFolder.FileName(Shim)} of the package TorchSharp is not beside the program: publish it again"
            );
        try
        {
            try
            {
                Sharp = Bind(path);
            }
            catch (DllNotFoundException e) when (VersionNeeds.Marked(e.Message))
            {
                Sharp = VersionNeeds.LoadCopy(path, Bind);
                Adapted = true;
            }
        }
        catch (DllNotFoundException e)
        {
            throw new UserException(
                $"TorchSharp's {Path.GetFileName(path)} does not load over the libtorch {Version} of "
                    + $"'{Folder.Path}' ({Reason(e)}): "
                    + $"set {LibtorchFolder.Variable} to a libtorch {Engine.Oldest}",
                inner: e
            );
        }
    }

    // Linux looks a function up at its first call and ends the process where it is missing, so all are looked up here
    // (RTLD_NOW). The other systems do so by themselves.
    private static IntPtr Bind(string path)
    {
        if (!OperatingSystem.IsLinux())
            return NativeLibrary.Load(path);
        const int now = 2;
        _ = dlerror(); // so that it is bound: binding it after the failure would clear the text
        var handle = dlopen(path, now);
        return handle != 0 ? handle : throw new DllNotFoundException(Marshal.PtrToStringUTF8(dlerror()) ?? path);
    }

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial IntPtr dlopen(string path, int flags);

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc")]
    private static partial IntPtr dlerror();
}
