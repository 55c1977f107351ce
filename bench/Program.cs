using System.Diagnostics;
using LongTake.Bench;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Nn;
using LongTake.Worlds;

// ./dev bench [words]: the timed paths whose name holds one of the words, all without; the figures go to bench/results.json.
// Each is the best of several repeats, because other work on the machine only ever makes a figure worse.
(string Name, Func<IEnumerable<Row>> Run)[] benches =
[
    ("operator call", OperatorCall),
    ("world renderer", WorldRenderer),
    ("live tensors", LiveTensors),
    ("matrix rate", MatrixRate),
    ("train step", TrainStep),
    ("attention", AttentionRate),
    ("film", Film),
];
var rows = new List<Row>();
foreach (var (name, run) in benches)
{
    if (args.Length > 0 && !args.Any(a => name.Contains(a, StringComparison.OrdinalIgnoreCase))) continue;
    Console.Error.WriteLine($"bench: {name}");
    rows.AddRange(run());
}
// A figure from a machine that others keep busy must say so.
if (File.Exists("/proc/loadavg") && double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0]) is var load && load > Environment.ProcessorCount)
    rows = [.. rows.Select(r => r with { Note = $"{r.Note}{(r.Note is null ? "" : "; ")}machine busy: load {load:0.0} on {Environment.ProcessorCount} cores" })];
Row.Print(rows);
return Row.Save(rows) ? 0 : 1;

// Add of two 4-float tensors without gradients: the work is nothing, so this is the price of a call.
static IEnumerable<Row> OperatorCall()
{
    const int calls = 20_000;
    using var scope = new Scope();
    using var off = GradMode.Off();
    var (a, b) = (Ones([4]), Ones([4]));
    double Nanoseconds(Action<int> work) => Best(30, () => work(calls)) / calls * 1e9;
    var freed = Nanoseconds(n => { for (var i = 0; i < n; i++) (a + b).Free(); });
    var scoped = Nanoseconds(n =>
    {
        for (var i = 0; i < n; i += 100)
        {
            using var inner = new Scope();
            for (var k = 0; k < 100; k++) _ = a + b;
        }
    });
    var (python, why) = Peer.Python($"""
        import time, torch
        torch.set_grad_enabled(False)
        a, b = torch.ones(4), torch.ones(4)
        best = 1e9
        for r in range(31):
            t = time.perf_counter()
            for i in range({calls}): a + b
            best = min(best, time.perf_counter() - t)
        print(best / {calls} * 1e9)
        """);
    yield return new("operator call, freed at once", freed, "ns", python, "PyTorch from Python", Lower: true) { Note = why };
    yield return new("operator call, freed by a scope of 100", scoped, "ns", python, "PyTorch from Python", Lower: true) { Note = why };
}

static IEnumerable<Row> WorldRenderer()
{
    const int frames = TravellerTake.LongFrames;
    var take = TravellerTake.Long(new Rng(1), 0, 0);
    var seconds = Best(15, () => Traveller.Video(take, 0, frames, 1));
    yield return new("world renderer, one core", frames / seconds, "frames/s") { Floor = 20_000, Note = "a take of 977 frames, 32x32" };
}

// Forward, backward, step on a small network: after a warm-up no step may leave a tensor behind.
static IEnumerable<Row> LiveTensors()
{
    const int steps = 1000;
    using var outer = new Scope();
    using var weights = Weights.Create(new Rng(1));
    var (up, down) = ((weights / "up").Parameter("weight", [64, 16], 0.2), (weights / "down").Parameter("weight", [16, 64], 0.2));
    weights.Trainable();
    using var optimiser = new Optimiser("bench", [.. weights.All], new OptimiserConfig { Lr = 1e-3 });
    void Step()
    {
        using var scope = new Scope();
        optimiser.ZeroGrad();
        var x = Ones([32, 16]);
        Mean(Square(Linear(Silu(Linear(x, up)), down) - x)).Backward();
        optimiser.Step(1, 1);
    }
    for (var i = 0; i < 20; i++) Step();
    var (before, watch) = (Tensor.Live, Stopwatch.StartNew());
    for (var i = 0; i < steps; i++) Step();
    var seconds = watch.Elapsed.TotalSeconds;
    yield return new("live tensors after 1,000 training steps, growth", Tensor.Live - before, "tensors", Lower: true) { Floor = 0, Note = $"{before} live at the start" };
    yield return new("training step of a small network", seconds / steps * 1e6, "us", Lower: true);
}

