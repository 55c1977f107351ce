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
            var found = ShotDetector.Detect(SharedMedia.Get("multishot/" + name));
            var cuts = found.Where(t => t.Kind == TransitionKind.Cut).Select(t => t.Frame).ToList();
            bool Inside((int Start, int End) r, int f) => f >= r.Start - 6 && f <= r.End + 6;
            var hit = truth.Cuts.Where(c => cuts.Any(f => Math.Abs(f - c) <= 1)).ToArray();
            var lost = truth.Cuts.Except(hit).Except(truth.SameScene).ToArray();
            var extra = cuts.Where(f => !truth.Cuts.Any(c => Math.Abs(f - c) <= 1)
                && !truth.Gradual.Concat(truth.Ignore).Any(r => Inside(r, f))).ToArray();
            var seen = truth.Gradual.Where(r => found.Any(t => Inside(r, t.Frame) && !truth.Cuts.Contains(t.Frame))).ToArray();
            var stray = found.Where(t => t.Kind != TransitionKind.Cut && !truth.Gradual.Concat(truth.Ignore).Any(r => Inside(r, t.Frame)));
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
            if (ShotDetector.Detect(file) is { Count: > 0 } found)
                wrong.Add($"{Path.GetFileName(file)}: {string.Join(", ", found.Select(t => $"{t.Kind} {t.Frame} ({t.Score:f2})"))}");
        foreach (var line in wrong) output.WriteLine(line);
        output.WriteLine($"{wrong.Count} of {single.Length} single shots with a transition");
        Assert.Empty(wrong);
    }

    [Fact]
    public void ACutAFlashAndADissolveOfNoise()
    {
        var random = new Random(1);
        byte[] Scene() => [.. Smooth(random).SelectMany(v => new[] { v, v, v })];
        var (a, b, c) = (Scene(), Scene(), Scene());
        var film = new SmallFrames();
        for (var i = 0; i < 20; i++) film.Add(i is 10 ? [.. a.Select(_ => (byte)250)] : a);
        for (var i = 0; i < 20; i++) film.Add(b);
        for (var i = 0; i < 12; i++) film.Add([.. b.Zip(c, (x, y) => (byte)(x + (y - x) * i / 12.0))]);
        for (var i = 0; i < 20; i++) film.Add(c);
        var found = ShotDetector.Detect(film);
        Assert.Equal([TransitionKind.Cut, TransitionKind.Dissolve], found.Select(t => t.Kind));
        Assert.Equal(20, found[0].Frame);
        Assert.InRange(found[1].Frame, 42, 50);
    }

    // Random brightness with structure of about 8 pixels.
    static byte[] Smooth(Random random)
    {
        var coarse = Enumerable.Range(0, 9 * 6).Select(_ => random.NextDouble() * 255).ToArray();
        var picture = new byte[SmallFrames.Pixels];
        for (var y = 0; y < SmallFrames.Height; y++)
            for (var x = 0; x < SmallFrames.Width; x++)
                picture[y * SmallFrames.Width + x] = (byte)coarse[y / 7 * 9 + x / 8];
        return picture;
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
