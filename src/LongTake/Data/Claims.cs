using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace LongTake.Data;

/// <summary>
/// Who works on which item of a set, for processes and machines that share its folder and nothing else. A claim is a
/// file that only one process can create, <c>KEY.1</c>; its owner touches it every few seconds. A claim whose owner is
/// gone is not deleted but outbid: whoever creates <c>KEY.2</c>, again only one, has the item. An owner is gone when
/// its process on this machine has ended, or when its file has not been touched for a while by the watcher's own clock,
/// so clocks of machines need not agree.
/// </summary>
public sealed class Claims : IDisposable
{
    private static readonly string me = Identity();
    private readonly string folder;
    private readonly TimeSpan patience;
    private readonly Timer pulse;
    private readonly Dictionary<string, string> mine = [];
    private readonly Dictionary<string, (DateTime Touched, long Since)> watched = [];
    private readonly Lock gate = new();

    public Claims(string folder, TimeSpan? patience = null)
    {
        (this.folder, this.patience) = (folder, patience ?? TimeSpan.FromSeconds(60));
        Directory.CreateDirectory(folder);
        pulse = new Timer(_ => Touch(), null, this.patience / 6, this.patience / 6);
    }

    /// <summary>
    /// Takes an item. True: it is ours until <see cref="Release"/>; the caller looks once more whether it is done by
    /// now. False: another process is at work on it.
    /// </summary>
    public bool Take(string key)
    {
        lock (gate)
        {
            if (mine.ContainsKey(key))
                return false;
            var (generation, path) = Latest(key);
            if (path is not null && !Gone(path))
                return false;
            var next = Path.Combine(folder, $"{key}.{generation + 1}");
            try
            {
                using var file = new FileStream(next, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
                file.Write(Encoding.UTF8.GetBytes(me));
            }
            catch (IOException) when (File.Exists(next))
            {
                return false;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw AtomicFile.Failed(next, e);
            }
            mine[key] = next;
            return true;
        }
    }

    /// <summary>Gives an item back, done or not.</summary>
    public void Release(string key)
    {
        lock (gate)
        {
            if (!mine.Remove(key, out var path))
                return;
            var generation = int.Parse(Path.GetExtension(path)[1..]);
            // The newest goes last: while it is there nobody takes an older one for the latest.
            for (var n = 1; n <= generation; n++)
                Delete(Path.Combine(folder, $"{key}.{n}"));
        }
    }

    /// <summary>
    /// Keys with this beginning that other processes hold, which seem to be alive; what the dead left is cleared
    /// away.
    /// </summary>
    public IReadOnlyList<string> Living(string beginning)
    {
        lock (gate)
        {
            List<string> living = [];
            foreach (var path in Directory.EnumerateFiles(folder, beginning + "*"))
                if (mine.ContainsValue(path))
                    continue;
                else if (Gone(path))
                    Delete(path);
                else
                    living.Add(Path.GetFileNameWithoutExtension(path));
            return living;
        }
    }

    /// <summary>Gives everything back.</summary>
    public void Dispose()
    {
        pulse.Dispose();
        string[] keys;
        lock (gate)
            keys = [.. mine.Keys];
        foreach (var key in keys)
            Release(key);
    }

    private (int Generation, string? Path) Latest(string key)
    {
        var (best, path) = (0, (string?)null);
        foreach (var file in Directory.EnumerateFiles(folder, key + ".*"))
            if (int.TryParse(Path.GetExtension(file).AsSpan(1), out var n) && n > best)
                (best, path) = (n, file);
        return (best, path);
    }

    private bool Gone(string path)
    {
        string owner;
        DateTime touched;
        try
        {
            (owner, touched) = (File.ReadAllText(path), File.GetLastWriteTimeUtc(path));
        }
        // released just now, or hidden: look again later
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        if (owner.Split('\t') is [var place, var pid, var start] && me.Split('\t')[0] == place)
            return !Lives(pid, start);
        var now = Stopwatch.GetTimestamp();
        if (!watched.TryGetValue(path, out var seen) || seen.Touched != touched)
        {
            watched[path] = (touched, now);
            return false;
        }
        return Stopwatch.GetElapsedTime(seen.Since, now) > patience;
    }

    private static bool Lives(string pid, string start)
    {
        try
        {
            using var process = Process.GetProcessById(int.Parse(pid));
            return process.StartTime.ToUniversalTime().Ticks / TimeSpan.TicksPerSecond is var s
                && Math.Abs(s - long.Parse(start)) <= 2;
        }
        catch (Exception e)
            when (e
                    is ArgumentException
                        or InvalidOperationException
                        or FormatException
                        or System.ComponentModel.Win32Exception
            )
        {
            return false;
        }
    }

    private void Touch()
    {
        lock (gate)
            foreach (var path in mine.Values)
                try
                {
                    File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
                }
                // the disk is away for a moment; the next pulse tries again
                catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }

    // Machine, start of the machine and process namespace: two containers may share a name and have the same numbers.
    private static string Identity()
    {
        using var self = Process.GetCurrentProcess();
        var boot = "";
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
            try
            {
                boot =
                    File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim()
                    + " "
                    + File.ResolveLinkTarget("/proc/self/ns/pid", false)?.Name;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
        return $"{Environment.MachineName} "
            + $"{boot}\t{Environment.ProcessId}\t{self.StartTime.ToUniversalTime().Ticks / TimeSpan.TicksPerSecond}";
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }
}
