using LongTake.Training;

namespace LongTake.Tests.Training;

public sealed class RunFolderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly RunFolder run;

    public RunFolderTests() => run = new RunFolder(Path.Combine(folder, "run"));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static void Files(string at) =>
        SafetensorsWriter.Write(Path.Combine(at, "student.safetensors"), [("w", "U8", [3], s => s.Write([1, 2, 3]))]);

    private string[] Steps() =>
        [.. Directory.GetDirectories(Path.Combine(run.Root, "checkpoints")).Select(f => Path.GetFileName(f)!).Order()];

    [Fact]
    public void The_newest_checkpoint_is_found_and_the_last_n_are_kept()
    {
        Assert.Null(run.Latest());
        foreach (var step in new[] { 5, 90, 100, 123 })
            run.Save(step, Files, keep: 2);
        Assert.Equal(["step-00000100", "step-00000123"], Steps());
        Assert.Equal(123, run.Latest(verify: true)!.Step);
        using var weights = SafetensorsFile.Open(Path.Combine(run.Latest()!.Folder, "student.safetensors"));
        Assert.Equal([1, 2, 3], weights.Bytes("w").ToArray());
    }

    [Fact]
    public void A_checkpoint_that_is_not_whole_is_passed_over()
    {
        foreach (var step in new[] { 1, 2, 3, 4 })
            run.Save(step, Files);
        string In(int step, string file) => Path.Combine(run.Root, "checkpoints", $"step-{step:D8}", file);
        File.Delete(In(4, "manifest.json"));
        File.AppendAllText(In(3, "student.safetensors"), "x");
        var bytes = File.ReadAllBytes(In(2, "student.safetensors"));
        bytes[^1] ^= 1;
        File.WriteAllBytes(In(2, "student.safetensors"), bytes);
        var warnings = new List<string>();
        Assert.Equal(2, run.Latest()!.Step);
        Assert.Equal(1, run.Latest(verify: true, warnings.Add)!.Step);
        Assert.Equal(3, warnings.Count);
        Assert.Contains("manifest", warnings[0]);
        Assert.Contains("bytes, its manifest says", warnings[1]);
        Assert.Contains("has changed since", warnings[2]);
    }

    [Fact]
    public void A_save_that_dies_leaves_the_older_checkpoint()
    {
        run.Save(1, Files);
        Assert.Throws<InvalidOperationException>(() => run.Save(2, at =>
            {
                Files(at);
                throw new InvalidOperationException();
            }));
        Assert.Equal(1, run.Latest()!.Step);
        Assert.Contains(
            "disk is full",
            Assert
                .Throws<UserException>(() => run.Save(2, _ => throw new IOException("No space left on device", 28)))
                .Message
        );
        // Killed between the two renames of a checkpoint that is taken again: the old one comes back.
        var checkpoints = Path.Combine(run.Root, "checkpoints");
        Directory.Move(Path.Combine(checkpoints, "step-00000001"), Path.Combine(checkpoints, ".old-step-00000001"));
        using (run.Lock())
            Assert.Equal(["step-00000001"], Steps());
        run.Save(1, Files);
        Assert.Equal(["step-00000001"], Steps());
    }

    [Fact]
    public void One_trainer_at_a_time()
    {
        using (run.Lock())
        {
            var e = Assert.Throws<UserException>(() => new RunFolder(run.Root).Lock());
            Assert.Contains("another process trains in this folder", e.Message);
            Assert.Contains(Path.Combine(run.Root, "lock"), e.Message);
        }
        run.Lock().Dispose();
    }
}
