using System.Text.Json;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Tests.Video;

namespace LongTake.Tests.Generation;

/// <summary>The library as a program uses it: frames as they come, several videos at once, cancelling.</summary>
[Collection(nameof(Alone))]
public sealed class LibraryTests : IDisposable
{
    private readonly TinyModel tiny = new();
    private static readonly VideoRequest request = new() { Prompt = "a traveller", Seed = 3 };

    public LibraryTests()
    {
        using var weights = tiny.Student(1);
        tiny.Folder.Save(ModelFolder.Student, weights);
    }

    public void Dispose() => tiny.Dispose();

    private static async Task<List<Frame>> Frames(VideoGenerator generator, long seed)
    {
        var frames = new List<Frame>();
        await foreach (var frame in generator.GenerateAsync(request with { Seed = seed }))
            frames.Add(frame);
        return frames;
    }

    [Fact]
    public async Task VideosMadeAtOnceHaveTheBytesThatTheyHaveOneAfterTheOther()
    {
        using var a = VideoGenerator.Open(tiny.Folder.Path);
        using var b = VideoGenerator.Open(tiny.Folder.Path, new() { Network = Network.Teacher });
        (VideoGenerator, int)[] videos = [(a, 1), (a, 2), (b, 1), (b, 2)];
        var alone = new List<List<Frame>>();
        foreach (var (generator, seed) in videos)
            alone.Add(await Frames(generator, seed));
        var together = await Task.WhenAll(videos.Select(v => Task.Run(() => Frames(v.Item1, v.Item2))));
        foreach (var (expected, made) in alone.Zip(together))
            Assert.Equal(expected.Select(f => f.Rgb), made.Select(f => f.Rgb));
        var last = alone[0][^1];
        Assert.Equal((16, 16, 24, TimeSpan.FromSeconds(24 / 8.0)), (last.Width, last.Height, last.Index, last.Time));
        Assert.Equal(16 * 16 * 3, last.Rgb.Length);
    }

    [Fact]
    public async Task LeavingTheLoopEndsTheWork()
    {
        var before = LiveTensors.Settled();
        using (var generator = VideoGenerator.Open(tiny.Folder.Path))
        {
            await foreach (var frame in generator.GenerateAsync(request))
                if (frame.Index == 2)
                    break;
            using var stop = new CancellationTokenSource();
            var heard = new Heard(_ => stop.Cancel());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (var _ in generator.GenerateAsync(request, heard, stop.Token)) { }
            });
            await Assert.ThrowsAsync<RequestException>(() => Frames(generator, 0, request with { Frames = 4 }));
        }
        Assert.Equal(before, LiveTensors.Settled());

        static async Task Frames(VideoGenerator generator, int _, VideoRequest wrong)
        {
            await foreach (var frame in generator.GenerateAsync(wrong))
                Assert.Fail($"frame {frame.Index}");
        }
    }

    [SkippableTheory]
    [InlineData("steps")]
    [InlineData("frames")]
    public async Task ACancelledVideoLeavesNothingBehind(string unit)
    {
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        using var generator = VideoGenerator.Open(tiny.Folder.Path);
        using var stop = new CancellationTokenSource();
        var folder = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            var path = Path.Combine(folder, "video.mp4");
            var heard = new Heard(p =>
            {
                if (p.Unit == unit)
                    stop.Cancel();
            });
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                unit == "steps"
                    ? generator.SaveAsync(request, path, progress: heard, cancel: stop.Token)
                    : Task.Run(() => generator.Save(request, path, frame: f => Stop(f), cancel: stop.Token))
            );
            Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
            var made = await generator.SaveAsync(request, path);
            Assert.Equal((25, path), (made.Frames, made.Path));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Stop(Frame frame)
        {
            if (frame.Index == 10)
                stop.Cancel();
        }
    }

    [SkippableTheory]
    [InlineData("full")] // the disk is, from the first frame on
    [InlineData("taken")] // a folder has the latents' name, made while the steps were taken
    [InlineData("gone")] // the video's folder has become a file
    public void WhereAVideoCannotBeWrittenItsLatentsAreKept(string fault)
    {
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        Skip.IfNot(File.Exists("/dev/full"), "no /dev/full here");
        using var generator = VideoGenerator.Open(tiny.Folder.Path);
        using var place = new Video.Frames();
        var folder = Directory.CreateDirectory(place["videos"]).FullName;
        var path = Path.Combine(folder, "video.mp4");
        if (fault == "full")
            File.CreateSymbolicLink(Path.Combine(folder, "video.part.mp4"), "/dev/full");
        var heard = new Heard(p =>
        {
            if (fault == "taken")
                Directory.CreateDirectory(path + ".latents.safetensors");
            if (fault != "gone" || File.Exists(folder))
                return;
            Directory.Delete(folder, recursive: true);
            File.WriteAllText(folder, "");
        });
        var e = Assert.Throws<UserException>(() => generator.Save(request, path, progress: heard));
        var kept = e.Message[(e.Message.LastIndexOf(" kept as ", StringComparison.Ordinal) + 9)..];
        using (var latents = SafetensorsSet.Open(kept))
        using (torch.NewDisposeScope())
            Assert.Equal(7, latents.Tensor("latents").size(2));
        Assert.False(File.Exists(path));
        File.Delete(kept);
    }

    [Fact]
    public void AResolvedRequestSaysAllAsJson()
    {
        using var files = ModelFiles.Open(tiny.Folder.Path);
        var json = JsonSerializer
            .SerializeToNode(request.Resolve(files), VideoJson.Default.ResolvedRequest)!
            .AsObject();
        Assert.DoesNotContain(json, m => m.Value is null && m.Key != "image");
        Assert.Equal("DmHead", (string?)json["network"]);
        Assert.Equal(25, (int?)json["frames"]);
        Assert.Equal([1000.0, 500], json["timesteps"]!.AsArray().Select(t => (double)t!));
    }
}