static IEnumerable<Row> MatrixRate()
{
    const int n = 1024;
    using var scope = new Scope();
    foreach (var (dtype, name) in ((Dtype, string)[])[(Dtype.F32, "float32"), (Dtype.BF16, "bfloat16")])
    {
        var a = Full([n, n], 1.0 / n).To(dtype);
        var rate = 2.0 * n * n * n / Best(20, () => MatMul(a, a).Free()) / 1e9;
        var (python, why) = Peer.Python($"""
            import time, torch
            torch.set_num_threads({Libtorch.Threads})
            a = torch.full(({n}, {n}), 1 / {n}).to(torch.{name})
            best = 1e9
            for r in range(21):
                t = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - t)
            print(2 * {n}**3 / best / 1e9)
            """);
        yield return new($"matrix rate, {name}", rate, "GFLOP/s", python, "PyTorch from Python") { Note = why ?? $"{n}x{n}, {Libtorch.Threads} threads" };
    }
}

// A step of the miniature's teacher: 16 clips of 11 latents x 16 tokens; forward, backward, Muon and AdamW, moving average.
static IEnumerable<Row> TrainStep()
{
    const int batch = 16, latents = 11;
    var c = new WanConfig
    {
        PatchSize = [1, 1, 1], TextLength = 32, InChannels = 64, OutChannels = 64, Dim = 192, FfnDim = 384, FreqDim = 128, TextDim = 64,
        Heads = 3, Layers = 7, SkipPreconditioning = true,
    };
    using var outer = new Scope();
    using var weights = Weights.Create(new Rng(1));
    var network = new WanTransformer(weights, c);
    weights.Trainable();
    using var average = Ema.Copy(weights);
    using var optimiser = new Optimiser("bench", [.. weights.All], new OptimiserConfig { Lr = 1e-3, MuonLr = 0.02 });
    using var random = new Generator(1);
    var (x, text) = (random.Normal(batch, c.InChannels, latents, 4, 4), random.Normal(batch, 20, c.TextDim));
    var (timesteps, target) = (Full([batch], 500), random.Normal(batch, c.InChannels, latents, 4, 4));
    var phases = new double[3];
    Array.Fill(phases, double.MaxValue);
    void Timed(int phase, Action work)
    {
        var start = Environment.CpuUsage.TotalTime;
        work();
        phases[phase] = Math.Min(phases[phase], (Environment.CpuUsage.TotalTime - start).TotalSeconds);
    }
    Best(12, () =>
    {
        using var scope = new Scope();
        Tensor? loss = null;
        Timed(0, () => loss = Mean(Square(network.Forward(x, timesteps, text) - target)));
        Timed(1, () => loss!.Backward());
        Timed(2, () =>
        {
            optimiser.Step(1, 1 / Math.Max(1, optimiser.GradientNorm()));
            Ema.Update(average, weights, 0.997);
            optimiser.ZeroGrad();
        });
    });
    yield return new("train.step", phases.Sum(), "s", Lower: true)
    {
        Note = $"teacher of the miniature, {batch} clips x {latents * 16} tokens, CPU seconds on {Libtorch.Threads} threads: forward {phases[0]:0.00}, backward {phases[1]:0.00}, optimiser {phases[2]:0.00}",
    };
}

