using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LongTake.Cli;

/// <summary>Exit codes: 0 done, 1 the work failed, 2 wrong arguments or recipe, 130 interrupted (state saved).</summary>
public static class Run
{
    public const int Done = 0, Failed = 1, Usage = 2, Interrupted = 130;

    /// <summary>Parses and runs; a person's mistake becomes one line, never a stack trace.</summary>
    public static int Guarded(Func<ParseResult> parse)
    {
        var parsed = parse();
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) Console.Error.WriteLine($"longtake: {error.Message}");
            Console.Error.WriteLine($"Try 'longtake {string.Join(' ', parsed.CommandResult.Command.Name == "longtake" ? [] : new[] { parsed.CommandResult.Command.Name })} --help'.".Replace("  ", " "));
            return Usage;
        }
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (UserException e)
        {
            Console.Error.WriteLine($"longtake: {e.Message}");
            return e.Usage ? Usage : Failed;
        }
        catch (OperationCanceledException e)
        {
            Console.Error.WriteLine($"longtake: {e.Message}");
            return Interrupted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or TorchException)
        {
            Console.Error.WriteLine($"longtake: {e.Message}");
            return Failed;
        }
    }

    /// <summary>A token that Ctrl-C (or a polite kill) cancels; a second one ends the process at once.</summary>
    public static CancellationToken OnCtrlC()
    {
        var source = new CancellationTokenSource();
        void Cancel(System.Runtime.InteropServices.PosixSignalContext context)
        {
            if (source.IsCancellationRequested) return;
            context.Cancel = true;
            Console.Error.WriteLine("longtake: stopping at the next safe point; press again to stop at once");
            source.Cancel();
        }
        signals.Add(System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, Cancel));
        signals.Add(System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, Cancel));
        return source.Token;
    }

    private static readonly List<IDisposable> signals = [];

    /// <summary>Prints a result: one JSON object with --json, else lines of text.</summary>
    public static void Print(bool json, JsonObject result, IEnumerable<string> lines)
    {
        if (json) Console.WriteLine(result.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        else foreach (var line in lines) Console.WriteLine(line);
    }
}
