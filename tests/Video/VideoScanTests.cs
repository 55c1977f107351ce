using System.Diagnostics;
using LongTake.Data;
using LongTake.Tests.Data;
using LongTake.Video;

namespace LongTake.Tests.Video;

public class VideoScanTests
{
    // Good videos, all of them, are looked at in FilterTests; here are the odd ones.
    [SkippableFact]
    public void EveryCorruptFileAndOddVideoIsKeptOrNamedWithItsReason()
    {
        string[] odd =
        [
            "bottles_mpeg2_interlaced.mpg",
            "carphone_175x143_444.mp4",
            "delayed_start.mp4",
            "no_duration_vp9.webm",
            "polka.gif",
            "rotate_meta_90.mov",
            "unordered_pts.mov",
        ];
        List<string> lines = [];
        foreach (var folder in (string[])["corrupt", "short"])
        foreach (
            var look in SharedLooks
                .In(folder)
                .Where(l => folder == "corrupt" || odd.Contains(Path.GetFileName(l.Path)))
                .OrderBy(l => l.Path, StringComparer.Ordinal)
        )
        {
            // How many complaints a decoder has, and of what first, is up to its version.
            var said =
                look.Scan is not { } scan ? $"{look.Rule}: {look.Reason}"
                : scan.Complaints > 0 ? $"undamaged: damaged: {scan.Frames} of {scan.Info.Frames}"
                : "kept";
            lines.Add($"{folder}/{Path.GetFileName(look.Path)}: {said}");
            Assert.Equal(look.Scan is null, look.Reason.Length > 0);
        }
        Expectation.Same("media/verdicts.txt", string.Concat(lines.Select(l => l + "\n")));
    }

    [SkippableFact]
    public void FilesWithAnyBytesInThemEndInAVerdict()
    {
        using var place = new Frames();
        var random = new Random(11);
        string[] sources =
        [
            "corrupt/two_frames.mp4",
            "corrupt/tiny_2x2.mp4",
            "short/unordered_pts.mov",
            "short/carphone_qcif_distorted.mp4",
            "corrupt/truncated.webm",
        ];
        var kept = 0;
        var files = Soak.Of(8, 15);
        for (var n = 0; n < files; n++)
        {
            var source = SharedMedia.Get(sources[n % sources.Length]);
            var bytes = File.ReadAllBytes(source);
            for (var change = 0; change < 1 + n; change++)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (n % 4 == 3)
                bytes = bytes[..random.Next(1, bytes.Length)];
            var file = place[$"{n}{Path.GetExtension(source)}"];
            File.WriteAllBytes(file, bytes);
            var watch = Stopwatch.StartNew();
            var look = FootageScanner.Look(file, TimeSpan.FromSeconds(20), null, null, default);
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(60), $"{file}: {watch.Elapsed}");
            Assert.True(
                look.Rule.Length == 0 || look.Rule is "video" or "undamaged" && look.Reason.Length > 0,
                $"{n}: {look.Rule} {look.Reason}"
            );
            kept += look.Scan?.Complaints == 0 ? 1 : 0;
        }
        Assert.InRange(kept, 0, files - 1);
        NothingIsLeft(place.Folder);
    }

    [SkippableFact]
    public async Task CancellingEndsTheDecoder()
    {
        using var place = new Frames();
        using var source = new CancellationTokenSource();
        File.Copy(SharedMedia.Get("long/freeway_static.avi"), place["video.avi"]);
        var seen = 0;
        var work = Task.Run(() =>
            VideoScan.Read(
                place["video.avi"],
                new ScanOptions
                {
                    Seen = (_, _) =>
                    {
                        if (++seen == 20)
                            source.Cancel();
                    },
                },
                token: source.Token
            )
        );
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
        Assert.InRange(seen, 20, 21);
        NothingIsLeft(place.Folder);
    }

    [SkippableFact]
    public void TimesCountFromTheFirstFrameByTheStampsOfTheFile()
    {
        var late = VideoScan.Read(SharedMedia.Get("short/delayed_start.mp4"));
        Assert.Equal(1.075, late.Info.StartSeconds, 3);
        Assert.Equal(0, late.Shots[0].Shot.Start);
        var info = Probe.Read(SharedMedia.Get("short/driving_vfr.mp4"));
        List<double> times = [];
        VideoScan.Read(info, new() { Seen = (_, time) => times.Add(time) });
        // Of the source at 25 fps those frames are left that the truth of the shared videos names.
        Assert.Equal(
            Enumerable
                .Range(0, 221)
                .Where(n => !(n % 7 == 3 || n % 5 == 1 || n % 11 == 4))
                .Select(n => n / 25.0)
                .Take(times.Count),
            times.Select(t => Math.Round(t, 3))
        );
        Assert.Equal(137, times.Count);
    }

    // Nothing that reads the file runs any more, and no ended child waits for this process: other tests start and end
    // children all the time.
    static void NothingIsLeft(string name)
    {
        if (!Directory.Exists("/proc/self"))
            return;
        Assert.DoesNotContain(Children(), c => c.Command.Contains(name, StringComparison.Ordinal));
        var ended = Zombies();
        for (var n = 0; n < 50 && ended.Count > 0; n++)
        {
            Thread.Sleep(100);
            ended.IntersectWith(Zombies());
        }
        Assert.Empty(ended);
        HashSet<int> Zombies() => [.. Children().Where(c => c.State == "Z").Select(c => c.Id)];
    }

    static IEnumerable<(int Id, string State, string Command)> Children()
    {
        foreach (var folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var id))
                continue;
            string[] fields;
            string command;
            try
            {
                var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                command = File.ReadAllText(Path.Combine(folder, "cmdline"));
            }
            catch (IOException)
            {
                continue;
            } // it has ended meanwhile
            if (fields[1] == $"{Environment.ProcessId}")
                yield return (id, fields[0], command);
        }
    }
}
