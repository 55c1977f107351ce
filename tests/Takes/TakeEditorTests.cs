using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Takes;
using LongTake.Tests.Generation;

namespace LongTake.Tests.Takes;

/// <summary>Operations on takes of a tiny model: what they change, what they leave, and how they go on.</summary>
[Collection(nameof(Alone))]
public sealed class TakeEditorTests : IDisposable
{
    private const double Fps = 16;

    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly TinyModel tiny;

    public TakeEditorTests()
    {
        tiny = TinyModel.Of(c => c with { Fps = Fps });
        using var weights = tiny.Student(1);
        tiny.Folder.Save(ModelFolder.Student, weights);
        using var causal = tiny.Teacher(2, .05);
        tiny.Folder.Save(ModelFolder.Generator, causal);
    }

    public void Dispose()
    {
        tiny.Dispose();
        Directory.Delete(root, recursive: true);
    }

    /// <summary>Every kind of sampler there is, by what makes it different.</summary>
    public static TheoryData<string> Kinds => ["student", "teacher", "unipc", "causal", "infinity", "segments"];

    private static VideoRequest Request(string kind) =>
        new VideoRequest { Prompt = "a traveller number 1", Seed = 3 } with
        {
            Network = kind switch
            {
                "student" => Network.DmHead,
                "teacher" or "unipc" => Network.Teacher,
                _ => Network.Generator,
            },
            Sampler = kind switch
            {
                "unipc" => Sampler.UniPc,
                "causal" => Sampler.Causal,
                "infinity" => Sampler.InfinityRope,
                "segments" => Sampler.Segments,
                _ => null,
            },
            Steps = kind is "teacher" or "unipc" ? 5 : null,
            // UniPC makes a clip alone
            Frames = kind == "unipc" ? 9 : 25,
        };

    private string At(string name) => Path.Combine(root, name + ".take");

    private Take Make(
        string kind,
        string name,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        using var files = ModelFiles.Open(tiny.Folder.Path);
        var r = Request(kind).Resolve(files);
        using var generator = new VideoGenerator(files, r);
        TakeEditor.Generate(At(name), generator, r, null, progress, cancel);
        return Take.Edit(At(name));
    }

    private TakeEditor Edit(Take take) => TakeEditor.Open(take, tiny.Folder.Path);

    private static Tensor All(Take take, int? operation = null)
    {
        var timeline = take.Timeline(operation ?? take.Document.BranchNamed(null).Operation);
        return take.Latents(timeline, 0, timeline.Length);
    }

