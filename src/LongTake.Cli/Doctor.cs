using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Nn;

namespace LongTake.Cli;

/// <summary>
/// What this machine offers LongTake, and what would make it faster. Rates are in GFLOP/s, memory in bytes.
/// </summary>
public sealed record Health(
    string Os,
    int Cores,
    long Memory,
    string Dotnet,
    string[] CpuFeatures,
    EngineFacts Engine,
    IReadOnlyDictionary<string, double> Rates,
    string Products,
    string? Ffmpeg,
    string[] Advice
);

[JsonSerializable(typeof(Health))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class HealthJson : JsonSerializerContext;

/// <summary>`longtake doctor`: looks, measures for about a third of a second, and says what to mend.</summary>
public static class Doctor
{
    internal static Command Verb()
    {
        var json = Options.Json();
        return Options.Verb(
            "doctor",
            "Say what this machine has, which libraries are used, and what would make it faster.",
            [json],
            p => Run(p.GetValue(json))
        );
    }

    /// <summary>Writes the report; 0 when LongTake can work here, 1 when something it needs is missing.</summary>
    public static int Run(bool json)
    {
        Cli.Run.UseAllCores(); // as every verb that computes
        var health = Examine();
        Cli.Run.Print(
            json,
            JsonSerializer.SerializeToNode(health, HealthJson.Default.Health)!.AsObject(),
            [Text(health)]
        );
        return health.Ffmpeg is null ? 1 : 0;
    }

    /// <summary>Looks and measures.</summary>
    public static Health Examine()
    {
        var health = new Health(
            $"{OsName()} {RuntimeInformation.ProcessArchitecture}",
            Environment.ProcessorCount,
            GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            Environment.Version.ToString(),
            CpuFeatures(),
            Engine.Describe(),
            Enum.GetValues<ProductKind>().ToDictionary(Products.Name, Rate),
            Products.Name(Products.Kind),
            FfmpegVersion(),
            []
        );
        return health with { Advice = [.. Advise(health)] };
    }

    /// <summary>The report for a person.</summary>
    public static string Text(Health h)
    {
        var rates = string.Join(", ", h.Rates.Select(r => $"{r.Value:0.#} in {r.Key}"));
        List<(string, string)> rows =
        [
            ("system", $"{h.Os}, {h.Cores} cores, {Gib(h.Memory)} memory"),
            ("processor", h.CpuFeatures.Length > 0 ? string.Join(' ', h.CpuFeatures) : "no vector extensions known"),
            (".NET", h.Dotnet),
            (
                "libtorch",
                $"{h.Engine.Version} at {h.Engine.Folder} "
                    + $"({(h.Engine.From == "package" ? "the program's own" : $"named by {h.Engine.From}")})"
            ),
            ("threads", $"{h.Engine.Threads}; {h.Engine.Waiting}"),
            .. h.Engine.Devices.Select(
                (d, i) => (i == 0 ? "devices" : "", $"{d.Name}: {d.Model}{(d.Memory > 0 ? $", {Gib(d.Memory)}" : "")}")
            ),
            .. h.Engine.Absent.Select(why => ("no", why)),
            ("matrix rate", $"{rates} GFLOP/s; what is stored in bfloat16 is multiplied in {h.Products}"),
            ("ffmpeg", h.Ffmpeg ?? "missing"),
        ];
        return string.Join(
            '\n',
            [.. rows.Select(r => $"{r.Item1, -14} {r.Item2}"), .. h.Advice.Select(a => $"{"advice", -14} {a}")]
        );
    }

    private static IEnumerable<string> Advise(Health h)
    {
        if (h.Engine.Threads < h.Cores && Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 } set)
            yield return $"libtorch works with {h.Engine.Threads} of {h.Cores} cores, for OMP_NUM_THREADS={set}: "
                + $"without it, it takes all";
        if (h.Engine.Warning is { } warning)
            yield return warning;
        if (!Convolution.Trusted)
            yield return "libtorch's convolutions are wrong on this processor: they are made of matrix products "
                + "instead, which is right but slower";
        if (h.Ffmpeg is null)
            yield return "install ffmpeg: video can be neither read nor written";
        var best = h.Rates.MaxBy(r => r.Value);
        if (h.Engine.Devices.Count == 1 && best.Value > 1.3 * h.Rates[h.Products])
            yield return $"{best.Key} was the faster just now: if that stays so, set LONGTAKE_PRODUCTS={best.Key}";
    }

    private static string OsName()
    {
        const string prefix = "PRETTY_NAME=",
            file = "/etc/os-release";
        var line = File.Exists(file)
            ? File.ReadLines(file).FirstOrDefault(l => l.StartsWith(prefix, StringComparison.Ordinal))
            : null;
        return line?[prefix.Length..].Trim('"') ?? RuntimeInformation.OSDescription;
    }

    private static string[] CpuFeatures()
    {
        // Of what .NET itself does not report: the flags that decide how fast bfloat16 is.
        var flags = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo")
                .FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal))
                ?.Split(' ')
                ?? []
            : [];
        (string Name, bool Here)[] all =
        [
            ("avx2", Avx2.IsSupported),
            ("fma", Fma.IsSupported),
            ("avx512", Avx512F.IsSupported),
            ("avx512_bf16", flags.Contains("avx512_bf16")),
            ("amx_bf16", flags.Contains("amx_bf16")),
            ("neon", System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported),
        ];
        return [.. all.Where(f => f.Here).Select(f => f.Name)];
    }

    // The best of the multiplications that fit into 0.1 s, after one that warms up.
    private static double Rate(ProductKind kind)
    {
        const int n = 1024; // as large as it takes for all threads to have a share
        const double budget = 0.1,
            work = 2.0 * n * n * n / 1e9;
        using var scope = torch.NewDisposeScope();
        var a = torch.full([n, n], 1.0 / n, kind == ProductKind.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32);
        Tensor Product() => torch.matmul(a, a);
        Product().Dispose();
        var (watch, best) = (Stopwatch.StartNew(), double.MaxValue);
        while (watch.Elapsed.TotalSeconds < budget)
        {
            var start = watch.Elapsed;
            Product().Dispose();
            best = Math.Min(best, (watch.Elapsed - start).TotalSeconds);
        }
        return best == double.MaxValue ? 0 : Math.Round(work / best, 1);
    }

    private static string? FfmpegVersion()
    {
        try
        {
            var words = Video.Ffmpeg.Version().Split(' ', 4);
            return words.Length > 2 ? words[2] : "of unknown version";
        }
        catch (UserException)
        {
            return null;
        }
    }

    private static string Gib(long bytes) =>
        (bytes / (double)(1L << 30)).ToString("0.# GiB", CultureInfo.InvariantCulture);
}
