using LongTake.Checkpoints;
using LongTake.Cli;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Cli;

/// <summary>
/// One verdict on weights, whichever verb is asked: inspect, generate, convert and plan take the same, and refuse the
/// same with the same words.
/// </summary>
[Collection(nameof(Alone))] // what is printed is caught
public sealed partial class VerdictTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly DisposeScope scope = torch.NewDisposeScope();
    private int written;

    public void Dispose()
    {
        scope.Dispose();
        tiny.Dispose();
    }

    private (int Code, string Text) Run(params string[] arguments)
    {
        var (output, error, said) = (Console.Out, Console.Error, new StringWriter());
        Console.SetOut(said);
        Console.SetError(said);
        try
        {
            return (LongTake.Cli.Run.Guarded(() => Verbs.Root().Parse(arguments)), said.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    private Dictionary<string, (int Code, string Text)> Verdicts(string path) =>
        new()
        {
            ["inspect"] = Run("inspect", path),
            ["generate"] = Run("generate", "--model", path, "-p", "a cat", "--dry-run"),
            ["convert"] = Run("convert", path, "--to", "wan", "-o", tiny[$"written{written++}"]),
            ["plan"] = Run("plan", path),
        };

    private void Sound(string path)
    {
        foreach (var (verb, (code, text)) in Verdicts(path))
            Assert.True(code == 0, $"{verb} {path}: {code} {text}");
    }

    private void Refused(string path, string because)
    {
        foreach (var (verb, (code, text)) in Verdicts(path))
            Assert.True(
                code != 0 && text.Contains(because, StringComparison.Ordinal),
                $"{verb} {path}: {code}, not '{because}' but: {text}"
            );
        Assert.False(Path.Exists(tiny[$"written{written - 1}"]));
    }

    /// <summary>Whole for what it is, but no model that makes videos.</summary>
    private void Incomplete(string path, string lacks, bool weights = true)
    {
        var said = Verdicts(path);
        foreach (var verb in (string[])["generate", "plan"])
            Assert.True(
                said[verb].Code != 0 && said[verb].Text.Contains($"no {lacks}", StringComparison.Ordinal),
                $"{verb} {path}: {said[verb]}"
            );
        Assert.True(said["inspect"].Code == 0, $"inspect {path}: {said["inspect"]}");
        Assert.True(said["convert"].Code == 0 == weights, $"convert {path}: {said["convert"]}");
        if (Directory.Exists(path))
            Assert.Contains(lacks, said["inspect"].Text.Split("absent:")[1].Split('\n')[0]);
    }

    private IReadOnlyList<LazyTensor> Transformer
    {
        get
        {
            using var own = ModelFiles.Open(tiny["own"]);
            return [.. own.Require(PartKind.Transformer).Tensors.Select(Kept)];
        }
    }

    private static LazyTensor Kept(LazyTensor t)
    {
        var read = t.Read();
        return t with { Read = () => read.alias() };
    }

    private string Wan(string name) => tiny.Convert(tiny["own"], Layout.Wan, name);

    private string File(string folder, string pattern) => Directory.GetFiles(folder, pattern).Single();

    private static LazyTensor Tensor(string name, params long[] shape) =>
        new(name, ScalarType.Float32, shape, () => torch.zeros(shape));

    /// <summary>The original folder with other tensors in its transformer.</summary>
    private string With(string name, Func<IReadOnlyList<LazyTensor>, IEnumerable<LazyTensor>> change)
    {
        var folder = Wan(name);
        TensorFiles.Write(Path.Combine(folder, "diffusion_pytorch_model.safetensors"), change(Transformer), null);
        return folder;
    }

    private void Pointer(string path) =>
        System.IO.File.WriteAllText(
            path,
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 28577\n"
        );

    [Fact]
    public void SoundModelsInEveryLayout()
    {
        Sound(tiny["own"]);
        foreach (var layout in (Layout[])[Layout.Wan, Layout.Diffusers, Layout.Comfy])
            Sound(tiny.Convert(tiny["own"], layout, $"{layout}"));
        // A file is what it begins with, whatever it is called.
        var renamed = Wan("renamed");
        System.IO.File.Move(File(renamed, "Wan2.1_VAE.pth"), Path.Combine(renamed, "aside"));
        using (var own = ModelFiles.Open(tiny["own"]))
            TensorFiles.Write(Path.Combine(renamed, "Wan2.1_VAE.pth"), own.Require(PartKind.Vae).Tensors, null);
        Sound(renamed);
    }

    [Fact]
    public void QuantisedModelsThatAreRead()
    {
        Sound(Small("int8", "I8", ".weight_scale", rows: true));
        Sound(Small("float8", "F8_E4M3", ".scale_weight", rows: false));
        Sound(Small("float8 rows", "F8_E5M2", ".weight_scale", rows: true));
        Sound(Small("bare float8", "F8_E4M3", null, rows: false));
        var folder = Wan("gguf");
        System.IO.File.Delete(Path.Combine(folder, "diffusion_pytorch_model.safetensors"));
        HandMadeGguf.Write(Path.Combine(folder, "wan-Q8_0.gguf"), Transformer, "Q8_0");
        Sound(folder);
    }

    // The queries of the first block in 8 bits, with scales or without.
    private string Small(string name, string dtype, string? scale, bool rows)
    {
        var folder = Wan(name);
        const string module = "blocks.0.self_attn.q";
        var tensors = Transformer
            .Select(t =>
                t.Name == module + ".weight"
                    ? (t.Name, dtype, t.Shape, to =>
                        to.Write([.. Enumerable.Range(0, 24 * 24).Select(i => (byte)(i % 60))])
                    )
                    : (t.Name, "F32", t.Shape, (Action<Stream>)(to => TensorFiles.Copy(t, ScalarType.Float32, to)))
            )
            .ToList();
        if (scale is not null)
        {
            var count = rows ? 24 : 1;
            tensors.Add((module + scale, "F32", rows ? [24, 1] : [], to => to.Write(new byte[4 * count])));
            tensors.Add(("scaled_fp8", "F8_E4M3", [0], _ => { }));
        }
        SafetensorsWriter.Write(Path.Combine(folder, "diffusion_pytorch_model.safetensors"), tensors);
        return folder;
    }

    [Fact]
    public void PartsOfAModelAreNotAVideo()
    {
        Incomplete(tiny["own", "teacher.safetensors"], "autoencoder");
        foreach (
            var (pattern, lacks) in new[]
            {
                ("Wan2.1_VAE.pth", "autoencoder"),
                ("models_t5*", "text encoder"),
                ("diffusion_pytorch*", "transformer"),
            }
        )
        {
            var folder = Wan("without " + lacks);
            System.IO.File.Delete(File(folder, pattern));
            Incomplete(folder, lacks);
        }
        var untold = Wan("without tokenizer");
        Directory.Delete(Path.Combine(untold, "google"), recursive: true);
        Incomplete(untold, "tokenizer");
        HandMadeGguf.Write(tiny["gguf", "wan.gguf"], Transformer, "F16");
        System.IO.File.Copy(tiny["own", "config.json"], tiny["gguf", ModelFiles.ConfigFile]);
        Incomplete(tiny["gguf", "wan.gguf"], "autoencoder");
        TensorFiles.Write(
            tiny["lora.safetensors"],
            [Tensor("blocks.0.ffn.0.lora_A.weight", 2, 24), Tensor("blocks.0.ffn.0.lora_B.weight", 32, 2)],
            null
        );
        Incomplete(tiny["lora.safetensors"], "transformer", weights: false);
    }
}
