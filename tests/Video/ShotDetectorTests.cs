using System.Text.Json;
using LongTake.Tests.Data;
using LongTake.Video;
using Xunit.Abstractions;

namespace LongTake.Tests.Video;

public class ShotDetectorTests(ITestOutputHelper output)
{
    sealed record Truth(int[] Cuts, (int Start, int End)[] Gradual, (int Start, int End)[] Ignore, int[] SameScene);

    [SkippableFact]
    public void LabelledVideos()
    {
        int hit = 0,
            missed = 0,
            extra = 0,
            gradual = 0,
            gradualMissed = 0,
            stray = 0;
        foreach (var (name, truth) in Truths())
        {
            var found = VideoScan.Read(SharedMedia.Get("multishot/" + name)).Transitions;
            if (name == "synth_gradual_a.mp4")
                Assert.Equal("Dissolve Fade Wipe Cut Fade Dissolve", string.Join(' ', found.Select(t => t.Kind)));
            var left = found.ToList();
            var lost = new List<string>();
            foreach (var cut in truth.Cuts)
            {
                var same = truth.SameScene.Contains(cut);
                var right = left.FirstOrDefault(t => t.Kind == TransitionKind.Cut && Math.Abs(t.Frame - cut) <= 2);
                if (right is not null)
                    left.Remove(right);
                else
                    lost.Add($"cut {cut}{(same ? " within a scene" : "")}");
                if (!same)
                    (hit, missed) = right is null ? (hit, missed + 1) : (hit + 1, missed);
            }
            foreach (var range in truth.Gradual)
            {
                var right = left.FirstOrDefault(t => t.Kind != TransitionKind.Cut && Inside(range, t.Middle));
                if (right is not null)
                    left.Remove(right);
                else
                    lost.Add($"{range.Start}-{range.End}");
                (gradual, gradualMissed) = right is null ? (gradual, gradualMissed + 1) : (gradual + 1, gradualMissed);
            }
            left.RemoveAll(t => truth.Ignore.Any(r => t.EndFrame >= r.Start && t.Frame <= r.End));
            extra += left.Count(t => t.Kind == TransitionKind.Cut);
            stray += left.Count(t => t.Kind != TransitionKind.Cut);
            output.WriteLine(
                $"{name}: missed [{string.Join(", ", lost)}], extra "
                    + $"[{string.Join(", ", left.Select(t => $"{t.Kind} {t.Frame}-{t.EndFrame}"))}]"
            );
        }
        var cuts = F1(hit, missed, extra);
        var all = F1(hit + gradual, missed + gradualMissed, extra + stray);
        output.WriteLine(
            $"hard cuts: right {hit}, missed {missed}, extra {extra}, F1 {cuts:f3}; gradual: right {gradual}, "
                + $"missed {gradualMissed}, extra {stray}; all F1 {all:f3}"
        );
        Assert.True(cuts >= 0.95, $"F1 of hard cuts {cuts:f3}");
        Assert.True(all >= 0.85, $"F1 of all transitions {all:f3}");
    }

    static double F1(int right, int missed, int extra) => 2.0 * right / (2 * right + missed + extra);

    static bool Inside((int Start, int End) range, int frame) => frame >= range.Start - 6 && frame <= range.End + 6;

    [SkippableFact]
    public void NothingIsFoundInSingleShots()
    {
        // Of the generated videos those whose prompt changes are left out; two of them are looked at, for the others
        // take long.
        string[] others =
        [
            SharedMedia.Get("multishot/synth_nocut_a.mp4"),
            SharedMedia.Get("generated/cloud__self-forcing.mp4"),
            .. SharedMedia.Files("generated/short5s").Take(Soak.Of(1, 100)),
        ];
        List<VideoScan> single =
        [
            .. SharedLooks.In("long").Concat(SharedLooks.In("short")).Select(l => l.Scan!),
            .. others.Select(f => VideoScan.Read(f)),
        ];
        Assert.Equal(
            SharedMedia.Files("long").Length + SharedMedia.Files("short").Length + others.Length,
            single.Count
        );
        Assert.Empty(
            single
                .Where(s => s.Transitions.Count > 0)
                .Select(s =>
                    $"{Path.GetFileName(s.Info.Path)}: "
                    + $"{string.Join(", ", s.Transitions.Select(t => $"{t.Kind} {t.Frame} ({t.Score:f2})"))}"
                )
        );
    }

    [Fact]
    public void AWindowAtATimeIsAllAtOnce()
    {
        // Five windows of the detector, transitions of every kind anywhere, also across their borders.
        var random = new Random(3);
        List<SmallFrame> video = [];
        List<(TransitionKind Kind, int Frame)> truth = [];
        var scene = Scene(random);
        while (video.Count < 5 * ShotDetector.Core)
        {
            var next = Scene(random);
            var length = random.Next(30, 90);
            for (var i = 0; i < length; i++)
                Add(video, scene);
            var kind = (TransitionKind)random.Next(4);
            truth.Add((kind, video.Count));
            var over = kind == TransitionKind.Cut ? 0 : 20;
            for (var i = 1; i <= over; i++)
                Add(
                    video,
                    kind switch
                    {
                        TransitionKind.Dissolve => Mix(scene, next, i / 21.0),
                        TransitionKind.Fade => i <= 10
                            ? Mix(scene, black, i / 10.0)
                            : Mix(black, next, (i - 10) / 10.0),
                        _ =>
                        [
                            .. scene.Select(
                                (v, at) => at % SmallFrame.FineWidth < i * SmallFrame.FineWidth / 21 ? next[at] : v
                            ),
                        ],
                    }
                );
            scene = next;
        }
        for (var i = 0; i < 60; i++)
            Add(video, scene);
        var found = Detect(video);
        var whole = ShotWindow.Transitions(video);
        Assert.Equal(whole, found);
        Assert.Equal(truth.Select(t => t.Kind), found.Select(t => t.Kind));
        foreach (var (t, f) in truth.Zip(found))
            Assert.True(
                t.Kind == TransitionKind.Cut ? f.Frame == t.Frame : f.Middle >= t.Frame && f.Middle < t.Frame + 20,
                $"{t} as {f}"
            );
    }

