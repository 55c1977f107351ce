using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Media;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Training;

namespace LongTake.Planning;

/// <summary>A phase of a plan beside what was measured: bytes of tensors at most (<see cref="Libtorch.CpuMemory"/>), and resident memory of the process.</summary>
public sealed record Measured(string Name, double Planned, double Tensors, double Resident)
{
    /// <summary>Planned over measured, less one.</summary>
    public double Error => Planned / Tensors - 1;
}

/// <summary>
/// Runs what a plan is of, with random weights and random video on this machine's CPU, and counts the memory it takes. On one thread, so
/// that the count does not depend on how far threads overlap.
/// </summary>
public static class PeakTrial
{
    // Pieces that every corpus of these lines has.
    private static readonly string[] captions = ["a cat in a hat", "a red cat", "the hat is red", "the cat at the door"];

    /// <summary>A film: sampling and decoding, planned and measured.</summary>
    public static IReadOnlyList<Measured> Film(ModelConfig c, FilmRequest request)
    {
        Libtorch.Threads = 1;
        using var folder = new Scratch();
        c = Folder(c, folder["model"], student: request.Speaker is Speaker.DmHead or Speaker.FmHead);
        using var files = ModelFiles.Open(folder["model"]);
        request = request.For(files);
        var plan = GeneratePlan.Of(c, request, threads: 1);
        using var scope = new Scope();
        var before = Start(out var resident);
        using var film = new FilmModel(files, request);
        double Phase(string name) => plan.Phases.Single(p => p.Name == name).Bytes;
        Libtorch.CpuMemory(restart: true);
        var latents = film.Sample(request);
        var sampling = new Measured("sampling", Phase("sampling"), Libtorch.CpuMemory(restart: true).Most - before, Resident("VmHWM") - resident);
        foreach (var _ in film.Decode(latents)) { }
        return [sampling, new("decoding", Phase("decoding"), Libtorch.CpuMemory().Most - before, Resident("VmHWM") - resident)];
    }

    /// <summary>A stage: its second and third step (the first makes the moments) with validation, planned and measured.</summary>
    public static Measured Stage(ModelConfig c, StageConfig stage)
    {
        using var folder = new Scratch();
        c = Folder(c, folder["model"], student: false);
        Videos(c, folder["data"]);
        stage = stage with { Loop = stage.Loop with { Steps = 3, LogEvery = 1, ValidateEvery = 2, CheckpointEvery = 3, SampleEvery = 0 } };
        if (stage.Method == Mmm.Entry.Name) stage = stage.With((MmmConfig)stage.Settings(Mmm.Entry) with { CriticFirst = 0 });
        var recipe = new TrainRecipe { From = folder["model"], Data = folder["data"], Out = folder["run"], Threads = 1, Stages = [stage] };
        var before = Start(out var resident);
        new Trainer(recipe, _ => new Steps(step => { if (step == 1) Libtorch.CpuMemory(restart: true); }), default).Run();
        return new(stage.Folder, TrainPlan.Of(c, stage, threads: 1)!.Fullest.Bytes, Libtorch.CpuMemory().Most - before, Resident("VmHWM") - resident);
    }

    private sealed class Steps(Action<long> done) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) { if (value.Unit == "steps") done(value.Done); }
    }

    private static long Start(out double resident)
    {
        if (File.Exists("/proc/self/clear_refs")) File.WriteAllText("/proc/self/clear_refs", "5");   // the resident peak starts anew
        resident = Resident("VmRSS");
        return Libtorch.CpuMemory(restart: true).Now;
    }

    private static double Resident(string name) => !File.Exists("/proc/self/status") ? double.NaN
        : 1024 * double.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith(name, StringComparison.Ordinal)).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);

    /// <summary>A model folder of random weights, all of them small; returns its config, whose vocabulary is the tokenizer's.</summary>
    private static ModelConfig Folder(ModelConfig c, string path, bool student)
    {
        Directory.CreateDirectory(path);
        var corpus = Path.Combine(path, "corpus.txt");
        File.WriteAllLines(corpus, captions);
        SentencePiece.Train(corpus, 40, Path.Combine(path, "tokens"));
        using (var pieces = new SentencePiece(Path.Combine(path, "tokens.model"))) c = c with { Text = c.Text with { Vocab = pieces.Count } };
        var folder = ModelFolder.Create(path, c);
        File.Copy(Path.Combine(path, "tokens.model"), folder.TokenizerFile);
        Part(ModelFolder.Vae, w => _ = new WanVae(w, c.Vae));
        Part(ModelFolder.Text, w => _ = new UmT5Encoder(w, c.Text));
        if (student) Part(ModelFolder.Student, w => _ = new DecoupledTransformer(w, c.Wan, c.HeadBlocks));
        else Part(ModelFolder.Teacher, w => _ = new WanTransformer(w, c.Wan));
        return c;

        void Part(string part, Action<Weights> make)
        {
            using var weights = Weights.Create(new Rng(1), Dtype.BF16);
            make(weights);
            folder.Save(part, weights);
        }
    }

    private static void Videos(ModelConfig c, string folder)
    {
        var frames = c.Frames(c.FilmLatents);
        Directory.CreateDirectory(folder);
        string Film(int i)
        {
            var path = Path.Combine(folder, $"take-{i}.mp4");
            using var writer = new VideoWriter(path, c.Width, c.Height, c.Fps);
            var (random, bytes) = (new Random(i), new byte[c.Width * c.Height * 3]);
            for (var frame = 0; frame < frames; frame++)
            {
                random.NextBytes(bytes);
                writer.Write(bytes);
            }
            writer.Complete();
            return path;
        }
        VideoSet.Write(folder, new(c.Fps, [],
            [.. Enumerable.Range(0, 2).Select(i => new Footage($"take-{i}", Film(i), $"{i}", 0, null, c.Fps, (int)frames, c.Width, c.Height, null))],
            [.. Enumerable.Range(0, 2).Select(i => new VideoItem(new($"take-{i}", "take", c.FilmLatents, captions[i]) { HeldOut = i == 1 }, $"take-{i}", 0, (int)frames))]));
    }

    private sealed class Scratch : IDisposable
    {
        private readonly string root = Directory.CreateTempSubdirectory("longtake-plan-").FullName;

        public string this[string name] => Path.Combine(root, name);

        public void Dispose() => Directory.Delete(root, recursive: true);
    }
}
