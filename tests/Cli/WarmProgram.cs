using System.Diagnostics;
using System.Text.Json;
using LongTake.Cli;

namespace LongTake.Tests.Cli;

/// <summary>
/// The program in a child process that takes one command line after the other: to start it anew, which loads libtorch
/// and compiles, takes a hundred times as long as most command lines do.
/// </summary>
internal sealed class WarmProgram
{
    private sealed record Request(string Folder, string[] Arguments);

    private readonly Process child;
    private readonly Task<string> native;

    public WarmProgram()
    {
        var here = AppContext.BaseDirectory;
        child = Process.Start(
            new ProcessStartInfo(
                Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
                [
                    "exec",
                    "--runtimeconfig",
                    Path.Combine(here, "LongTake.Cli.runtimeconfig.json"),
                    "--depsfile",
                    Path.Combine(here, "LongTake.Tests.deps.json"),
                    Path.Combine(here, "LongTake.Tests.dll"),
                ]
            )
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        native = child.StandardError.ReadToEndAsync();
    }

    /// <summary>False once the process has died of a command line.</summary>
    public bool Lives { get; private set; } = true;

    public CommandLine.Result Run(string folder, string[] arguments)
    {
        child.StandardInput.WriteLine(JsonSerializer.Serialize(new Request(folder, arguments)));
        child.StandardInput.Flush();
        var answer = child.StandardOutput.ReadLineAsync();
        if (answer.Wait(TimeSpan.FromMinutes(10)) && answer.Result is { } line)
            return JsonSerializer.Deserialize<CommandLine.Result>(line)!;
        Lives = false;
        child.Kill(entireProcessTree: true);
        child.WaitForExit();
        return new(child.ExitCode, "", native.Result);
    }

    /// <summary>The child's side, which ends with its standard input.</summary>
    private static void Main()
    {
        var answers = Console.Out;
        var requests = Console.In;
        Console.SetIn(TextReader.Null);
        while (requests.ReadLine() is { } line)
        {
            var request = JsonSerializer.Deserialize<Request>(line)!;
            var (output, error) = (new StringWriter(), new StringWriter());
            Console.SetOut(output);
            Console.SetError(error);
            Directory.SetCurrentDirectory(request.Folder);
            var code = 134; // of a process that ends with an exception
            try
            {
                code = LongTake.Cli.Run.Guarded(() => Verbs.Parse(request.Arguments));
            }
            catch (Exception e)
            {
                error.Write($"Unhandled exception. {e}");
            }
            Directory.SetCurrentDirectory(AppContext.BaseDirectory);
            answers.WriteLine(
                JsonSerializer.Serialize(new CommandLine.Result(code, output.ToString(), error.ToString()))
            );
            answers.Flush();
        }
    }
}