    [Fact]
    public void ATakeHasTheLatentsOfTheVideoAndTheFramesToo()
    {
        using var scope = torch.NewDisposeScope();
        using var take = Make("student", "a");
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var generator = new VideoGenerator(files, Request("student"));
        var latents = generator.Sample(Request("student"));
        Assert.True(latents.SameAs(All(take)));
        using var editor = Edit(take);
        var whole = generator.Decode(latents).Select(f => Convert.ToHexString(f.Rgb)).ToList();
        Assert.Equal(whole, editor.Frames(0, 25).Select(f => Convert.ToHexString(f.Rgb)));
        Assert.Equal(whole[..17], editor.Frames(0, 17).Select(f => Convert.ToHexString(f.Rgb)));
        Assert.Equal([6, 7, 8], editor.Frames(6, 9).Select(f => f.Index));
        Assert.Empty(take.Damage());
        Assert.True(File.Exists(take.Preview));
        Assert.Equal(2, take.Document.Operations[0].Seconds.Count);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnExtensionLeavesWhatIsThereAndIsAsLongAsAskedFor(string kind)
    {
        using var scope = torch.NewDisposeScope();
        using var take = Make(kind, kind);
        var before = All(take);
        using var editor = Edit(take);
        editor.Extend(seconds: 2);
        editor.Extend(to: 4.1);
        var after = All(take);
        Assert.Equal(17, after.size(2)); // 65 frames
        Assert.True(before.SameAs(after.narrow(2, 0, before.size(2))));
        Assert.True(after.AllFinite());
        // an earlier operation still leads to what it led to
        Assert.True(before.SameAs(All(take, 1)));
        for (var id = 1; id <= 3; id++)
            Assert.Empty(editor.Differing(id));
    }

    [Theory]
    [InlineData("student", .5, 1.1)]
    [InlineData("teacher", .5, .8)]
    [InlineData("unipc", .3, .6)]
    [InlineData("student", 0, .6)]
    [InlineData("student", 1, 9)]
    [InlineData("causal", 1, 9)]
    public void ARemakeChangesNothingOutsideBitForBit(string kind, double from, double to)
    {
        using var scope = torch.NewDisposeScope();
        using var take = Make(kind, "remade");
        var before = All(take);
        using var editor = Edit(take);
        var done = editor.Remake(from, to, "place 2");
        var after = All(take);
        var c = tiny.Folder.Config;
        Assert.Equal((c.FirstLatent(from), Math.Min((int)before.size(2), c.EndLatent(to))), (done.From, done.To));
        for (var t = 0; t < before.size(2); t++)
        {
            var inside = t >= done.From && t < done.To;
            Assert.Equal(!inside, before.narrow(2, t, 1).SameAs(after.narrow(2, t, 1)));
        }
        Assert.Empty(editor.Differing(done.Id));
    }

    /// <summary>
    /// Stopped at every report of progress there is: the same call goes on and ends with the same files, and steps that
    /// were done are not done again.
    /// </summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnOperationThatIsStoppedAnywhereEndsWithTheSameFiles(string kind)
    {
        var reports = 0;
        Work("whole", new Heard(_ => reports++));
        var expected = Files("whole");
        var stops = Soak.Of(3, 60);
        foreach (var stop in Enumerable.Range(1, stops).Select(i => Math.Max(1, reports * i / (stops + 1))))
        {
            using var source = new CancellationTokenSource();
            var heard = 0;
            var progress = new Heard(_ =>
            {
                if (++heard == stop)
                    source.Cancel();
            });
            var name = $"stopped-{stop}";
            Assert.ThrowsAny<OperationCanceledException>(() => Work(name, progress, source.Token));
            using (var opened = Take.Open(At(name))) // it opens whatever happened
                Assert.Empty(opened.Damage());
            Work(name, null);
            Assert.Equal(expected, Files(name));
        }

        void Work(string name, IProgress<ProgressReport>? progress, CancellationToken cancel = default)
        {
            using var take = Make(kind, name, progress, cancel);
            using var editor = Edit(take);
            if (take.Document.Operations.Count < 3)
                editor.Extend(to: 3, progress: progress, cancel: cancel);
            if (kind is "student" or "teacher")
                editor.Remake(.5, .8, progress: progress, cancel: cancel);
        }
    }

    private Dictionary<string, string> Files(string name) =>
        Directory
            .EnumerateFiles(At(name), "*", SearchOption.AllDirectories)
            .ToDictionary(f => Path.GetRelativePath(At(name), f), f => Convert.ToHexString(File.ReadAllBytes(f)));

    /// <summary>
    /// What is there never changes, however often a take is extended, and each extension is as much work as the others.
    /// </summary>
    [Fact]
    public void TenExtensionsLeaveEveryLatentAndAreEqualWork()
    {
        using var scope = torch.NewDisposeScope();
        using var take = Make("student", "ten");
        using var editor = Edit(take);
        var steps = new List<int>();
        for (var i = 1; i <= 10; i++)
        {
            var before = All(take);
            var count = 0;
            // a window of seven latents, three of them known
            editor.Extend(seconds: 1, hold: 3, progress: new Heard(p => count += p.Unit == "steps" ? 1 : 0));
            steps.Add(count);
            var after = All(take);
            Assert.Equal(7 + 4 * i, after.size(2));
            Assert.True(before.SameAs(after.narrow(2, 0, before.size(2))));
        }
        Assert.Equal([2], steps.Distinct());
    }

    [Fact]
    public void BranchesGoTheirOwnWays()
    {
        using var scope = torch.NewDisposeScope();
        using var take = Make("student", "branches");
        using var editor = Edit(take);
        editor.Remake(.5, 1.1, seed: 1);
        var main = All(take);
        take.AddBranch("other", operation: 1);
        var done = editor.Remake(.5, 1.1, seed: 1);
        Assert.Equal((1, 3), (done.After, done.Id));
        Assert.True(main.SameAs(All(take))); // equal settings, equal bytes
        editor.Extend(to: 2);
        Assert.Equal(["main", "other"], take.Document.Branches.Select(b => b.Name));
        take.GoTo("main");
        Assert.True(main.SameAs(All(take)));
        foreach (var name in (string[])["main", "a b", "", "../x", new string('a', 65)])
            Assert.ThrowsAny<UserException>(() => take.AddBranch(name));
        Assert.ThrowsAny<UserException>(() => take.GoTo("nowhere"));
        Assert.ThrowsAny<UserException>(() => take.AddBranch("c", operation: 9));
    }

    [Fact]
    public void ASingleFileIsTheSameTakeAndForReading()
    {
        using var take = Make("student", "sent");
        var zip = Path.Combine(root, "sent.zip");
        take.CopyTo(zip);
        using (var opened = Take.Open(zip))
        {
            Assert.Empty(opened.Damage());
            opened.CopyTo(At("back"));
        }
        Assert.Equal(Files("sent"), Files("back"));
        Assert.ThrowsAny<UserException>(() => Take.Edit(zip));
        Assert.ThrowsAny<UserException>(() => take.CopyTo(At("back")));
        var again = File.ReadAllBytes(zip);
        take.CopyTo(zip);
        Assert.Equal(again, File.ReadAllBytes(zip));
    }

    [SkippableFact]
    public void ATakeStartsWithAVideoAndKeepsIt()
    {
        Skip.If(LongTake.Tests.Video.Frames.NoFfmpeg(), "no ffmpeg");
        using var scope = torch.NewDisposeScope();
        var clip = Path.Combine(root, "clip.mkv");
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var generator = new VideoGenerator(files, Request("student"));
        generator.Save(Request("student") with { Frames = 9, Seed = 9 }, clip, new() { Crf = 0 });
        var same = (Request("student") with { Frames = 9 }).Resolve(files);
        var e = Assert.ThrowsAny<UserException>(() => TakeEditor.Generate(At("c"), generator, same, clip));
        Assert.Contains("ask for more", e.Message);
        Assert.False(Directory.Exists(At("c")));
        var r = Request("student").Resolve(files);
        TakeEditor.Generate(At("c"), generator, r, clip);
        using var take = Take.Open(At("c"));
        var encoded = generator.Encode(TakeStarts.Frames(clip, r.Model, default), r.Model, 0);
        Assert.True(encoded.SameAs(All(take).narrow(2, 0, 3)));
        Assert.Equal([3, 4], take.Document.Operations[0].Segments.Select(s => s.Latents));
        using var editor = Edit(take);
        Assert.Empty(editor.Differing(1));
        // a picture is a start of one latent
        editor.ExportPoster(Path.Combine(root, "first.png"));
        TakeEditor.Generate(At("p"), generator, r, Path.Combine(root, "first.png"));
        using var pictured = Take.Open(At("p"));
        Assert.Equal([1, 6], pictured.Document.Operations[0].Segments.Select(s => s.Latents));
    }

    [Fact]
    public void WhatCannotBeDoneIsRefusedWithASentence()
    {
        using var take = Make("student", "a");
        using var editor = Edit(take);
        Refused("already", () => editor.Extend(to: 1));
        Refused("already", () => editor.Extend(to: double.NaN));
        Refused("the branch has 1.56 s", () => editor.Remake(2, 3));
        Refused("the branch has", () => editor.Remake(-1, 1));
        Refused("the branch has", () => editor.Remake(1, .5));
        Refused("no whole latent", () => editor.Remake(.5, .55));
        Refused("no branch", () => editor.Remake(.5, 1, branch: "b"));
        Refused("must begin at 1 s", () => editor.Remake(.5, 1, "0-1 s: a | 2-3 s: b"));
        Refused("another process", () => Take.Edit(At("a")));
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var generator = new VideoGenerator(files, Request("student"));
        Refused("another process", () => TakeEditor.Generate(At("a"), generator, Request("student").Resolve(files)));
        take.Dispose();
        var other = (Request("student") with { Seed = 8 }).Resolve(files);
        Refused("made otherwise", () => TakeEditor.Generate(At("a"), generator, other));
        Assert.Equal(1, TakeEditor.Generate(At("a"), generator, Request("student").Resolve(files)).Id);
        using var another = new TinyModel();
        using (var weights = another.Student(5))
            another.Folder.Save(ModelFolder.Student, weights);
        using var opened = Take.Open(At("a"));
        Refused("Say where that model is", () => TakeEditor.Open(opened, another.Folder.Path));
        Refused("Say where that model is", () => TakeEditor.Open(opened));

        static void Refused(string why, Action act) =>
            Assert.Contains(why, Assert.ThrowsAny<UserException>(act).Message);
    }

    [Fact]
    public void PromptsAreLookedUpByTheSecondOfTheTake()
    {
        using var scope = torch.NewDisposeScope();
        var one = Sample("place 1");
        Assert.True(one.SameAs(Sample("0-0.5 s: place 1 | 0.5-2 s: place 1")));
        var two = Sample("0-0.5 s: place 1 | 0.5-2 s: place 2");
        Assert.False(one.SameAs(two));
        using var take = Make("student", "prompts");
        using var editor = Edit(take);
        var done = editor.Extend(to: 4, prompt: "1-3 s: place 1 | 3-4 s: place 2");
        Assert.Equal([(1, 3), (3, 4)], done.Prompts.Select(p => ((int)p.From, (int)p.To)));
        Assert.Equal("place 2", editor.Extend(to: 5).Prompts.Single().Text);
        Assert.Equal("a traveller number 1", editor.Remake(.5, 1.1).Prompts.Single().Text);

        Tensor Sample(string prompt)
        {
            using var files = ModelFiles.Open(tiny.Folder.Path);
            using var generator = new VideoGenerator(files, Request("student"));
            return generator.Sample(Request("student") with { Prompt = prompt });
        }
    }
}