    [Fact]
    public void DisturbancesAreNoTransitions()
    {
        var random = new Random(5);
        var scene = Scene(random);
        List<SmallFrame> video = [];
        for (var i = 0; i < 400; i++)
            Add(
                video,
                i switch
                {
                    >= 30 and < 33 => [.. scene.Select(v => (byte)Math.Min(255, v + 120))], // flash
                    >= 60 and < 64 => black, // dropped pictures
                    // flicker
                    >= 90 and < 130 =>
                    [
                        .. scene.Select(v => (byte)Math.Clamp(v * (1 + 0.4 * Math.Sin(i * 2.3)), 0, 255)),
                    ],
                    >= 160 and < 200 => Moved(scene, random.Next(-8, 9), random.Next(-6, 7)), // shake
                    // exposure
                    >= 230 and < 270 => [.. scene.Select(v => (byte)Math.Clamp(v * (1 + (i - 230) / 60.0), 0, 255))],
                    // something passes
                    >= 300 and < 340 =>
                    [
                        .. scene.Select(
                            (v, at) => Math.Abs(at % SmallFrame.FineWidth - (i - 300) * 6 + 40) < 30 ? (byte)60 : v
                        ),
                    ],
                    _ => scene,
                }
            );
        Assert.Empty(Detect(video));
    }

    static List<Transition> Detect(List<SmallFrame> video)
    {
        var detector = new ShotDetector(25);
        return [.. video.SelectMany(detector.Add), .. detector.Finish()];
    }

    static readonly byte[] black = new byte[SmallFrame.FineWidth * SmallFrame.FineHeight];

    static byte[] Mix(byte[] a, byte[] b, double w) => [.. a.Zip(b, (x, y) => (byte)(x + (y - x) * w))];

    static byte[] Moved(byte[] a, int dx, int dy) =>
        [
            .. a.Select(
                (_, i) =>
                    a[
                        Math.Clamp(i / SmallFrame.FineWidth + dy, 0, SmallFrame.FineHeight - 1) * SmallFrame.FineWidth
                            + Math.Clamp(i % SmallFrame.FineWidth + dx, 0, SmallFrame.FineWidth - 1)
                    ]
            ),
        ];

    static void Add(List<SmallFrame> video, byte[] luma) =>
        video.Add(
            new([.. luma, .. Enumerable.Repeat((byte)128, 2 * SmallFrame.Pixels)], video.Count, video.Count / 25.0)
        );

    [Fact]
    public void ACutAFlashAndADissolveOfNoise()
    {
        var random = new Random(1);
        var (a, b, c) = (Scene(random), Scene(random), Scene(random));
        List<SmallFrame> video = [];
        void Add(byte[] luma) =>
            video.Add(
                new([.. luma, .. Enumerable.Repeat((byte)128, 2 * SmallFrame.Pixels)], video.Count, video.Count / 25.0)
            );
        for (var i = 0; i < 20; i++)
            Add(i is 10 ? [.. a.Select(_ => (byte)250)] : a);
        for (var i = 0; i < 20; i++)
            Add(b);
        for (var i = 0; i < 12; i++)
            Add([.. b.Zip(c, (x, y) => (byte)(x + (y - x) * i / 12.0))]);
        for (var i = 0; i < 20; i++)
            Add(c);
        var found = Detect(video);
        Assert.Equal([TransitionKind.Cut, TransitionKind.Dissolve], found.Select(t => t.Kind));
        Assert.Equal(20, found[0].Frame);
        Assert.InRange(found[1].Middle, 42, 50);
    }

    // Random brightness with structure of about an eighth of the picture.
    static byte[] Scene(Random random)
    {
        var coarse = Enumerable.Range(0, 9 * 6).Select(_ => random.NextDouble() * 255).ToArray();
        return
        [
            .. Enumerable
                .Range(0, SmallFrame.FineWidth * SmallFrame.FineHeight)
                .Select(i => (byte)coarse[i / SmallFrame.FineWidth / 14 * 9 + i % SmallFrame.FineWidth / 16]),
        ];
    }

    static IEnumerable<(string Name, Truth Truth)> Truths()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedMedia.Get("multishot/truth.json")));
        foreach (var clip in document.RootElement.GetProperty("clips").EnumerateObject())
        {
            int[] Frames(string name) =>
                clip.Value.TryGetProperty(name, out var list)
                    ? [.. list.EnumerateArray().Select(f => f.GetInt32())]
                    : [];
            yield return (
                clip.Name,
                new(
                    Frames("hard_cuts"),
                    [
                        .. clip
                            .Value.GetProperty("gradual")
                            .EnumerateArray()
                            .Select(g => (g.GetProperty("start").GetInt32(), g.GetProperty("end").GetInt32())),
                    ],
                    [
                        .. clip
                            .Value.GetProperty("ignore")
                            .EnumerateArray()
                            .Select(r => (r[0].GetInt32(), r[1].GetInt32())),
                    ],
                    Frames("same_scene_cuts")
                )
            );
        }
    }
}
