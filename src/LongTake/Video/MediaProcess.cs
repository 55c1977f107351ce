using System.Diagnostics;

namespace LongTake.Video;

/// <summary>
/// A running ffmpeg or ffprobe: no shell, its last error lines kept, killed with its children on cancellation, on <see
/// cref="Dispose"/>, and when one guarded step takes longer than the limit. Killing closes the pipes, so a blocked read
/// or write always comes back.
/// </summary>
sealed class MediaProcess : IDisposable
{
    /// <summary>Most memory a program may take, in bytes; it is looked at four times a second.</summary>
    public const long MemoryLimit = 4L << 30;

    const int TailLines = 12;
    readonly Process process;
    readonly int id;
    readonly Timer watch,
        scale;
    readonly TimeSpan limit;
    readonly CancellationToken token;
    readonly CancellationTokenRegistration cancelled;
    readonly Thread errors;
    readonly Func<string, bool>? heard;
    readonly Queue<string> tail = new();

    /// <param name="program">ffmpeg or ffprobe.</param>
    /// <param name="arguments">One argument each; no shell reads them.</param>
    /// <param name="limit">Longest time for one guarded step.</param>
    /// <param name="input">True when something will be written to its standard input.</param>
    /// <param name="heard">Gets each line of standard error, on another thread; true when it was no error.</param>
    /// <param name="token">Kills it.</param>
    public MediaProcess(
        string program,
        IEnumerable<string> arguments,
        TimeSpan limit,
        bool input = false,
        Func<string, bool>? heard = null,
        CancellationToken token = default
    )
    {
        token.ThrowIfCancellationRequested();
        (this.limit, this.heard, this.token) = (limit, heard, token);
        var start = new ProcessStartInfo(Ffmpeg.Locate(program), arguments)
        {
            UseShellExecute = false,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        try
        {
            process = Process.Start(start)!;
            id = process.Id;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserException($"{start.FileName}: cannot be started: {e.Message}", inner: e);
        }
        if (!input)
            process.StandardInput.Close();
        errors = new Thread(ReadErrors) { IsBackground = true, Name = "ffmpeg errors" };
        errors.Start();
        watch = new Timer(_ =>
        {
            TimedOut = true;
            Kill();
        });
        scale = new Timer(_ => Weigh(), null, TimeSpan.FromSeconds(0.25), TimeSpan.FromSeconds(0.25));
        cancelled = token.Register(Kill);
    }

    public Stream In => process.StandardInput.BaseStream;
    public Stream Out => process.StandardOutput.BaseStream;

    /// <summary>True when a step ran past the limit and the program was killed for it.</summary>
    public bool TimedOut { get; private set; }

    /// <summary>True when it took more than <see cref="MemoryLimit"/> and was killed for it.</summary>
    public bool TooLarge { get; private set; }

    /// <summary>Error lines seen so far; all of them once <see cref="Wait"/> has returned.</summary>
    public int ErrorLines { get; private set; }

    /// <summary>The last error line that says something, or "".</summary>
    public string LastError
    {
        get
        {
            lock (tail)
                return tail.LastOrDefault(line => !Repeats(line)) ?? "";
        }
    }

    /// <summary>The first of the kept error lines: usually the cause of those after it. Or "".</summary>
    public string FirstError
    {
        get
        {
            lock (tail)
                return tail.FirstOrDefault(line => !Repeats(line)) ?? "";
        }
    }

    /// <summary>The last error line with one of the words in it, or null.</summary>
    public string? ErrorWith(string words)
    {
        lock (tail)
            return tail.LastOrDefault(line => line.Contains(words, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Fills the buffer from standard output as far as it goes; bytes read.</summary>
    public int Read(Span<byte> buffer)
    {
        Arm();
        var read = Out.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        Disarm();
        token.ThrowIfCancellationRequested();
        return read;
    }

    /// <summary>Writes to standard input; IOException when the program is gone.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        Arm();
        try
        {
            In.Write(bytes);
        }
        finally
        {
            Disarm();
            token.ThrowIfCancellationRequested();
        }
    }

    /// <summary>All of standard output as text. Killed at the limit, then what had come so far.</summary>
    public string Text()
    {
        Arm();
        var text = process.StandardOutput.ReadToEnd();
        Wait();
        return text;
    }

    /// <summary>
    /// Closes the input, waits for the end within the limit, returns the exit code (137 or so when killed).
    /// </summary>
    public int Wait()
    {
        Arm();
        // it left before reading all: the exit code tells
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException) { }
        process.WaitForExit();
        errors.Join(TimeSpan.FromSeconds(5));
        Disarm();
        token.ThrowIfCancellationRequested();
        return process.ExitCode;
    }

    public void Kill()
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException) { } // it has ended by itself
    }

    public void Dispose()
    {
        cancelled.Dispose();
        watch.Dispose();
        scale.Dispose();
        if (!process.HasExited)
        {
            Kill();
            process.WaitForExit(5000);
        }
        errors.Join(TimeSpan.FromSeconds(5));
        try
        {
            process.Dispose();
        }
        catch (IOException) { } // buffered input of a program that is gone
    }

    void Weigh()
    {
        try
        {
            // Its own view of the program: to refresh the one others read makes that forget, for a moment, that the
            // program has ended.
            using var seen = Process.GetProcessById(id);
            if (seen.WorkingSet64 <= MemoryLimit)
                return;
            TooLarge = true;
            Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException) { } // it has ended
    }

    void Arm() => watch.Change(limit, Timeout.InfiniteTimeSpan);

    void Disarm() => watch.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    static bool Repeats(string line) => line.Contains("message repeated", StringComparison.Ordinal);

    void ReadErrors()
    {
        while (process.StandardError.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line) || heard?.Invoke(line) == true)
                continue;
            lock (tail)
            {
                ErrorLines++;
                if (tail.Count == TailLines)
                    tail.Dequeue();
                tail.Enqueue(line.Length > 400 ? line[..400] : line.Trim());
            }
        }
    }
}
