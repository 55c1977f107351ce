using System.Security.Cryptography;
using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Cli;

namespace LongTake.Tests.Data;

/// <summary>Sets of which something has changed on the disk since they were made.</summary>
public sealed class DamagedSetTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    /// <summary>'data ingest', then all that training would read of the set.</summary>
    private string Read(string set, ModelFolder model)
    {
        var recipe = new DataRecipe { Sources = [program["videos"]], Model = model.Path };
        using (var builder = new DatasetBuilder(program[set], recipe, model.Config))
        {
            var looked = builder.Look(out var refused, 2, null, default);
            builder.List(builder.Captioned(builder.Filter(looked, refused)));
        }
        using var latents = VideoSet.Latents(program[set], model, null, null, default);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var item in latents.Info.Items)
        {
            using var scope = torch.NewDisposeScope();
            hash.AppendData(System.Text.Encoding.UTF8.GetBytes($"{item.Name} {item.Caption} {item.HeldOut}"));
            var z = latents.Latents(item);
            var bytes = new byte[z.Bytes];
            z.CopyTo(bytes);
            hash.AppendData(bytes);
        }
        hash.AppendData(File.ReadAllBytes(program[$"{set}/videos.json"]));
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>
    /// One byte changed, or a file cut off, anywhere in a set: 'data ingest' and what is read of it give the same
    /// bytes, or an error names the file.
    /// </summary>
    [SkippableFact]
    public void DamageAnywhereInASetIsMendedOrNamed()
    {
        Videos.Folder(program, takes: 2);
        var model = Videos.Model(program["model"]);
        var expected = Read("sound", model);
        var files = Directory
            .GetFiles(program["sound"], "*", SearchOption.AllDirectories)
            .Where(f => new FileInfo(f).Length > 0)
            .Select(f => Path.GetRelativePath(program["sound"], f))
            .Order(StringComparer.Ordinal)
            .ToArray();
        Assert.Contains(files, f => f.StartsWith("looked", StringComparison.Ordinal));
        var (random, same, named) = (new Rng(3), 0, 0);
        var count = Soak.Of(10, 100);
        for (var n = 0; n < count; n++)
        {
            foreach (var one in files)
            {
                var copy = program[Path.Combine("damaged", one)];
                Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
                File.Copy(program[Path.Combine("sound", one)], copy);
            }
            var name = files[random.Int(files.Length)];
            var file = program[Path.Combine("damaged", name)];
            var bytes = File.ReadAllBytes(file);
            var at = random.Int(bytes.Length);
            bytes[at] ^= (byte)(1 << random.Int(8));
            File.WriteAllBytes(file, n % 2 == 0 ? bytes : bytes[..at]);
            var harm = $"{name} {(n % 2 == 0 ? "changed at" : "cut at")} byte {at}";
            try
            {
                Assert.True(expected == Read("damaged", model), $"{harm}: another set");
                same++;
            }
            catch (UserException e)
            {
                Assert.True(e.Message.Contains(Path.GetFileName(name)), $"{harm}: {e.Message}");
                named++;
            }
            Directory.Delete(program["damaged"], recursive: true);
        }
        Assert.Equal(count, same + named);
        if (Soak.Full)
            Console.WriteLine($"set: {count} damaged, {same} gave the same set, {named} were named");
    }

    [SkippableFact]
    public void TrainingNamesTheDamagedFile()
    {
        Videos.Folder(program, takes: 1);
        var model = Videos.Model(program["model"]);
        Read("set", model);
        foreach (var which in (string[])["set.json", "videos.json", "*.safetensors"])
        {
            var file = Directory.GetFiles(program["set"], which, SearchOption.AllDirectories).First();
            var sound = File.ReadAllBytes(file);
            var bytes = sound.ToArray();
            // a letter of a caption; the last number of a tensor
            bytes[which == "*.safetensors" ? ^1 : bytes.AsSpan().IndexOf("brief"u8) + 1] ^= 1;
            File.WriteAllBytes(file, bytes);
            var e = Assert.Throws<UserException>(() =>
            {
                using var latents =
                    which == "set.json"
                        ? LatentSet.Open(Path.GetDirectoryName(file)!)
                        : VideoSet.Latents(program["set"], model, null, null, default);
                using var scope = torch.NewDisposeScope();
                foreach (var item in latents.Info.Items)
                    latents.Latents(item);
            });
            Assert.Contains($"{file}: has changed since it was written", e.Message);
            File.WriteAllBytes(file, sound);
        }
    }
}
