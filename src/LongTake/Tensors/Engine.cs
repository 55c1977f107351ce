using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace LongTake.Tensors;

/// <summary>
/// Starts libtorch: chooses it (the package's, or the one that LIBTORCH names), loads it in order, and hands it to
/// TorchSharp. It happens by itself when TorchSharp is first used after any type of this library; a program calls <see
/// cref="Start"/> to have a failure said as one <see cref="UserException"/> rather than wrapped in TorchSharp's own.
/// </summary>
public static class Engine
{
    // the first is held only while libraries load, never while TorchSharp runs
    private static readonly Lock gate = new(),
        testGate = new();
    private static EngineLoader? loaded;
    private static UserException? failed;

    /// <summary>The oldest version of libtorch that will do; TorchSharp's native part is built for it.</summary>
    public static Version Oldest { get; } = new(2, 10);

    /// <summary>
    /// What to tell a person once: a libtorch newer than the tested one. Null when there is nothing; set by <see
    /// cref="Start"/>.
    /// </summary>
    public static string? Warning { get; private set; }

    /// <summary>
    /// Loads libtorch; nothing to do when it is loaded. Throws the same exception again when it failed before.
    /// </summary>
    public static void Start()
    {
        Load();
        if (failed is not null)
            throw failed;
        lock (testGate)
        {
            if (Warning is not null || loaded!.Version < new Version(Oldest.Major, Oldest.Minor + 1))
                return;
            if (SelfTest.Failure() is { } wrong)
                throw failed = new UserException(
                    $"libtorch {loaded.Version} of '{loaded.Folder.Path}' "
                        + $"does not work with this program ({wrong}): set {LibtorchFolder.Variable} to a "
                        + $"libtorch {Oldest}"
                );
            Warning =
                $"libtorch {loaded.Version} of '{loaded.Folder.Path}' is newer than {Oldest}, with which "
                + $"LongTake is tested; it passed a short self-test";
        }
    }

    /// <summary>What is loaded, from where, and which devices it can use.</summary>
    public static EngineFacts Describe()
    {
        Start();
        var folder = loaded!.Folder;
        var version = folder.Version ?? $"{loaded.Version}+{(folder.Cuda ? "cuda" : "cpu")}";
        var (devices, absent) = Devices.Find(loaded);
        return new(
            version,
            folder.Path,
            folder.Named ? LibtorchFolder.Variable : "package",
            loaded.Adapted,
            torch.get_num_threads(),
            ThreadPolicy.Text,
            devices,
            absent,
            Warning
        );
    }

    /// <summary>Address of a function that libtorch exports; zero when it does not.</summary>
    internal static IntPtr Export(string name)
    {
        Start();
        return NativeLibrary.TryGetExport(loaded!.Cpu, name, out var address) ? address : 0;
    }

    // Loading TorchSharp's assembly, which comes before its first use, loads libtorch. TorchSharp then looks for its
    // libraries in two ways. Its class `torch` asks for "torch_cpu", "torch_cuda" and "LibTorchSharp" by name when it
    // is first used; the event answers when the system's own search found nothing. (Where it fails, TorchSharp copies a
    // whole package out of the NuGet cache.) Its imports come to the resolver first.
    [ModuleInitializer]
    [SuppressMessage(
        "Usage",
        "CA2255",
        Justification = "libtorch is to be chosen before TorchSharp's first use, whoever makes it"
    )]
    internal static void Prepare()
    {
        ThreadPolicy.Apply();
        MemoryPolicy.Apply();
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += (assembly, name) =>
            IsTorchSharp(assembly) ? ByName(name) : 0;
        AppDomain.CurrentDomain.AssemblyLoad += (_, e) => Resolve(e.LoadedAssembly);
        foreach (var assembly in AppDomain.CurrentDomain.GetAssemblies())
            Resolve(assembly);
    }

    private static void Resolve(Assembly assembly)
    {
        if (!IsTorchSharp(assembly))
            return;
        try
        {
            NativeLibrary.SetDllImportResolver(assembly, Import);
        }
        // the program has one of its own, or two threads came here at once: the event does
        catch (InvalidOperationException) { }
        Load();
    }

    private static bool IsTorchSharp(Assembly assembly) => assembly.GetName().Name == "TorchSharp";

    private static IntPtr Import(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != EngineLoader.Shim)
            return 0;
        Load();
        return failed is null ? loaded!.Sharp : throw failed;
    }

    // After a failure any handle will do: TorchSharp then goes on to its first import, whose exception says what is
    // wrong.
    private static IntPtr ByName(string name)
    {
        Load();
        if (failed is not null)
            return NativeLibrary.GetMainProgramHandle();
        return name == EngineLoader.Shim ? loaded!.Sharp
            : name == "torch_cpu" ? loaded!.Cpu
            : 0;
    }

    private static void Load()
    {
        lock (gate)
        {
            if (loaded is null && failed is null)
            {
                try
                {
                    loaded = EngineLoader.Load(LibtorchFolder.Find());
                }
                catch (UserException e)
                {
                    failed = e;
                }
            }
        }
    }
}
