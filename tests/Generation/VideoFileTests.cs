using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;
using LongTake.Tests.Video;

namespace LongTake.Tests.Generation;

/// <summary>Videos from the prompt to the file, of a tiny Wan that looks back only.</summary>
[Collection(nameof(Alone))]
public sealed class VideoFileTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly int threads = Libtorch.Threads;

    public VideoFileTests() => Libtorch.Threads = 1; // small operators, very many of them

    public void Dispose()
    {
        Libtorch.Threads = threads;
        tiny.Dispose();
    }

    [SkippableFact]
    public void AMinuteTakesTheMemoryOfTenSecondsAndItsLatentsAreSavedFirst()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Skip.IfNot(File.Exists("/proc/self/clear_refs"), "this system does not tell the peak of a process's memory");
        Recipe.Write(
            tiny["own", "config.json"],
            WanTiny.Config with
            {
                VideoLatents = 481,
            },
            ModelJson.Default.ModelConfig
        );
        using var files = ModelFiles.Open(tiny["own"]);
        var request = new VideoRequest
        {
            Prompt = "a red cat",
            Sampler = Sampler.Causal,
            Steps = 1,
            Frames = 161,
        };
        using var model = new VideoGenerator(files, request, ScalarType.Float32);
        Make(49);
        var (seconds, minute) = (Make(161), Make(961));
        Assert.Equal(seconds.Live, minute.Live);
        Assert.InRange(minute.Peak / (double)seconds.Peak, 0, 1.05);

        (long Peak, long Live) Make(int frames)
        {
            GC.Collect();
            File.WriteAllText("/proc/self/clear_refs", "5"); // the peak starts anew
            var (path, before, live, seen) = (tiny[$"{frames}.mp4"], LiveTensors.Settled(), 0L, 0);
            var made = model.Save(
                request with
                {
                    Frames = frames,
                },
                path,
                progress: new Heard(_ =>
                {
                    live = Math.Max(live, Tensor.TotalCount - before);
                    GC.Collect(0); // else the collector's slack is what is measured
                }),
                frame: _ =>
                {
                    if (seen++ > 0)
                        return;
                    using var scope = torch.NewDisposeScope();
                    using var latents = SafetensorsSet.Open(tiny[$"{frames}.mp4.latents.safetensors"]);
                    Assert.Equal(files.Config.Vae.Latents(frames), latents.Tensor("latents").size(2));
                }
            );
            Assert.Equal((frames, frames), (made.Frames, seen));
            Assert.Equal(before, Tensor.TotalCount);
            var peak = File.ReadLines("/proc/self/status")
                .First(l => l.StartsWith("VmHWM", StringComparison.Ordinal))
                .Split(':')[1]
                .Replace("kB", "")
                .Trim();
            return (long.Parse(peak) << 10, live);
        }
    }
}
