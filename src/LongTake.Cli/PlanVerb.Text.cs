using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tensors;
using LongTake.Training;

namespace LongTake.Cli;

// How a plan is written: as JSON, and as lines with units.
internal static partial class PlanVerb
{
    private static JsonObject Describe(Plan p, double? rate, double? memory, IReadOnlyList<Alternative>? remedies) =>
        new()
        {
            ["name"] = p.Name,
            ["about"] = p.About,
            ["parameters"] = Members(p.Parameters),
            ["forwardFlops"] = Members(p.Forward),
            ["phases"] = new JsonArray([
                .. p.Phases.Select(f => new JsonObject
                {
                    ["name"] = f.Name,
                    ["bytes"] = f.Bytes,
                    ["memory"] = Members(f.Memory),
                    ["flops"] = f.Flops,
                }),
            ]),
            ["peakBytes"] = p.Fullest.Bytes,
            ["flops"] = p.Flops,
            ["seconds"] = rate is { } r ? p.Flops / (r * Tera) : null,
            ["diskBytes"] = Members(p.Disk),
            ["fits"] = memory is { } room ? p.Fullest.Bytes <= room * Gib : null,
            ["wouldFit"] = remedies is null
                ? null
                : new JsonArray([
                    .. remedies.Select(a => new JsonObject
                    {
                        ["setting"] = a.Setting,
                        ["peakBytes"] = a.Plan.Fullest.Bytes,
                    }),
                ]),
        };

    private static JsonObject Members(IEnumerable<Amount> amounts) =>
        new(amounts.Select(a => KeyValuePair.Create(a.Name, (JsonNode?)JsonValue.Create(a.Value))));

    private static IEnumerable<string> Lines(
        Plan p,
        double? rate,
        bool measured,
        double? memory,
        IReadOnlyList<Alternative>? remedies
    )
    {
        yield return $"{p.Name}: {p.About}";
        yield return $"  parameters   {string.Join(", ", p.Parameters.Select(a => $"{a.Name} {Number(a.Value)}"))}";
        yield return $"  one forward  {Flop(p.Forward.Sum(a => a.Value))}: "
            + $"{string.Join(", ", p.Forward.Select(a => $"{a.Name} {Flop(a.Value)}"))}";
        foreach (var f in p.Phases)
            yield return $"  {(f == p.Phases[0] ? "memory" : ""), -12} {f.Name} {Bytes(f.Bytes)}: "
                + $"{string.Join(", ", f.Memory.Where(m => m.Value > 0).Select(m => $"{m.Name} {Bytes(m.Value)}"))}";
        foreach (var f in p.Phases.Where(f => f.Flops > 0))
            yield return $"  "
                + $"{(f == p.Phases.First(x => x.Flops > 0) ? p.Times > 1 ? "work a step" : "work" : ""), -12} "
                + $"{f.Name} {Flop(f.Flops)}{(rate is { } r ? $", {Time(f.Flops / (r * Tera))}" : "")}";
        if (rate is { } tera)
            yield return $"  time         "
                + $"{Time(p.Flops / (tera * Tera))}{(p.Times > 1 ? $" for {p.Times:#,0} steps" : "")} at "
                + $"{tera.ToString("0.###", CultureInfo.InvariantCulture)} TFLOP/s"
                + (measured ? ", the rate of matrix products here; attention reaches some 80 % of it" : "");
        yield return $"  disk         {string.Join(", ", p.Disk.Select(a => $"{a.Name} {Bytes(a.Value)}"))}";
        if (memory is not { } room)
            yield break;
        yield return p.Fullest.Bytes <= room * Gib
            ? $"  fits         {Bytes(p.Fullest.Bytes)} of {room:0.#} GiB, in {p.Fullest.Name}"
            : $"  does not fit {p.Fullest.Name} needs {Bytes(p.Fullest.Bytes)}, there are {room:0.#} GiB. "
                + (
                    remedies is { Count: > 0 }
                        ? $"It would with "
                            + string.Join("; or ", remedies.Select(a => $"{a.Setting} ({Bytes(a.Plan.Fullest.Bytes)})"))
                        : "No setting tried here makes it fit; take a larger device or a smaller model."
                );
    }

    private static IEnumerable<string> Lines(IReadOnlyList<Measured> measured)
    {
        yield return "measured with random weights on one thread of this CPU, each in a process of its own: "
            + "planned, memory the process took at its most, error of the plan";
        foreach (var m in measured)
            yield return $"  {m.Name, -14} {Bytes(m.Planned), 10} {Bytes(m.Resident), 10} "
                + $"{m.Error.ToString("+0.0 %;-0.0 %", CultureInfo.InvariantCulture), 8}"
                + (m.Agrees ? "" : "  beyond the tolerance");
        yield return $"  plan and measurement agree within {Measured.Tolerance}, which are the allocator's and "
            + $"the runtime's";
    }

    private static string Scaled(double x, double step, params ReadOnlySpan<string> units)
    {
        var at = 0;
        while (Math.Abs(x) >= step && at + 1 < units.Length)
            (x, at) = (x / step, at + 1);
        return x.ToString(
                Math.Abs(x) >= 100 ? "0"
                    : Math.Abs(x) >= 10 ? "0.0"
                    : "0.00",
                CultureInfo.InvariantCulture
            ) + units[at];
    }

    private static string Number(double x) => Scaled(x, 1000, "", " k", " M", " G");

    private static string Bytes(double x) => Scaled(x, 1024, " B", " KiB", " MiB", " GiB", " TiB", " PiB");

    private static string Flop(double x) =>
        Scaled(x, 1000, " FLOP", " kFLOP", " MFLOP", " GFLOP", " TFLOP", " PFLOP", " EFLOP", " ZFLOP");

    private static string Time(double s) =>
        s < 90 ? $"{s.ToString("0.##", CultureInfo.InvariantCulture)} s"
        : s < 5400 ? $"{s / 60:0.#} min"
        : s < 172_800 ? $"{s / 3600:0.#} h"
        : $"{s / 86_400:#,0.#} days";
}
