using System.Text.Json;
using LongTake.Media;
using Xunit.Abstractions;

namespace LongTake.Tests.Media;

public class ShotDetectorTests(ITestOutputHelper output)
{
    sealed record Truth(int[] Cuts, (int Start, int End)[] Gradual, (int Start, int End)[] Ignore, int[] SameScene);

    [SkippableFact]
    public void HardCutsOfLabelledFilms()
    {
        int right = 0, wrong = 0, missed = 0, gradual = 0, gradualFound = 0;
        foreach (var (name, truth) in Truths())
        {
            var found = VideoScan.Read(SharedMedia.Get("multishot/" + name)).Transitions;
            var cuts = found.Where(t => t.Kind == TransitionKind.Cut).Select(t => t.Frame).ToList();
            bool Inside((int Start, int End) r, int f) => f >= r.Start - 6 && f <= r.End + 6;
            var hit = truth.Cuts.Where(c => cuts.Any(f => Math.Abs(f - c) <= 1)).ToArray();
            var lost = truth.Cuts.Except(hit).Except(truth.SameScene).ToArray();
            var extra = cuts.Where(f => !truth.Cuts.Any(c => Math.Abs(f - c) <= 1)
                && !truth.Gradual.Concat(truth.Ignore).Any(r => Inside(r, f))).ToArray();
            var seen = truth.Gradual.Where(r => found.Any(t => Inside(r, t.Middle) && !truth.Cuts.Contains(t.Frame))).ToArray();
            var stray = found.Where(t => t.Kind != TransitionKind.Cut && !truth.Gradual.Concat(truth.Ignore).Any(r => Inside(r, t.Middle)));
            (right, wrong, missed) = (right + hit.Length, wrong + extra.Length, missed + lost.Length);
            (gradual, gradualFound) = (gradual + truth.Gradual.Length, gradualFound + seen.Length);
            output.WriteLine($"{name}: cuts {hit.Length}/{truth.Cuts.Length}, missed [{string.Join(' ', lost)}], extra [{string.Join(' ', extra)}], " +
                $"gradual {seen.Length}/{truth.Gradual.Length}, missed [{string.Join(' ', truth.Gradual.Except(seen))}], " +
                $"stray [{string.Join(' ', stray.Select(t => $"{t.Kind} {t.Frame}"))}]");
        }
        var f1 = 2.0 * right / (2 * right + wrong + missed);
        output.WriteLine($"hard cuts: right {right}, wrong {wrong}, missed {missed}, F1 {f1:f3}; gradual {gradualFound} of {gradual}");
        Assert.True(f1 >= 0.9, $"F1 {f1:f3}");
        Assert.True(gradualFound >= 0.7 * gradual, $"{gradualFound} of {gradual} gradual transitions");
    }

    [SkippableFact]
    public void NothingIsFoundInSingleShots()
    {
        // The counter is left out: its plain background changes colour at frames 10 and 20, which are cuts to the eye as well.
        string[] single = [.. SharedMedia.Files("long"), .. SharedMedia.Files("short"), SharedMedia.Get("multishot/synth_nocut_a.mp4"),
            .. SharedMedia.Files("generated").Where(f => !f.Contains("lady__") && !f.Contains("ballet__")), .. SharedMedia.Files("generated/short5s")];
        single = [.. single.Where(f => !f.EndsWith("counter_30frames.mp4", StringComparison.Ordinal))];
        List<string> wrong = [];
        foreach (var file in single)
            if (VideoScan.Read(file).Transitions is { Count: > 0 } found)
                wrong.Add($"{Path.GetFileName(file)}: {string.Join(", ", found.Select(t => $"{t.Kind} {t.Frame} ({t.Score:f2})"))}");
        foreach (var line in wrong) output.WriteLine(line);
        output.WriteLine($"{wrong.Count} of {single.Length} single shots with a transition");
        Assert.Empty(wrong);
    }

    [Fact]
    public void ACutAFlashAndADissolveOfNoise()
    {
        var random = new Random(1);
        var (a, b, c) = (Scene(random), Scene(random), Scene(random));
        List<SmallFrame> film = [];
        void Add(byte[] luma) => film.Add(new([.. luma, .. Enumerable.Repeat((byte)128, 2 * SmallFrame.Pixels)], film.Count, film.Count / 25.0));
        for (var i = 0; i < 20; i++) Add(i is 10 ? [.. a.Select(_ => (byte)250)] : a);
        for (var i = 0; i < 20; i++) Add(b);
        for (var i = 0; i < 12; i++) Add([.. b.Zip(c, (x, y) => (byte)(x + (y - x) * i / 12.0))]);
        for (var i = 0; i < 20; i++) Add(c);
        var found = ShotDetector.Detect(film, 25);
        Assert.Equal([TransitionKind.Cut, TransitionKind.Dissolve], found.Select(t => t.Kind));
        Assert.Equal(20, found[0].Frame);
        Assert.InRange(found[1].Middle, 42, 50);
    }

    // Random brightness with structure of about an eighth of the picture.
    static byte[] Scene(Random random)
    {
        var coarse = Enumerable.Range(0, 9 * 6).Select(_ => random.NextDouble() * 255).ToArray();
        return [.. Enumerable.Range(0, SmallFrame.FineWidth * SmallFrame.FineHeight)
            .Select(i => (byte)coarse[i / SmallFrame.FineWidth / 14 * 9 + i % SmallFrame.FineWidth / 16])];
    }

    static IEnumerable<(string Name, Truth Truth)> Truths()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedMedia.Get("multishot/truth.json")));
        foreach (var clip in document.RootElement.GetProperty("clips").EnumerateObject())
        {
            int[] Frames(string name) => clip.Value.TryGetProperty(name, out var list) ? [.. list.EnumerateArray().Select(f => f.GetInt32())] : [];
            yield return (clip.Name, new(Frames("hard_cuts"),
                [.. clip.Value.GetProperty("gradual").EnumerateArray().Select(g => (g.GetProperty("start").GetInt32(), g.GetProperty("end").GetInt32()))],
                [.. clip.Value.GetProperty("ignore").EnumerateArray().Select(r => (r[0].GetInt32(), r[1].GetInt32()))],
                Frames("same_scene_cuts")));
        }
    }
}