// One thread, beside the rate of bfloat16 matrix products in the same process: medians over turns of one after the other, because
// the machine's pace changes from one second to the next. Backward counts the forward it needs (4 and 10 N^2 d a head).
static IEnumerable<Row> AttentionRate()
{
    const int side = 1024;
    var threads = Libtorch.Threads;
    Libtorch.Threads = 1;
    foreach (var (tokens, heads, d) in ((int, int, int)[])[(1968, 6, 64), (3920, 12, 128)])
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var square = Full([side, side], 1.0 / side).To(Dtype.BF16);
        Tensor Draw() => g.Normal(1, tokens, heads, d).To(Dtype.BF16);
        var (q, k, v, towards) = (Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw());
        var work = 1.0 * tokens * tokens * d * heads / 1e9;
        var (rates, forward, both) = (new List<double>(), new List<double>(), new List<double>());
        for (var turn = 0; turn < 5; turn++)
        {
            rates.Add(2.0 * side * side * side / 1e9 / Best(5, () => MatMul(square, square).Free()));
            forward.Add(4 * work / rates[^1] / Best(2, () =>
            {
                using var inner = new Scope();
                using var off = GradMode.Off();
                Attention.Full(q, k, v);
            }));
            both.Add(14 * work / rates[^1] / Best(2, () =>
            {
                using var inner = new Scope();
                Attention.Full(q, k, v).Backward(towards);
            }));
        }
        static double Median(List<double> x) => x.Order().ElementAt(x.Count / 2);
        var (rate, suffix) = (Median(rates), tokens == 1968 ? "" : $", {tokens} tokens");
        var shape = $"{tokens} tokens, {heads} heads of {d}, bfloat16, one thread";
        yield return new($"attention.forward{suffix}", Median(forward) * rate, "GFLOP/s", rate, "matrix product") { Floor = .6 * rate, Note = shape };
        yield return new($"attention.backward{suffix}", Median(both) * rate, "GFLOP/s", rate, "matrix product") { Floor = .5 * rate, Note = shape + ", forward and backward" };
    }
    Libtorch.Threads = threads;
}

// Seconds of the fastest of so many runs, after one that warms up.
static double Best(int repeats, Action work)
{
    work();
    var best = double.MaxValue;
    for (var i = 0; i < repeats; i++)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
    return best;
}

// The minute in the few steps of the DM head, and by Euler with guidance in 50 (timed over 2 of its 50 steps; each costs the same).
IEnumerable<Row> Film()
{
    var at = new DirectoryInfo(AppContext.BaseDirectory);
    while (at is not null && !File.Exists(Path.Combine(at.FullName, "LongTake.slnx"))) at = at.Parent;
    var folder = Path.Combine(at?.FullName ?? ".", "models", "traveller");
    using var files = ModelFiles.Open(folder);
    var c = files.Config;
    Libtorch.Threads = Environment.ProcessorCount;
    using var scope = new Scope();
    var request = new FilmRequest { Prompt = "a traveller in a red coat and a top hat walks", Frames = c.Frames(c.FilmLatents), Speaker = Speaker.DmHead };
    using var model = new FilmModel(files, request);
    double Best(FilmRequest r)
    {
        var best = double.MaxValue;
        for (var i = 0; i < 4; i++)
        {
            using var inner = new Scope();
            var clock = Stopwatch.StartNew();
            model.Sample(r);
            if (i > 0) best = Math.Min(best, clock.Elapsed.TotalSeconds);
        }
        return best;
    }
    var few = Best(request);
    var guided = Best(request with { Sampler = Sampler.Euler, Steps = 2, Guidance = 3 }) / 2 * 50;
    var places = (double)(c.Height / c.Vae.SpatialStride / c.Wan.PatchSize[1]) * (c.Width / c.Vae.SpatialStride / c.Wan.PatchSize[2]);
    var tokens = c.FilmLatents * places;
    var seen = c.Wan.AxialAttention ? (c.FilmLatents + places) / 2 : tokens;
    var flops = c.FewSteps.Length * c.Wan.Layers * (4 * tokens * seen * c.Wan.Dim + 2 * tokens * (8.0 * c.Wan.Dim * c.Wan.Dim + 2.0 * c.Wan.Dim * c.Wan.FfnDim));
    yield return new Row("film.vs-cfg50", few, "s", guided, "50 Euler steps with guidance", Lower: true)
    {
        Note = $"sampling of one minute, without decoding; {flops / 1e9:0} GFLOP in the blocks, {flops / few / 1e9:0} GFLOP/s",
    };
}
