using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LongTake.Bench;

/// <summary>
/// One figure. <paramref name="Lower"/>: less is better. <see cref="Floor"/> is the limit it must keep: at most that when lower
/// is better, else at least.
/// </summary>
internal sealed record Row(string Name, double Ours, string Unit, double? Peer = null, string? PeerName = null, bool Lower = false)
{
    public double? Floor { get; init; }
    public string? Note { get; init; }

    /// <summary>How many times better than the peer; below 1 is worse.</summary>
    public double? Ratio => Peer is { } peer && peer > 0 && Ours > 0 ? Lower ? peer / Ours : Ours / peer : null;

    public bool Kept => Floor is not { } floor || (Lower ? Ours <= floor : Ours >= floor);

    public static void Print(IReadOnlyList<Row> rows)
    {
        string[][] cells = [["name", "ours", "unit", "peer", "ratio", "limit", "note"], .. rows.Select(r => (string[])
            [r.Name, Number(r.Ours), r.Unit, r.Peer is null ? "-" : $"{Number(r.Peer)} {r.PeerName}", r.Ratio is { } x ? $"{x:0.00}x" : "-",
                r.Floor is null ? "-" : $"{(r.Lower ? "at most" : "at least")} {Number(r.Floor)}{(r.Kept ? "" : " MISSED")}", r.Note ?? ""])];
        var widths = Enumerable.Range(0, cells[0].Length).Select(i => cells.Max(c => c[i].Length)).ToArray();
        foreach (var line in cells) Console.WriteLine(string.Join("  ", line.Select((c, i) => c.PadRight(widths[i]))).TrimEnd());
    }

    /// <summary>Puts the rows into bench/results.json in place of those of the same name; true when every limit is kept.</summary>
    public static bool Save(IReadOnlyList<Row> rows, [CallerFilePath] string here = "")
    {
        var path = Path.Combine(Path.GetDirectoryName(here)!, "results.json");
        var all = new OrderedDictionary<string, string>();
        if (File.Exists(path))
            using (var old = JsonDocument.Parse(File.ReadAllText(path)))
                foreach (var row in old.RootElement.EnumerateArray()) all[row.GetProperty("name").GetString()!] = row.GetRawText();
        foreach (var r in rows) all[r.Name] = r.Json();
        File.WriteAllText(path, $"[\n{string.Join(",\n", all.Values.Select(v => "  " + v))}\n]\n");
        return rows.All(r => r.Kept);
    }

    private string Json()
    {
        static string Text(string? text) => text is null ? "null" : $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
        static string Plain(double? value) => value is { } v ? v.ToString("G5", CultureInfo.InvariantCulture).Replace("E+0", "E") : "null";
        return $"{{\"name\":{Text(Name)},\"ours\":{Plain(Ours)},\"unit\":{Text(Unit)},\"peer\":{Plain(Peer)},\"peer_name\":{Text(PeerName)}," +
            $"\"ratio\":{Plain(Ratio)},\"floor\":{Plain(Floor)},\"note\":{Text(Note)}}}";
    }

    private static string Number(double? value) => value is { } v ? v.ToString(Math.Abs(v) >= 1000 ? "#,0" : "0.##", CultureInfo.InvariantCulture) : "-";
}

/// <summary>The same work elsewhere.</summary>
internal static class Peer
{
    /// <summary>The number a Python program prints, or why there is none.</summary>
    public static (double? Value, string? Why) Python(string program)
    {
        foreach (var python in (string[])["python3", "/usr/bin/python3"])
        {
            try
            {
                if (Run(python, "import torch").Code != 0) continue;
                var (code, output) = Run(python, program);
                return code == 0 && double.TryParse(output.Trim(), out var value) ? (value, null) : (null, $"no peer: {python} ended with code {code}");
            }
            catch (System.ComponentModel.Win32Exception) { }
        }
        return (null, "no peer: no python3 here can import torch");
    }

    private static (int Code, string Output) Run(string python, string program)
    {
        using var child = Process.Start(new ProcessStartInfo(python, ["-c", program]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return (child.ExitCode, output);
    }
}
