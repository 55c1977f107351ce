using System.Diagnostics;
using System.Text.Json.Nodes;
using LongTake.Generation;
using LongTake.Models.Text;

namespace LongTake.Cli;

/// <summary>
/// Measures the memory of one work of a plan in a process of its own: this program, started anew, runs it and prints
/// what it took as JSON. In this process earlier work has left memory behind, and its peak could not be told from that
/// of the work.
/// </summary>
internal static class PeakChild
{
    /// <summary>Of the hidden option's value: the number of a work among those of the plan.</summary>
    public static IReadOnlyList<Measured> Run(string path, string[] sets, ScalarType dtype, int work)
    {
        var host = Environment.ProcessPath!;
        string[] program =
            Path.GetFileNameWithoutExtension(host) == "dotnet" ? [typeof(PeakChild).Assembly.Location] : [];
        var start = new ProcessStartInfo(
            host,
            [
                .. program,
                "plan",
                path,
                .. sets.SelectMany(s => (string[])["--set", s]),
                "--dtype",
                dtype == ScalarType.Float32 ? "fp32" : "bf16",
                "--trial",
                $"{work}",
            ]
        )
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in PeakTrial.Variables)
            start.Environment[name] = value;
        using var child = Process.Start(start)!;
        child.StandardInput.Close();
        var errors = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        if (child.ExitCode != 0)
            throw new UserException(
                $"--measure-peak: the trial ended with code {child.ExitCode}: {Said(errors.Result)}"
            );
        return
        [
            .. JsonNode
                .Parse(output)!
                .AsArray()
                .Select(m => new Measured(
                    (string)m!["name"]!,
                    (double)m["plannedBytes"]!,
                    (double)m["residentBytes"]!
                )),
        ];
    }

    /// <summary>What a trial prints.</summary>
    public static string Text(IReadOnlyList<Measured> measured) =>
        new JsonArray([.. measured.Select(Describe)]).ToJsonString();

    /// <summary>A measurement as JSON.</summary>
    public static JsonObject Describe(Measured m) =>
        new()
        {
            ["name"] = m.Name,
            ["plannedBytes"] = m.Planned,
            ["residentBytes"] = m.Resident,
            ["error"] = m.Error,
            ["agrees"] = m.Agrees,
        };

    private static string Said(string errors)
    {
        var last = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "nothing was said";
        return last.StartsWith("longtake: ", StringComparison.Ordinal) ? last[10..] : last;
    }
}
