using System.Security.Cryptography;
using System.Text.Json;
using LongTake.Training;

namespace LongTake.Tests.Training;

public sealed partial class ResumeTests
{
    [Theory]
    [InlineData("vae.safetensors")]
    [InlineData("text_encoder.safetensors")]
    [InlineData("config.json")]
    public void ADamagedModelOfAFinishedRunIsNamed(string file)
    {
        var recipe = Of(runs.Unbroken);
        var damaged = Path.Combine(recipe.Out, "teacher", "model", file);
        Flip(damaged, new FileInfo(damaged).Length - 3);
        var here = Assert.Throws<UserException>(() => Train(recipe));
        Assert.Contains($"{file} has changed since it was written", here.Message);
        var after = recipe with
        {
            Out = Path.Combine(root, "next"),
            From = Path.Combine(recipe.Out, "teacher", "model"),
            Stages = [recipe.Stages[1]],
        };
        if (file != "config.json") // which may not even be read
            Assert.Contains(
                $"{file} has changed since it was written",
                Assert.Throws<UserException>(() => Train(after)).Message
            );
        File.Delete(Path.Combine(recipe.Out, "teacher", "done"));
        Train(recipe);
        Assert.Equal(Models(runs.Unbroken), Models(recipe));
    }

    [Fact]
    public void TheLoserOfTwoTrainersWritesNothing()
    {
        var recipe = Small(Path.Combine(root, "run"));
        using (new RunFolder(recipe.Out).Lock())
        {
            var e = Assert.Throws<UserException>(() => Train(recipe));
            Assert.Contains("another process trains in this folder", e.Message);
        }
        Assert.Equal(["lock"], Directory.EnumerateFileSystemEntries(recipe.Out).Select(Path.GetFileName));
    }

    /// <summary>
    /// One byte changed, or a file cut off, anywhere in the folder of a stopped run: the same models, or an error that
    /// names the file.
    /// </summary>
    [Fact]
    public void DamageAnywhereInARunFolderIsMendedOrNamed()
    {
        var (expected, stopped) = (Models(runs.Unbroken), runs.Stopped.Out);
        var files = Directory
            .GetFiles(stopped, "*", SearchOption.AllDirectories)
            .Where(f => new FileInfo(f).Length > 0)
            .Select(f => Path.GetRelativePath(stopped, f))
            .Order(StringComparer.Ordinal)
            .ToArray();
        var (random, same, named) = (new Rng(5), 0, 0);
        var count = Soak.Of(10, 100);
        for (var n = 0; n < count; n++)
        {
            var recipe = Of(runs.Stopped, $"damaged-{n}");
            var name = files[random.Int(files.Length)];
            var file = Path.Combine(recipe.Out, name);
            var at = random.Int((int)new FileInfo(file).Length);
            if (n % 2 == 0)
                Flip(file, at);
            else
                File.WriteAllBytes(file, File.ReadAllBytes(file)[..at]);
            var harm = $"{name} {(n % 2 == 0 ? "changed at" : "cut at")} byte {at}";
            try
            {
                Train(recipe);
                Assert.True(expected.SequenceEqual(Models(recipe)), $"{harm}: other models");
                same++;
            }
            catch (UserException e)
            {
                Assert.True(e.Message.Contains(Path.GetFileName(name)), $"{harm}: {e.Message}");
                named++;
            }
            Directory.Delete(recipe.Out, recursive: true);
        }
        Assert.Equal(count, same + named);
        if (Soak.Full)
            Console.WriteLine($"run folder: {count} damaged, {same} ended with the same models, {named} were named");
    }
}
