using System.CommandLine;
using System.Runtime.InteropServices;
using LongTake.Cli;

namespace LongTake.Tests.Cli;

/// <summary>Devices that cannot be had, and those whose memory is full: one sentence, nothing written.</summary>
[Collection(nameof(Alone))]
public sealed class DeviceOptionTests
{
    private static string Asset(string name) => Path.Combine(AppContext.BaseDirectory, "assets", name);

    private static string[] Arguments(string verb) =>
        verb switch
        {
            "train" => ["train", Asset("tiny.json"), "--set", "out=out"],
            "reproduce" => ["reproduce", Asset("tiny-table.json"), "--set", "out=out"],
            "eval" => ["eval", "world", "--videos", "2", "--seconds", "5", "-o", "out"],
            "demo" => ["demo", "-o", "out"],
            _ => ["generate", "-p", "a traveller", "-o", "out.mp4"],
        };

    [Theory]
    [InlineData("generate", "--device", "cuda:9")]
    [InlineData("train", "--device", "cuda:9")]
    [InlineData("train", "--device", "tpu")]
    [InlineData("train", "--set", "device=cuda:9")]
    [InlineData("train", "--set", "device=tpu")]
    [InlineData("eval", "--device", "cuda:9")]
    [InlineData("demo", "--device", "tpu")]
    [InlineData("reproduce", "--device", "cuda:9")]
    [InlineData("reproduce", "--set", "device=tpu")]
    public void ADeviceThatIsNotThereIsSaidAtOnce(string verb, string option, string value)
    {
        using var program = new CommandLine();
        var ran = program.Run([.. Arguments(verb), option, value]);
        Assert.Equal(2, ran.Code);
        Assert.Equal("", ran.Out);
        Assert.Matches(
            value.EndsWith("tpu", StringComparison.Ordinal)
                ? @"^longtake: (.*: )?device 'tpu': give auto, cpu, cuda, cuda:N, mps\r?\n$"
                : @"^longtake: device 'cuda:9' is not here \(.+\); there are: cpu.*\r?\n$",
            ran.Error
        );
        Assert.Empty(Directory.EnumerateFileSystemEntries(program.Folder));
    }

    [SkippableFact]
    public void AMachineWithoutCudaSaysWhy()
    {
        Skip.If(Engine.Describe().Devices.Count > 1);
        Assert.StartsWith(
            "device 'cuda' is not here (cuda: ",
            Assert.Throws<UserException>(() => ComputeDevice.Choose("cuda")).Message
        );
        Assert.Equal(DeviceType.CPU, ComputeDevice.Choose("auto").type);
    }

    [Theory]
    [InlineData("auto", true)]
    [InlineData("cuda:12", true)]
    [InlineData("cuda:", false)]
    [InlineData("cuda:-1", false)]
    [InlineData("cuda:1e9", false)]
    [InlineData("cpu:0", false)]
    [InlineData("CPU", false)]
    [InlineData("", false)]
    public void NamesAreReadBeforeDevicesAre(string name, bool good) =>
        Assert.Equal(good, ComputeDevice.Problem(name) is null);

    [Fact]
    public void FullMemoryIsOneSentence()
    {
        var (code, text) = Ended(() =>
            throw new ExternalException(
                "CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc at /a.cpp:1\nframe #0: b"
            )
        );
        Assert.Equal(1, code);
        Assert.Matches(
            @"^longtake: the device's memory is full \(CUDA out of memory\. Tried to allocate 2\.00 GiB\.\): give .* or --device cpu\r?\n$",
            text
        );

        (code, text) = Ended(() => torch.empty([1L << 52]).Dispose()); // more than any address space has
        Assert.Equal(1, code);
        Assert.Matches(
            @"^longtake: memory is full \(.+\): give a smaller size, fewer frames or a smaller batch\r?\n$",
            text
        );
        Assert.Equal(1, Ended(() => throw new OutOfMemoryException()).Code);
    }

    private static (int Code, string Text) Ended(Action act)
    {
        var command = new Command("work");
        command.SetAction(_ =>
        {
            act();
            return 0;
        });
        var (before, said) = (Console.Error, new StringWriter());
        Console.SetError(said);
        try
        {
            return (LongTake.Cli.Run.Guarded(() => command.Parse([])), said.ToString());
        }
        finally
        {
            Console.SetError(before);
        }
    }
}
