using System.Collections.Concurrent;
using System.Diagnostics;

namespace LongTake.Tests.Cli;

/// <summary>The program in a folder of its own.</summary>
internal sealed class CommandLine : IDisposable
{
    public sealed record Result(int Code, string Out, string Error);

    public string Folder { get; } = Directory.CreateTempSubdirectory("longtake-cli-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    public Dictionary<string, string> Variables { get; } = [];

    private static readonly ConcurrentBag<WarmProgram> warm = [];

    /// <summary>
    /// Runs in a process that has run other command lines before; under <c>./dev soak</c>, or with variables, in a new
    /// one.
    /// </summary>
    public Result Run(params string[] arguments)
    {
        if (Soak.Full || Variables.Count > 0)
            return RunAnew(arguments);
        if (!warm.TryTake(out var program))
            program = new();
        var result = program.Run(Folder, arguments);
        if (program.Lives)
            warm.Add(program);
        return result;
    }

    /// <summary>Runs in a process of its own.</summary>
    public Result RunAnew(params string[] arguments)
    {
        using var child = Start(arguments);
        var error = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        if (!child.WaitForExit(120_000))
            child.Kill(entireProcessTree: true);
        child.WaitForExit();
        return new(child.ExitCode, output, error.Result);
    }

    public Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "LongTake.Cli.dll"), .. arguments]
        )
        {
            WorkingDirectory = Folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        start.Environment["DOTNET_NOLOGO"] = "1";
        foreach (var (name, value) in Variables)
            start.Environment[name] = value;
        var child = Process.Start(start)!;
        child.StandardInput.Close();
        return child;
    }

    /// <summary>A run as text: the command, what it said, how it ended.</summary>
    public string Transcript(params string[] arguments)
    {
        var ran = Run(arguments);
        Assert.DoesNotContain("   at ", ran.Out + ran.Error, StringComparison.Ordinal); // a stack trace
        return $"$ longtake {string.Join(' ', arguments)}\n{ran.Out}{ran.Error}exit {ran.Code}\n".Replace(
            Folder,
            "HERE"
        );
    }

    public string Put(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return name;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
