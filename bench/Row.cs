using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LongTake.Bench;

/// <summary>
/// One figure. <paramref name="Lower"/>: less is better.
/// </summary>
internal sealed record Row(
    string Name,
    double Ours,
    string Unit,
    double? Peer = null,
    string? PeerName = null,
    bool Lower = false
)
{
    private readonly double? measured;

    /// <summary>
    /// What the machine's measured rates allow for the least arithmetic and bytes of the work: no figure can be better.
    /// </summary>
    public double? Floor { get; init; }
    public string? Note { get; init; }

    /// <summary>What must be kept: at most that when lower is better, else at least.</summary>
    public double? Limit { get; init; }

    /// <summary>Smallest and largest over the turns, of the ratio where there is a peer, else of the figure.</summary>
    public (double Low, double High)? Spread { get; init; }

    /// <summary>The ratio that must be reached.</summary>
    public double? Least { get; init; }

    /// <summary>
    /// How many times better than the peer, or the fraction of the limit; below 1 is worse. The median over turns where
    /// there were some.
    /// </summary>
    public double? Ratio
    {
        get =>
            measured
            ?? (
                Peer is { } peer && peer > 0 && Ours > 0
                    ? Lower
                        ? peer / Ours
                        : Ours / peer
                    : null
            );
        init => measured = value;
    }

    /// <summary>
    /// Seconds of us and of a peer in the same turns; the units of both are <paramref name="scale"/> times seconds.
    /// </summary>
    public static Row Seconds(
        string name,
        double[] ours,
        double[]? peer,
        string? peerName,
        double scale = 1,
        string unit = "s"
    )
    {
        var ratios = peer?.Zip(ours, (p, o) => p / o).ToArray();
        return new(
            name,
            Turns.Median(ours) * scale,
            unit,
            peer is null ? null : Turns.Median(peer) * scale,
            peerName,
            Lower: true
        )
        {
            Ratio = ratios is null ? null : Turns.Median(ratios),
            Spread = ratios is null ? (ours.Min() * scale, ours.Max() * scale) : (ratios.Min(), ratios.Max()),
        };
    }

    /// <summary>
    /// Work (in GFLOP, or GB) done in seconds, beside a peer's or limit's work in seconds of the same turns.
    /// </summary>
    public static Row Rate(
        string name,
        double work,
        double[] ours,
        double? peerWork,
        double[]? peer,
        string? peerName,
        string unit = "GFLOP/s"
    )
    {
        var rates = ours.Select(s => work / s).ToArray();
        var limits = peer?.Select(s => peerWork!.Value / s).ToArray();
        var ratios = limits?.Zip(rates, (limit, rate) => rate / limit).ToArray();
        return new(name, Turns.Median(rates), unit, limits is null ? null : Turns.Median(limits), peerName)
        {
            Ratio = ratios is null ? null : Turns.Median(ratios),
            Spread = ratios is null ? (rates.Min(), rates.Max()) : (ratios.Min(), ratios.Max()),
        };
    }

    public bool Kept =>
        (Limit is not { } limit || (Lower ? Ours <= limit : Ours >= limit))
        && (Least is not { } least || Ratio >= least);

    public static void Print(IReadOnlyList<Row> rows)
    {
        string[][] cells =
        [
            ["name", "ours", "unit", "peer", "ratio", "spread", "floor", "wanted", "note"],
            .. rows.Select(r =>
                (string[])
                    [
                        r.Name,
                        Number(r.Ours),
                        r.Unit,
                        r.Peer is null ? "-" : $"{Number(r.Peer)} {r.PeerName}",
                        r.Ratio is { } x ? $"{x:0.00}x" : "-",
                        r.Spread is { } s ? $"{Number(s.Low)}..{Number(s.High)}" : "-",
                        Number(r.Floor),
                        r.Wanted,
                        r.Note ?? "",
                    ]
            ),
        ];
        var widths = Enumerable.Range(0, cells[0].Length).Select(i => cells.Max(c => c[i].Length)).ToArray();
        foreach (var line in cells)
            Console.WriteLine(string.Join("  ", line.Select((c, i) => c.PadRight(widths[i]))).TrimEnd());
    }

    private string Wanted =>
        (Limit, Least) is (null, null)
            ? "-"
            : (Least is { } least ? $">= {Number(least)}x" : $"{(Lower ? "<=" : ">=")} {Number(Limit)}")
                + (Kept ? "" : " MISSED");

    public string Json()
    {
        static string Text(string? text) =>
            text is null ? "null" : $"\"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(text)}\"";
        static string Plain(double? value) =>
            value is { } v ? v.ToString("G5", CultureInfo.InvariantCulture).Replace("E+0", "E") : "null";
        return $"{{\"name\":{Text(Name)},\"ours\":{Plain(Ours)},\"unit\":{Text(Unit)},"
            + $"\"peer\":{Plain(Peer)},\"peer_name\":{Text(PeerName)},\"ratio\":{Plain(Ratio)},"
            + $"\"floor\":{Plain(Floor)},\"note\":{Text(Note)},\"lower\":{(Lower ? "true" : "false")},"
            + $"\"limit\":{Plain(Limit)},\"least\":{Plain(Least)},"
            + $"\"low\":{Plain(Spread?.Low)},\"high\":{Plain(Spread?.High)}}}";
    }

    public static Row Parse(JsonElement json)
    {
        string? Text(string name) => json.TryGetProperty(name, out var v) ? v.GetString() : null;
        double? Plain(string name) =>
            json.TryGetProperty(name, out var v) && v.ValueKind == JsonValueKind.Number ? v.GetDouble() : null;
        return new(
            Text("name") ?? "",
            Plain("ours") ?? 0,
            Text("unit") ?? "",
            Plain("peer"),
            Text("peer_name"),
            json.TryGetProperty("lower", out var lower) && lower.GetBoolean()
        )
        {
            Ratio = Plain("ratio"),
            Floor = Plain("floor"),
            Limit = Plain("limit"),
            Least = Plain("least"),
            Note = Text("note"),
            Spread = Plain("low") is { } low && Plain("high") is { } high ? (low, high) : null,
        };
    }

    public static string Number(double? value) =>
        value is not { } v
            ? "-"
            : v.ToString(
                Math.Abs(v) >= 1000 ? "#,0"
                    : v != 0 && Math.Abs(v) < 0.01 ? "0.0e0"
                    : "0.##",
                CultureInfo.InvariantCulture
            );
}
