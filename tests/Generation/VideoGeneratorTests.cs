using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Generation;

[Collection(nameof(Alone))]
public class VideoGeneratorTests
{
    /// <summary>The tiny model's longest video: 7 latents, 25 frames at 8 fps.</summary>
    private const double Seconds = 25 / 8.0;

    private static TinyModel Made()
    {
        var tiny = new TinyModel();
        using var weights = tiny.Student(1);
        tiny.Folder.Save(ModelFolder.Student, weights);
        return tiny;
    }

    private static readonly VideoRequest request = new() { Prompt = "a traveller in a red coat", Seed = 3 };

    [Fact]
    public void TheSameSeedGivesTheSameVideoAndAnotherSeedAnother()
    {
        using var tiny = Made();
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var model = new VideoGenerator(files, request);
        var r = request with { Seconds = Seconds };
        var first = model.Sample(r);
        Assert.True(first.SameAs(model.Sample(r)));
        Assert.False(first.SameAs(model.Sample(r with { Seed = 4 })));
    }

    [Fact]
    public void StreamedFramesEqualTheWholeDecodeAndMemoryStaysFlat()
    {
        using var tiny = Made();
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var model = new VideoGenerator(files, request);
        var latents = model.Sample(request with { Seconds = Seconds });
        var (vae, weights) = tiny.Folder.LoadVae();
        using var owned = weights;
        byte[] whole;
        using (torch.no_grad())
            whole = LongTake.Data.Pixels.ToBytes(vae.Decode(latents, chunk: 1));
        var live = new List<long>();
        var streamed = new List<byte>();
        foreach (var frame in model.Decode(latents))
        {
            streamed.AddRange(frame.Rgb);
            live.Add(Tensor.TotalCount);
        }
        Assert.Equal(whole.Length, streamed.Count);
        Assert.True(
            whole.AsSpan().SequenceEqual(streamed.ToArray()),
            "the frames are those of a decode, latent by latent"
        );
        Assert.Equal(live[^5], live[^1]);
    }

    /// <summary>
    /// The bundled model, prompt to frames, again and again: as much resident memory after the last video as after the
    /// first third.
    /// </summary>
    [Fact]
    public void ManyVideosInOneProcessAreFlatInMemory()
    {
        using var files = ModelFiles.Open(Path.Combine(SourceFiles.Root, "models", "traveller"));
        using var model = new VideoGenerator(files, request);
        var count = Soak.Of(9, 200);
        var (tensors, resident) = (new List<long>(), new List<long>());
        for (var i = 0; i < count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var latents = model.Sample(request with { Seconds = Soak.Of(10, 61), Seed = i });
            Assert.InRange(model.Decode(latents).Count(), 1, int.MaxValue);
            latents.Dispose();
            tensors.Add(Tensor.TotalCount);
            resident.Add(Environment.WorkingSet);
        }
        Assert.Equal(tensors[1], tensors[^1]);
        var growth = resident[^1] - resident[count / 3];
        Assert.True(
            growth < 48 << 20,
            $"{count} videos: resident MB {string.Join(' ', resident.Select(r => r >> 20))}"
        );
    }

    [Fact]
    public void TheDmHeadNeedsNoWeightOfTheOtherHead()
    {
        using var tiny = Made();
        using var scope = torch.NewDisposeScope();
        var path = Path.Combine(tiny.Folder.Path, "student.safetensors");
        var kept = new List<KeyValuePair<string, Tensor>>();
        using (var file = SafetensorsSet.Open(path))
            foreach (var name in file.Names.Where(n => !n.StartsWith("fm_head.", StringComparison.Ordinal)))
                kept.Add(KeyValuePair.Create(name, file.Tensor(name)));
        Tensor expected;
        using (var whole = ModelFiles.Open(tiny.Folder.Path))
        using (var both = new VideoGenerator(whole, request))
            expected = both.Sample(request with { Seconds = Seconds });
        TensorFiles.Write(path, kept);
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var alone = new VideoGenerator(files, request);
        Assert.True(expected.SameAs(alone.Sample(request with { Seconds = Seconds })));
        var e = Assert.ThrowsAny<UserException>(() =>
            new VideoGenerator(files, request with { Network = Network.FmHead })
        );
        Assert.Contains("fm_head", e.Message);
    }

    [Theory]
    [InlineData(-3, "seconds -3")]
    [InlineData(0, "seconds 0")]
    [InlineData(600, "seconds 600")]
    [InlineData(double.NaN, "seconds")]
    public void ALengthTheModelCannotMakeIsRefused(double seconds, string said)
    {
        var problems = (request with { Seconds = seconds }).Problems(new ModelConfig()).ToList();
        Assert.Contains(said, Assert.Single(problems).ToString());
    }

    [Fact]
    public void TheTeacherIsRolledOutBeyondItsClip()
    {
        using var tiny = Made();
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var model = new VideoGenerator(files, request with { Network = Network.Teacher });
        var latents = model.Sample(request with { Seconds = Seconds, Network = Network.Teacher, Steps = 2 });
        Assert.Equal(tiny.Folder.Config.LatentShape(tiny.Folder.Config.VideoLatents), latents.shape);
        Assert.True(latents.AllFinite());
    }
}
