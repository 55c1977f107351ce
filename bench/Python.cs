using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace LongTake.Bench;

/// <summary>
/// A work done in PyTorch from Python, where one of version 2 is installed: a program of bench/peers that waits for
/// the name of a function, runs it once and answers with its seconds, so that peers take turns with us. Arguments go to
/// the program.
/// </summary>
internal sealed class Python : IDisposable
{
    private readonly Process child;

    private Python(Process child) => this.child = child;

    /// <summary>The interpreter whose PyTorch 2 is the peer, found once; null where none here has one.</summary>
    public static string? Interpreter { get; } =
        new[] { "python3", "/usr/bin/python3" }.FirstOrDefault(python =>
        {
            try
            {
                string[] words = ["-c", "import torch; assert torch.__version__ >= '2'"];
                using var test = Process.Start(
                    new ProcessStartInfo(python, words) { RedirectStandardError = true, RedirectStandardOutput = true }
                )!;
                test.WaitForExit();
                return test.ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        });

    /// <summary>What the peer is called.</summary>
    public const string Name = "PyTorch from Python";

    /// <summary>Why there is no peer.</summary>
    public const string Absent = "no peer in Python: no python3 here can import a PyTorch of version 2";

    /// <summary>Starts bench/peers/<paramref name="program"/>; null where Python has no torch.</summary>
    public static Python? Start(string program, params IEnumerable<object> arguments)
    {
        if (Interpreter is null)
            return null;
        string[] words =
        [
            Path.Combine(Here(), "peers", program),
            .. arguments.Select(a => Convert.ToString(a, CultureInfo.InvariantCulture)!),
        ];
        var start = new ProcessStartInfo(Interpreter, words)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["LONGTAKE_BENCH_THREADS"] = Libtorch.Threads.ToString(CultureInfo.InvariantCulture);
        start.Environment["LONGTAKE_BENCH_CLOCK"] = Turns.Processor ? "processor" : "wall";
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        return new(Process.Start(start)!);
    }

    /// <summary>One run of a function of the program, in seconds (or the number it gives).</summary>
    public double Ask(string function)
    {
        child.StandardInput.WriteLine(function);
        child.StandardInput.Flush();
        return child.StandardOutput.ReadLine() is { } answer
            ? double.Parse(answer, CultureInfo.InvariantCulture)
            : throw new UserException($"bench: the peer ended instead of running '{function}'; its error is above");
    }

    /// <summary>A work in Python, to be timed in turns.</summary>
    public Func<double> Of(string function) => () => Ask(function);

    public void Dispose()
    {
        child.StandardInput.Close();
        if (!child.WaitForExit(10_000))
            child.Kill();
        child.Dispose();
    }

    private static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
