using System.CommandLine;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>
/// Exit codes: 0 done, 1 the work failed, 2 wrong arguments or recipe, 130 interrupted (state saved).
/// </summary>
public static class Run
{
    public const int Done = 0,
        Failed = 1,
        Usage = 2,
        Interrupted = 130;

    /// <summary>Parses and runs; a person's mistake becomes one line, never a stack trace.</summary>
    public static int Guarded(Func<ParseResult> parse)
    {
        Console.SetError(new ErrorStream(Console.Error));
        var parsed = parse();
        running = string.Join(' ', Name(parsed.CommandResult).Split(' ').Skip(1));
        if (Mistakes(parsed) is { Count: > 0 } mistakes)
            return Fail(string.Join("\nlongtake: ", mistakes), Usage, $"\nTry '{Name(parsed.CommandResult)} --help'.");
        try
        {
            // Help and version are there at once: they need no libtorch.
            if (parsed.Action == parsed.CommandResult.Command.Action)
                Engine.Start();
            return parsed.Invoke(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }
            );
        }
        catch (Exception e) when (Mistake(e) is { } mistake)
        {
            var command = parsed.CommandResult.Command;
            return Fail(
                mistake is RequestException r ? RequestOptions.Say(r, command) : mistake.Message,
                mistake.Usage ? Usage : Failed
            );
        }
        catch (OperationCanceledException e)
        {
            return Fail(e.Message, Interrupted);
        }
        catch (Exception e)
            when (e
                    is IOException
                        or UnauthorizedAccessException
                        or TorchException
                        or ExternalException
                        or OutOfMemoryException
            )
        {
            return Fail(Reason(e), Failed);
        }

        // With --json the error is an object on the standard output, too.
        int Fail(string error, int code, string hint = "")
        {
            Console.Error.WriteLine($"longtake: {error}{hint}");
            if (parsed.Tokens.Any(t => t is { Type: TokenType.Option, Value: "--json" }))
                PrintJson(new() { ["error"] = error, ["exitCode"] = code });
            return code;
        }
    }

    // A wrong environment variable is found when a class is first used, and comes wrapped.
    private static UserException? Mistake(Exception? e) =>
        e is TypeInitializationException ? Mistake(e.InnerException) : e as UserException;

    // libtorch's own errors go on with a list of its frames.
    private static string Reason(Exception e)
    {
        var text =
            e is ExternalException
                ? e.Message.Split("\nException raised from")[0].ReplaceLineEndings(" ").Trim()
                : e.Message;
        const string less = "give a smaller size, fewer frames or a smaller batch";
        if (e is OutOfMemoryException || text.Contains("DefaultCPUAllocator", StringComparison.Ordinal))
            return $"memory is full ({text}): {less}";
        return text.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
            ? $"the device's memory is full ({text}): {less}, or --device cpu"
            : text;
    }

    // The parser takes a misspelt option for a file's name; what was meant comes first.
    private static List<string> Mistakes(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        List<Option> options = [.. command.Options];
        for (var at = parsed.CommandResult.Parent; at is CommandResult above; at = above.Parent)
            options.AddRange(above.Command.Options.Where(o => o.Recursive));
        List<string> names = [.. options.SelectMany(o => o.Aliases.Prepend(o.Name))];
        var wrong = new List<string>();
        for (var i = 0; i < parsed.Tokens.Count; i++)
        {
            var given = parsed.Tokens[i].Value.Split('=')[0];
            if (parsed.Tokens[i].Type == TokenType.DoubleDash)
                break;
            if (
                parsed.Tokens[i].Type != TokenType.Argument
                || !given.StartsWith("--", StringComparison.Ordinal)
                || names.Contains(given)
            )
                continue;
            var before =
                i == 0
                    ? null
                    : options.FirstOrDefault(o =>
                        o.Name == parsed.Tokens[i - 1].Value || o.Aliases.Contains(parsed.Tokens[i - 1].Value)
                    );
            if (before is { } o && o.ValueType != typeof(bool))
                continue; // its value
            wrong.Add($"unknown option '{given}'; {Instead(given, names)}");
        }
        if (wrong.Count > 0)
            return wrong;
        if (command.Subcommands.Count > 0 && parsed.UnmatchedTokens is [var verb, ..])
            return [$"unknown verb '{verb}'; {Instead(verb, [.. command.Subcommands.Select(c => c.Name)])}"];
        if (command.Subcommands.Count > 0 && parsed.Errors.Count > 0)
            return [$"a verb is missing; it is one of {string.Join(", ", command.Subcommands.Select(c => c.Name))}"];
        if (parsed.UnmatchedTokens.Count > 0 && command.Arguments.Any(a => a.Name == "prompt"))
            return [$"'{parsed.UnmatchedTokens[0]}': the prompt is one text; put it in quotes"];
        return [.. parsed.Errors.Select(e => e.Message)];
    }

    private static string Instead(string given, IReadOnlyList<string> names) =>
        Suggest.Nearest(given, names) is { } near ? $"did you mean '{near}'?" : $"known are {string.Join(", ", names)}";

    private static string Name(CommandResult command) =>
        command.Parent is CommandResult above ? $"{Name(above)} {command.Command.Name}" : command.Command.Name;

    /// <summary>
    /// All cores for an operator unless OMP_NUM_THREADS says otherwise; libtorch 1.13 would take one.
    /// </summary>
    public static void UseAllCores()
    {
        if (Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is null or "")
            Libtorch.Threads = Environment.ProcessorCount;
    }

    /// <summary>
    /// A token that Ctrl-C, a polite kill or a closed terminal cancels; a second one ends the process at once.
    /// </summary>
    public static CancellationToken OnCtrlC()
    {
        var source = new CancellationTokenSource();
        void Cancel(PosixSignalContext context)
        {
            if (source.IsCancellationRequested)
                return;
            context.Cancel = true;
            source.Cancel();
            Console.Error.WriteLine("longtake: stopping at the next safe point; press again to stop at once");
        }
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
            signals.Add(PosixSignalRegistration.Create(signal, Cancel));
        return source.Token;
    }

    private static readonly List<IDisposable> signals = [];

    /// <summary>
    /// Prints a result: with --json one object, "verb" its first member (docs/json.md), else lines of text.
    /// </summary>
    public static void Print(bool json, JsonObject result, IEnumerable<string> lines)
    {
        if (json)
            PrintJson(result);
        else
            foreach (var line in lines)
                Console.WriteLine(line);
    }

    /// <summary>Prints what --dry-run shows: a JSON text to read, and with --json that under a name.</summary>
    public static void PrintDry(bool json, string name, JsonNode? what)
    {
        if (json)
            PrintJson(new() { [name] = what });
        else
            Console.WriteLine(what!.ToJsonString(indented));
    }

    private static readonly JsonSerializerOptions indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    // The verb that runs, for its JSON.
    private static string running = "";

    private static void PrintJson(JsonObject result)
    {
        result.Insert(0, "verb", running);
        Console.WriteLine(result.ToJsonString(indented));
    }
}
