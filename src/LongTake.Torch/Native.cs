using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LongTake.Torch;

/// <summary>The functions of native/longtake_torch.h, one to one.</summary>
internal static unsafe partial class Native
{
    private const string Library = "longtake_torch";

    static Native()
    {
        ThreadPolicy.Apply();
        NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, Resolve);
    }

    /// <summary>Runs the static constructor, so that the first native call already finds its library.</summary>
    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "the resolver must exist before any call")]
    internal static void Initialise() => RuntimeHelpers.RunClassConstructor(typeof(Native).TypeHandle);

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (!name.StartsWith("longtake_", StringComparison.Ordinal)) return IntPtr.Zero;
        var tried = Candidates($"lib{name}.so").ToList();
        var needs = name == "longtake_text" ? " Text needs SentencePiece (Debian: apt-get install libsentencepiece-dev)." : "";
        foreach (var file in tried)
        {
            if (!File.Exists(file)) continue;
            try { return NativeLibrary.Load(file); }
            catch (DllNotFoundException e) { throw new UserException($"{file} cannot be loaded: {e.Message.ReplaceLineEndings(" ")}.{needs}", inner: e); }
        }
        throw new UserException(
            $"the native library lib{name}.so was not found. Looked for: {string.Join(", ", tried)}.{needs} " +
            "Run './dev build', or set LONGTAKE_NATIVE to the folder that holds it.");
    }

    /// <summary>Whether one of our native libraries has been built.</summary>
    internal static bool Built(string name) => Candidates($"lib{name}.so").Any(File.Exists);

    private static IEnumerable<string> Candidates(string file)
    {
        if (Environment.GetEnvironmentVariable("LONGTAKE_NATIVE") is { Length: > 0 } named)
        {
            yield return Path.Combine(named, file);
            yield break;
        }
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            yield return Path.Combine(folder.FullName, file);
            if (!File.Exists(Path.Combine(folder.FullName, "LongTake.slnx"))) continue;
            yield return Path.Combine(folder.FullName, "build", "native", file);
            yield break;
        }
    }

    internal static string Error => Marshal.PtrToStringUTF8((IntPtr)lt_error()) ?? "no error text";

    internal static void Check(int status)
    {
        if (status != 0) throw new TorchException(Error);
    }

    internal delegate int TextCall(byte* text, int capacity);

    internal static string Text(TextCall call)
    {
        const int capacity = 16384;
        var buffer = stackalloc byte[capacity];
        Check(call(buffer, capacity));
        return Marshal.PtrToStringUTF8((IntPtr)buffer) ?? "";
    }

    [LibraryImport(Library)] internal static partial byte* lt_error();
    [LibraryImport(Library)] internal static partial int lt_value_layout(out long size, out long payloadOffset);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lt_find(string name, string overload, out IntPtr op);
    [LibraryImport(Library)] internal static partial int lt_schema(IntPtr op, byte* text, int capacity);
    [LibraryImport(Library)]
    internal static partial int lt_call(IntPtr op, Value* arguments, int count, Value* results, int capacity, int* made);
    [LibraryImport(Library)] internal static partial int lt_free(IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_share(IntPtr tensor, out IntPtr again);
    [LibraryImport(Library)] internal static partial int lt_describe(IntPtr tensor, Info* info);
    [LibraryImport(Library)]
    internal static partial int lt_from_memory(void* data, int dtype, long* sizes, int rank, out IntPtr tensor);
    [LibraryImport(Library)] internal static partial int lt_to_memory(IntPtr tensor, void* data, long bytes);
    [LibraryImport(Library)] internal static partial int lt_grad(IntPtr tensor, out IntPtr grad);
    [LibraryImport(Library)] internal static partial int lt_set_grad(IntPtr tensor, IntPtr grad);
    [LibraryImport(Library)] internal static partial int lt_grad_mode(int enabled, out int before);
    [LibraryImport(Library)]
    internal static partial int lt_recompute_call(
        delegate* unmanaged<IntPtr, IntPtr*, int, IntPtr*, int> forward, delegate* unmanaged<IntPtr, void> release,
        IntPtr context, IntPtr* inputs, int count, out IntPtr output);
    [LibraryImport(Library)] internal static partial int lt_generator(long seed, out IntPtr generator);
    [LibraryImport(Library)] internal static partial int lt_generator_free(IntPtr generator);
    [LibraryImport(Library)] internal static partial int lt_threads(int set, out int now);
    [LibraryImport(Library)] internal static partial int lt_memory(int device, out long used, out long peak, out long total);
    [LibraryImport(Library)] internal static partial int lt_cpu_memory(int restart, out long now, out long most);
    [LibraryImport(Library)] internal static partial int lt_release_packed();
    [LibraryImport(Library)] internal static partial int lt_device_count(out int cuda);
    [LibraryImport(Library)] internal static partial int lt_synchronize();
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lt_copy_aside(IntPtr tensor, string device, out IntPtr copy);
    [LibraryImport(Library)] internal static partial int lt_version(byte* text, int capacity);
    [LibraryImport(Library)] internal static partial int lt_library_path(byte* text, int capacity);
    [LibraryImport(Library)] internal static partial int lt_features(byte* text, int capacity);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lt_group_create(
        string backend, string host, int port, int rank, int size, int serve, int device, string name, long timeoutMs,
        out IntPtr group);
    [LibraryImport(Library)] internal static partial int lt_group_free(IntPtr group);
    [LibraryImport(Library)]
    internal static partial int lt_group_call(IntPtr group, int verb, IntPtr input, IntPtr output, int argument);

    /// <summary>lt_info.</summary>
    internal struct Info
    {
        public int Dtype, DeviceType, DeviceIndex, Rank, RequiresGrad, Contiguous;
        public long Numel, ElementSize;
        public fixed long Sizes[8];
        public void* Data;
    }
}
