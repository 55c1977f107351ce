using LongTake.Checkpoints;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Takes;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Takes;

/// <summary>
/// Takes of the bundled model by its world's measures: seams, what was asked for, and the second minute beside the
/// first. Two videos as a rule, sixteen under <c>./dev soak TravellerTake</c>, which prints the figures.
/// </summary>
[Collection(nameof(Alone))]
public sealed class TravellerTakeTests(ITestOutputHelper output) : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly ModelFiles files = ModelFiles.Open(Path.Combine(SourceFiles.Root, "models", "traveller"));

    public void Dispose()
    {
        files.Dispose();
        Directory.Delete(root, recursive: true);
    }

    private static int Videos => Soak.Of(1, 16);

    // Coats and hats in turn, as the comparisons draw them.
    private static (int Coat, int Hat, int Lighthouse, long Seed) Case(int n) =>
        (n * 3 % 24 / 4, n * 3 % 4, n % 3, 100_000 + n);

    [Fact]
    public void ARemakeChangesWhatIsAskedForAndItsSeamsAreNotSeen()
    {
        var (seams, asked, changed, outside) = (new List<double>(), 0, 0, new List<double>());
        Each(61, (editor, wanted) =>
        {
            using var scope = torch.NewDisposeScope();
            var before = Pixels(editor);
            var kept = Latents(editor);
            var coat = (wanted.Coat + 2) % 6;
            var prompt = Captions.Describe(coat, wanted.Hat, wanted.Lighthouse);
            var done = editor.Remake(23, 31, prompt);
            var (after, latents) = (Pixels(editor), Latents(editor));
            for (var t = 0; t < latents.size(2); t++)
                Assert.Equal(t < done.From || t >= done.To, kept.narrow(2, t, 1).SameAs(latents.narrow(2, t, 1)));
            int[] joints = [done.From, done.To];
            var seam = Of(after, joints).Values["seam"] / Of(before, joints).Values["seam"];
            seams.Add(seam);
            var coats = Of(after, joints, coat).Curves["coat"];
            changed += coats.Skip(24).Take(6).Count(c => c == 1);
            asked += 6;
            outside.Add(Psnr(before, after, 0, 23 * 16));
            outside.Add(Psnr(before, after, 31 * 16 + 16, 61 * 16));
        });
        output.WriteLine(
            $"remake 23 to 31 s, {Videos} videos: seam {seams.Average():0.000} of what it was, {seams.Max():0.000} at "
                + $"most; the coat asked for in {changed} of {asked} seconds; outside {outside.Min():0.0} dB at least"
        );
        Assert.InRange(seams.Average(), .5, 1.1);
        Assert.True(changed >= .9 * asked, $"the coat asked for in {changed} of {asked} seconds");
        Assert.True(outside.Min() > 35, $"{outside.Min():0.0} dB outside");
    }

    [Fact]
    public void ASecondMinuteWalksLikeTheFirst()
    {
        var names = (string[])["gait", "scroll", "sharpness", "coat"];
        var (first, second) = (new Dictionary<string, List<double>>(), new Dictionary<string, List<double>>());
        var seams = new List<double>();
        Each(61, (editor, wanted) =>
        {
            var before = Pixels(editor);
            editor.Extend(to: 122);
            var rgb = Pixels(editor);
            Assert.Equal(before, rgb[..before.Length]);
            var measured = Of(rgb, [245], wanted.Coat);
            seams.Add(measured.Values["seam"]);
            foreach (var name in names)
            {
                double Mean(int from) =>
                    measured.Curves[name].Skip(from).Take(61).OfType<double>().DefaultIfEmpty(double.NaN).Average();
                (first.TryGetValue(name, out var a) ? a : first[name] = []).Add(Mean(0));
                (second.TryGetValue(name, out var b) ? b : second[name] = []).Add(Mean(61));
            }
        });
        foreach (var name in names)
            output.WriteLine(
                $"{name}: first minute {first[name].Average():0.0000} ({Interval(first[name])}), second "
                    + $"{second[name].Average():0.0000} ({Interval(second[name])})"
            );
        output.WriteLine($"seam at 61 s, {Videos} videos: {seams.Average():0.00}, {seams.Max():0.00} at most");
        Assert.True(second["gait"].Average() > .85);
        Assert.Equal(1, second["coat"].Average(), .05);
        Assert.InRange(second["sharpness"].Average() / first["sharpness"].Average(), .7, 1.5);
    }

    [Fact]
    public void AClipGoesOnWithoutAJump()
    {
        var seams = new List<double>();
        for (var n = 0; n < Videos; n++)
        {
            var (coat, hat, lighthouse, seed) = Case(n);
            var prompt = Captions.Describe(coat, hat, lighthouse);
            var request = new VideoRequest { Prompt = prompt, Seed = seed };
            using var generator = new VideoGenerator(files, request);
            var clip = Path.Combine(root, "clip.mkv");
            generator.Save(request with { Seconds = 10 }, clip, new() { Crf = 0 });
            var path = Path.Combine(root, $"{n}.take");
            var r = (request with { Seconds = 30, Seed = seed + 1 }).Resolve(files);
            var made = TakeEditor.Generate(path, generator, r, clip);
            using var take = Take.Open(path);
            using var editor = TakeEditor.Open(take, files.Path);
            var rgb = Pixels(editor);
            var frames = take.Document.Frames(made.Start!.Latents);
            var clean = TakeStarts.Frames(clip, r.Model, default).Take(frames).SelectMany(f => f).ToArray();
            var through = generator.Through(clean);
            for (var i = 0; i < through.Length; i++)
                Assert.InRange(rgb[i] - through[i], -1, 1); // whole and in steps round alike but for a last bit
            var joint = made.Start.Latents;
            seams.Add(Of(rgb, [joint]).Values["seam"] / Of(Whole(generator, r, prompt), [joint]).Values["seam"]);
        }
        output.WriteLine($"seam behind a clip of 10 s, {Videos} videos: {seams.Average():0.00} of an unbroken one's");
        Assert.InRange(seams.Average(), .3, 2.5); // of one joint in one video

        byte[] Whole(VideoGenerator generator, ResolvedRequest r, string prompt)
        {
            using var scope = torch.NewDisposeScope();
            return generator.DecodeWhole(generator.Sample(r with { Prompt = prompt }));
        }
    }

    private void Each(double seconds, Action<TakeEditor, (int Coat, int Hat, int Lighthouse, long Seed)> work)
    {
        using var generator = new VideoGenerator(files, new VideoRequest { Prompt = "a traveller walks" });
        for (var n = 0; n < Videos; n++)
        {
            var wanted = Case(n);
            var prompt = Captions.Describe(wanted.Coat, wanted.Hat, wanted.Lighthouse);
            var path = Path.Combine(root, $"{n}.take");
            var r = new VideoRequest
            {
                Prompt = prompt,
                Seed = wanted.Seed,
                Seconds = seconds,
            }.Resolve(files);
            TakeEditor.Generate(path, generator, r);
            using var take = Take.Edit(path);
            using var editor = TakeEditor.Open(take, files.Path);
            work(editor, wanted);
        }
    }

    private static VideoMeasure Of(byte[] rgb, int[] seams, int? coat = null) =>
        VideoMeasure.Of(rgb, World.Traveller, 1, coat is { } c ? $"a {Captions.Coats[c]} coat" : "", seams: seams);

    private static byte[] Pixels(TakeEditor editor) => [.. editor.Frames(0, int.MaxValue).SelectMany(f => f.Rgb)];

    private static Tensor Latents(TakeEditor editor)
    {
        var timeline = editor.Take.Timeline(editor.Take.Document.BranchNamed(null).Operation);
        return editor.Take.Latents(timeline, 0, timeline.Length);
    }

    private static double Psnr(byte[] a, byte[] b, int from, int to)
    {
        var sum = 0.0;
        for (var i = from * Traveller.FrameBytes; i < to * Traveller.FrameBytes; i++)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
        return sum == 0 ? 99 : 10 * Math.Log10(255.0 * 255 / (sum / ((to - from) * Traveller.FrameBytes)));
    }

    private static string Interval(List<double> values)
    {
        var (mean, count) = (values.Average(), values.Count);
        var error = Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / Math.Max(1, count - 1) / count);
        return $"{mean - 1.96 * error:0.0000} to {mean + 1.96 * error:0.0000}";
    }
}
