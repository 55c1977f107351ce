using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LongTake.Cli;

/// <summary>What this machine offers LongTake, and what would make it faster. Rates are in GFLOP/s, memory in bytes.</summary>
public sealed record Health(
    string Os, int Cores, long Memory, string Dotnet, string[] CpuFeatures,
    string Libtorch, string LibtorchPath, string LibtorchWhy, string[] Features, int Threads, string ThreadPolicy, string[] CudaDevices,
    string Blas, bool SlowBlas, IReadOnlyDictionary<string, double> Rates, string Products, string? Ffmpeg, bool SentencePiece, string[] Advice);

[JsonSerializable(typeof(Health))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class HealthJson : JsonSerializerContext;

/// <summary>`longtake doctor`: looks, measures for about a third of a second, and says what to mend.</summary>
public static class Doctor
{
    /// <summary>Writes the report; 0 when LongTake can work here, 1 when something it needs is missing.</summary>
    public static int Run(bool json, TextWriter? to = null)
    {
        to ??= Console.Out;
        Cli.Run.UseAllCores();   // as every verb that computes
        var health = Examine();
        to.WriteLine(json ? JsonSerializer.Serialize(health, HealthJson.Default.Health) : Text(health));
        return health.Ffmpeg is null ? 1 : 0;
    }

    /// <summary>Looks and measures.</summary>
    public static Health Examine()
    {
        var path = Libtorch.Path;
        var (blas, slow) = Blas();
        var health = new Health(
            Os: $"{OsName()} {RuntimeInformation.ProcessArchitecture}", Environment.ProcessorCount,
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, Environment.Version.ToString(), CpuFeatures(),
            Libtorch.Version, path, Why(path), Libtorch.Features, Libtorch.Threads, ThreadPolicy.Text, CudaDevices(),
            blas, slow, Enum.GetValues<ProductKind>().ToDictionary(Products.Name, Rate), Products.Name(Products.Kind), FfmpegVersion(), Libtorch.Features.Contains("sentencepiece"), []);
        return health with { Advice = [.. Advise(health)] };
    }

    /// <summary>The report for a person.</summary>
    public static string Text(Health h)
    {
        var rows = new List<(string, string)>
        {
            ("system", $"{h.Os}, {h.Cores} cores, {Gib(h.Memory)} memory"),
            ("processor", h.CpuFeatures.Length > 0 ? string.Join(' ', h.CpuFeatures) : "no vector extensions known"),
            (".NET", h.Dotnet),
            ("libtorch", $"{h.Libtorch} at {h.LibtorchPath}"),
            ("", h.LibtorchWhy),
            ("features", h.Features.Length > 0 ? string.Join(' ', h.Features) : "none of gloo, nccl, cuda, sentencepiece"),
            ("threads", $"{h.Threads}; {h.ThreadPolicy}"),
            ("CUDA", h.CudaDevices.Length > 0 ? string.Join("; ", h.CudaDevices) : "no device"),
            ("BLAS", h.Blas + (h.SlowBlas ? " (the slow reference one)" : "")),
            ("matrix rate", $"{string.Join(", ", h.Rates.Select(r => $"{r.Value:0.#} as {r.Key}"))} GFLOP/s; what is stored in bfloat16 is multiplied as {h.Products}"),
            ("ffmpeg", h.Ffmpeg ?? "missing"),
            ("SentencePiece", h.SentencePiece ? "here" : "missing"),
        };
        return string.Join('\n', [.. rows.Select(r => $"{r.Item1,-14} {r.Item2}"), .. h.Advice.Select(a => $"{"advice",-14} {a}")]);
    }

    private static IEnumerable<string> Advise(Health h)
    {
        if (h.SlowBlas) yield return "install libopenblas0-pthread, or choose it with update-alternatives --config libblas.so.3-x86_64-linux-gnu";
        if (h.Threads < h.Cores && Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 } told)
            yield return $"libtorch works with {h.Threads} of {h.Cores} cores, for OMP_NUM_THREADS={told}: without it, it takes all";
        if (h.Ffmpeg is null) yield return "install ffmpeg: video can be neither read nor written";
        if (!h.SentencePiece) yield return "install libsentencepiece-dev and build again: prompts cannot be read";
        if (!h.Features.Contains("gloo")) yield return "install libgloo-dev and build again to work in several processes";
        var best = h.Rates.MaxBy(r => r.Value);
        if (h.CudaDevices.Length == 0 && best.Value > 1.3 * h.Rates[h.Products]) yield return $"another way to multiply was the fastest just now: if that stays so, set LONGTAKE_PRODUCTS={best.Key}";
    }

    // The native library remembers at build time which libtorch it links to, so the path tells; the variable explains it.
    private static string Why(string path)
    {
        var named = Environment.GetEnvironmentVariable("LIBTORCH");
        if (!string.IsNullOrEmpty(named) && path.StartsWith(Path.GetFullPath(named), StringComparison.Ordinal)) return "named by LIBTORCH";
        var why = path.Contains("site-packages", StringComparison.Ordinal) ? "the torch of python3"
            : path.StartsWith("/usr/lib/", StringComparison.Ordinal) || path.StartsWith("/lib/", StringComparison.Ordinal) ? "the system's: LIBTORCH was not set and python3 has no torch of its own"
            : "named by LIBTORCH when the native library was built";
        return string.IsNullOrEmpty(named) ? why : $"{why}; LIBTORCH={named} is not in use: run './dev build'";
    }

    private static string OsName()
    {
        const string prefix = "PRETTY_NAME=", file = "/etc/os-release";
        var line = File.Exists(file) ? File.ReadLines(file).FirstOrDefault(l => l.StartsWith(prefix, StringComparison.Ordinal)) : null;
        return line?[prefix.Length..].Trim('"') ?? RuntimeInformation.OSDescription;
    }

    private static string[] CpuFeatures()
    {
        // Of what .NET itself does not report: the flags that decide how fast bfloat16 is.
        var flags = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal))?.Split(' ') ?? []
            : [];
        (string Name, bool Here)[] all =
        [
            ("avx2", Avx2.IsSupported), ("fma", Fma.IsSupported), ("avx512", Avx512F.IsSupported),
            ("avx512_bf16", flags.Contains("avx512_bf16")), ("amx_bf16", flags.Contains("amx_bf16")),
            ("neon", System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported),
        ];
        return [.. all.Where(f => f.Here).Select(f => f.Name)];
    }

    private static string[] CudaDevices()
    {
        var devices = new List<string>();
        for (var i = 0; i < Libtorch.CudaDevices; i++)
        {
            try { devices.Add($"cuda:{i} {Gib(Libtorch.CudaMemory(i).Total)}"); }
            catch (TorchException e) { devices.Add($"cuda:{i} ({e.Message})"); }
        }
        return [.. devices];
    }

    // What is really mapped into this process, not what a package list says.
    private static (string Name, bool Slow) Blas()
    {
        if (!File.Exists("/proc/self/maps")) return ("unknown", false);
        var mapped = File.ReadLines("/proc/self/maps").Select(l => l.IndexOf('/') is var at and >= 0 ? l[at..] : "").Distinct().ToList();
        var found = mapped.FirstOrDefault(f => f.Contains("openblas", StringComparison.Ordinal))
            ?? mapped.FirstOrDefault(f => f.Contains("mkl", StringComparison.Ordinal))
            ?? mapped.FirstOrDefault(f => f.Contains("/libblas.so", StringComparison.Ordinal));
        if (found is null) return ("inside libtorch", false);
        // A kernel forced from outside is the most common reason for a rate far below the processor's.
        var forced = Environment.GetEnvironmentVariable("OPENBLAS_CORETYPE") is { Length: > 0 } kernel && found.Contains("openblas", StringComparison.Ordinal)
            ? $", OPENBLAS_CORETYPE={kernel}" : "";
        return (found + forced, found.Contains("/blas/libblas.so", StringComparison.Ordinal));
    }

    // The best of the multiplications that fit into 0.1 s, after one that warms up.
    private static double Rate(ProductKind kind)
    {
        const int n = 1024;   // as large as it takes for all threads to have a share
        const double budget = 0.1, work = 2.0 * n * n * n / 1e9;
        using var scope = new Scope();
        var a = Ops.Full([n, n], 1.0 / n).To(Dtype.BF16);
        Tensor Product() => Products.Linear(a, a, null, kind);
        Product().Free();
        var (watch, best) = (Stopwatch.StartNew(), double.MaxValue);
        while (watch.Elapsed.TotalSeconds < budget)
        {
            var start = watch.Elapsed;
            Product().Free();
            best = Math.Min(best, (watch.Elapsed - start).TotalSeconds);
        }
        return best == double.MaxValue ? 0 : Math.Round(work / best, 1);
    }

    private static string? FfmpegVersion()
    {
        try
        {
            var words = Media.Ffmpeg.Version().Split(' ', 4);
            return words.Length > 2 ? words[2] : "of unknown version";
        }
        catch (UserException) { return null; }
    }

    private static string Gib(long bytes) => (bytes / (double)(1L << 30)).ToString("0.# GiB", CultureInfo.InvariantCulture);
}
