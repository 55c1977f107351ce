using System.Runtime.InteropServices;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;
using LongTake.Tests.Training;

namespace LongTake.Tests.Generation;

/// <summary>
/// Videos and measures on libtorch's device "meta" (see <see cref="DeviceTests"/>): the first thing that fails is the
/// reading out of numbers, which such tensors do not have.
/// </summary>
[Collection(nameof(Alone))]
public sealed class VideoDeviceTests
{
    private static readonly torch.Device meta = new(DeviceType.META);

    static VideoDeviceTests() => MetaKernels.Register();

    private static void ReadsOut(Action act)
    {
        Assert.Contains("Cannot copy out of meta tensor", Assert.Throws<ExternalException>(act).Message);
        Assert.Empty(MetaKernels.TakeMixed());
    }

    private static void Shown(string folder, VideoRequest request)
    {
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(folder);
        var resolved = request.Resolve(files);
        using var model = new VideoGenerator(files, resolved, device: meta, offload: Offload.Off);
        ReadsOut(() => model.Sample(resolved));
    }

    [Theory]
    [InlineData(Network.Teacher, Sampler.UniPc, false)] // three latents at a time: window by window
    [InlineData(Network.Teacher, Sampler.Dpm, true)]
    [InlineData(Network.DmHead, Sampler.FewStep, false)]
    [InlineData(Network.DmHead, Sampler.FewStep, true)]
    [InlineData(Network.FmHead, Sampler.Euler, true)]
    [InlineData(Network.FmHead, Sampler.UniPc, false)]
    [InlineData(Network.Generator, Sampler.Causal, false)]
    [InlineData(Network.Generator, Sampler.Causal, true)]
    [InlineData(Network.Generator, Sampler.Segments, true)]
    [InlineData(Network.Generator, Sampler.InfinityRope, false)]
    public void AVideoIsMadeOnItsDevice(Network network, Sampler sampler, bool miniature)
    {
        using var tiny = TinyModel.Of(c => miniature ? DeviceTests.Miniature(c) : c);
        using (var weights = tiny.Teacher(1, 0.05))
            tiny.Folder.Save(ModelFolder.Generator, weights);
        using (var student = tiny.Student(2))
            tiny.Folder.Save(ModelFolder.Student, student);
        Shown(
            tiny.Folder.Path,
            new()
            {
                Prompt = "a traveller",
                Network = network,
                Sampler = sampler,
                Steps = sampler is Sampler.UniPc or Sampler.Dpm or Sampler.Euler ? 3 : null,
                Guidance = network == Network.Generator ? null : 2,
                FmSteps = sampler == Sampler.FewStep ? 1 : 0,
            }
        );
    }

    [Fact]
    public void SoIsOneThatStartsWithAPicture()
    {
        using var tiny = new WanTiny(pictures: true);
        File.WriteAllBytes(tiny["first.ppm"], [.. "P6\n30 15\n255\n"u8, .. new byte[30 * 15 * 3]]);
        Shown(
            tiny["own"],
            new()
            {
                Prompt = "a red cat",
                Steps = 2,
                Guidance = 3,
                Network = Network.Teacher,
                Image = tiny["first.ppm"],
            }
        );
    }

    [Fact]
    public void LatentsAreDecodedThere()
    {
        using var tiny = new TinyModel();
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        var request = new VideoRequest { Prompt = "a traveller", Network = Network.Teacher };
        using var model = new VideoGenerator(files, request, device: meta, offload: Offload.Off);
        ReadsOut(() => model.Decode(torch.zeros([1, 4, 7, 4, 4])).ToList());
        ReadsOut(() => model.Decode(torch.zeros([1, 4, 7, 12, 12]), tile: 8).ToList());
        ReadsOut(() => model.DecodeWhole(torch.zeros([1, 4, 3, 4, 4])));
        ReadsOut(() => model.Through(new byte[5 * 16 * 16 * 3]));
    }

    [Fact]
    public void MeasuresAreTakenThere()
    {
        using var tiny = TinyModel.Of(c =>
            c with
            {
                Width = 32,
                Height = 32,
                Vae = c.Vae with { DimMult = [1, 1, 1, 1], TemporalDownsample = [false, true, true] },
            }
        );
        using (var student = tiny.Student(2))
            tiny.Folder.Save(ModelFolder.Student, student);
        using var scope = torch.NewDisposeScope();
        using var teacher = new TeacherFeatures(tiny.Folder, meta);
        ReadsOut(() => teacher.Of(new byte[9 * 32 * 32 * 3]));
        ReadsOut(() => teacher.Through(new byte[9 * 32 * 32 * 3]));
        using var lens = DriftLens.Open(tiny.Folder, meta)!;
        ReadsOut(() => lens.Of(torch.zeros([1, 4, 7, 4, 4]), "a traveller", 1));
    }

    [Fact]
    public void VideosAreEncodedThere()
    {
        using var tiny = new TinyModel();
        var folder = Path.Combine(tiny.Folder.Path, "latents");
        (LatentItem, Func<byte[]>)[] items = [(new("a", "take", 3, "a traveller"), () => new byte[9 * 16 * 16 * 3])];
        ReadsOut(() => WorldEncoder.Run(tiny.Folder, "made", items, folder, null, default, meta));
        Assert.False(Directory.Exists(folder));
    }
}
