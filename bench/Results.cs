using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LongTake.Bench;

/// <summary>bench/results.json: facts of the machine, and the last figure of every name.</summary>
internal sealed record Results(IReadOnlyDictionary<string, string> Machine, IReadOnlyList<Row> Rows)
{
    public static string Path([CallerFilePath] string here = "") =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(here)!, "results.json");

    /// <summary>Processor, cores, libtorch, threads, clock, and the cores that others kept busy.</summary>
    public static Dictionary<string, string> Facts(double others) =>
        new()
        {
            ["processor"] = Line("/proc/cpuinfo", "model name") ?? "unknown",
            ["instructions"] = string.Join(
                ' ',
                new[] { "avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16" }.Where(f =>
                    Line("/proc/cpuinfo", "flags")?.Split(' ').Contains(f) ?? false
                )
            ),
            ["cores"] = Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture),
            ["memory"] = $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1 << 30)} GiB",
            ["libtorch"] = Libtorch.Version,
            ["threads"] = Libtorch.Threads.ToString(CultureInfo.InvariantCulture),
            ["clock"] = Turns.Processor ? "processor seconds" : "wall",
            ["others"] = $"{others:0.0} cores",
        };

    private static string? Line(string file, string key) =>
        !File.Exists(file)
            ? null
            : File.ReadLines(file)
                .FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal))
                ?.Split(':', 2)[1]
                .Trim();

    public static Results Read(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(path));
            return new(
                json.RootElement.GetProperty("machine")
                    .EnumerateObject()
                    .ToDictionary(p => p.Name, p => p.Value.GetString() ?? ""),
                [.. json.RootElement.GetProperty("rows").EnumerateArray().Select(Row.Parse)]
            );
        }
        catch (Exception e)
            when (e
                    is JsonException
                        or KeyNotFoundException
                        or InvalidOperationException
                        or IOException
                        or UnauthorizedAccessException
            )
        {
            throw new UserException($"{path} cannot be read as figures of ./dev bench: {e.Message}");
        }
    }

    /// <summary>
    /// Puts the rows in place of those of the same name. Rows of another machine, libtorch or number of threads are
    /// dropped: no file holds figures that cannot be compared.
    /// </summary>
    public void Save(string path)
    {
        var all = new OrderedDictionary<string, Row>();
        if (File.Exists(path) && Read(path) is var old && Same(old))
            foreach (var row in old.Rows)
                all[row.Name] = row;
        foreach (var row in Rows)
            all[row.Name] = row;
        static string Text(string text) => $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
        var machine = string.Join(",\n", Machine.Select(p => $"    {Text(p.Key)}: {Text(p.Value)}"));
        AtomicFile.Write(path, file =>
            file.Write(
                Encoding.UTF8.GetBytes(
                    $"{{\n  \"machine\": {{\n{machine}\n  }},\n  \"rows\": "
                        + $"[\n{string.Join(",\n", all.Values.Select(r => "    " + r.Json()))}\n  ]\n}}\n"
                )
            )
        );
    }

    /// <summary>Whether the figures of both are of one kind of machine and setting.</summary>
    public bool Same(Results other) =>
        new[] { "processor", "cores", "libtorch", "threads", "clock" }.All(key =>
            Machine.GetValueOrDefault(key) == other.Machine.GetValueOrDefault(key)
        );
}
