using System.Diagnostics;
using LongTake.Methods;
using LongTake.Nn;

namespace LongTake.Training;

/// <summary>How a run is driven, whatever it trains.</summary>
public sealed record LoopConfig
{
    public long Seed { get; init; } = 1;

    /// <summary>Iterations of the run.</summary>
    public long Steps { get; init; } = 1000;

    /// <summary>Micro-batches whose gradients are averaged for one optimiser step.</summary>
    public int Accumulation { get; init; } = 1;

    /// <summary>
    /// Backward computes each block again instead of keeping its activations: far less memory for a third more time.
    /// See 'longtake plan'.
    /// </summary>
    public bool Recompute { get; init; }

    /// <summary>Decay of the moving average of the weights; it starts fast and slows to this.</summary>
    public double Ema { get; init; } = 0.99;

    /// <summary>Iterations between log lines, held-out figures, checkpoints and sample videos (0: none).</summary>
    public int LogEvery { get; init; } = 10;
    public int ValidateEvery { get; init; } = 100;
    public int CheckpointEvery { get; init; } = 100;
    public int SampleEvery { get; init; }

    /// <summary>
    /// A loss that is not finite, or a gradient norm beyond this, that lasts this many iterations stops the run.
    /// </summary>
    public double CollapseNorm { get; init; } = 1e4;
    public int CollapsePatience { get; init; } = 10;
}

/// <summary>
/// The one training loop. Everything random in iteration k comes from (seed, k), the state is the checkpoint, so a run
/// that is killed and started again ends with the same bytes.
/// </summary>
public static class Loop
{
    /// <summary>In the log: processor seconds of this process since the line before.</summary>
    public const string ProcessorSeconds = "processor seconds";

    /// <summary>
    /// Trains, or goes on, until <see cref="LoopConfig.Steps"/>; returns the averaged weights by network name to
    /// <paramref name="done"/>. Sentences, such as checkpoints that were passed over, go into the log and to
    /// <paramref name="say"/>; <paramref name="begin"/> can add some before the first step.
    /// </summary>
    public static void Run(
        Method method,
        LoopConfig c,
        RunFolder run,
        IProgress<ProgressReport>? progress,
        Action<IReadOnlyDictionary<string, Weights>> done,
        Action<long, IReadOnlyDictionary<string, Weights>>? sample,
        CancellationToken cancel,
        Action<string>? say = null,
        Action<Action<string>>? begin = null
    )
    {
        using var held = run.Lock();
        var optimisers = method.Updates.ToDictionary(
            u => u.Name,
            u => new Optimiser(u.Name, u.Parameters, u.Optimiser)
        );
        var average = method.Averaged.ToDictionary(n => n, n => Ema.Copy(method.Networks[n]));
        using var state = new LoopState(method, optimisers, average);
        List<string> remarks = [];
        var (step, samples, before) = state.Load(run, remarks);
        if (step > c.Steps)
            throw new UserException(
                $"{run.Root}: has done {step} steps, and the recipe asks for {c.Steps}; give at least {step}, or "
                    + "another run folder"
            );
        using var log = new TrainingLog(run, step);
        remarks.ForEach(Note);
        begin?.Invoke(Note);
        var clock = Stopwatch.StartNew();
        var processor = Environment.CpuUsage.TotalTime;
        var bad = 0;
        var window = new Averages();

        while (step < c.Steps)
        {
            if (cancel.IsCancellationRequested)
            {
                // A state amid bad iterations is not kept: the count of them would begin anew, and a collapse go
                // unseen.
                if (bad == 0)
                    state.Save(run, step, samples, before + clock.Elapsed.TotalSeconds);
                throw new OperationCanceledException(
                    bad == 0
                        ? $"stopped and saved after {step} of {c.Steps} steps; the same command goes on"
                        : $"stopped after {step} of {c.Steps} steps, the last {bad} of them not usable; the "
                            + $"same command goes on from the last good state",
                    cancel
                );
            }
            var sound = Iterate(method, optimisers, c, step, window);
            step++;
            samples += method.Batch * c.Accumulation;
            bad = sound ? 0 : bad + 1;
            if (bad >= c.CollapsePatience)
                throw new UserException(
                    $"{run.Root}: training collapsed: the loss or its gradient was not usable in {bad} "
                        + $"iterations in a row up to step {step}. "
                        + $"The last good state is {run.Latest()?.Folder ?? "the start"}; lower the learning "
                        + $"rate or the weights of the losses."
                );
            foreach (var (name, copy) in average)
                Ema.Update(copy, method.Networks[name], Math.Min(c.Ema, (step + 1.0) / (step + 20.0)));

            var seconds = before + clock.Elapsed.TotalSeconds;
            if (step % c.LogEvery == 0 || step == c.Steps)
            {
                var scalars = window.Take();
                // Since the line before: lines that a resume forgets are spent again, so their sum is what the run
                // took.
                var spent = Environment.CpuUsage.TotalTime;
                log.Write(
                    new LogLine(
                        step,
                        samples,
                        Math.Round(seconds, 2),
                        [.. scalars, (ProcessorSeconds, Math.Round((spent - processor).TotalSeconds, 2))]
                    )
                );
                processor = spent;
                progress?.Report(new ProgressReport(step, c.Steps, "steps", Short(scalars)));
            }
            if (
                c.ValidateEvery > 0
                && (step % c.ValidateEvery == 0 || step == c.Steps)
                && method.Validate is { } validate
            )
                log.Write(
                    new LogLine(
                        step,
                        samples,
                        Math.Round(seconds, 2),
                        [.. Averaged(method, average, validate).Select(p => (p.Key, p.Value))]
                    )
                );
            if (sample is not null && c.SampleEvery > 0 && step % c.SampleEvery == 0)
                sample(step, average);
            if ((step % c.CheckpointEvery == 0 || step == c.Steps) && bad == 0)
                state.Save(run, step, samples, seconds);
        }
        done(average);

        void Note(string text)
        {
            log.Note(step, text);
            say?.Invoke($"{text}; training goes on from step {step}");
        }
    }

    /// <summary>
    /// One iteration: every update that is due; false when something was not finite and the step was left out.
    /// </summary>
    private static bool Iterate(
        Method method,
        Dictionary<string, Optimiser> optimisers,
        LoopConfig c,
        long step,
        Averages window
    )
    {
        var sound = true;
        method.Begin();
        for (var u = 0; u < method.Updates.Count; u++)
        {
            var update = method.Updates[u];
            if (step < update.From)
                continue;
            var optimiser = optimisers[update.Name];
            for (var time = 0; time < update.Times; time++)
            {
                using var scope = torch.NewDisposeScope();
                optimiser.ZeroGrad();
                var finite = true;
                for (var micro = 0; micro < c.Accumulation; micro++)
                {
                    using var inner = torch.NewDisposeScope();
                    var scalars = update.Descend(new Rng(c.Seed, step, u, time, micro), 1.0 / c.Accumulation);
                    foreach (var (name, value) in scalars)
                        window.Add($"{update.Name} {name}", value);
                    finite &= double.IsFinite(scalars["loss"]);
                }
                var norm = optimiser.GradientNorm();
                if (
                    step == update.From
                    && update.Parameters.FirstOrDefault(p => !p.Value.requires_grad) is { Key: { } still }
                )
                    throw new InvalidOperationException(
                        $"update '{update.Name}': '{still}' takes no gradient, it would never learn"
                    );
                window.Add($"{update.Name} norm", norm);
                var usable = finite && double.IsFinite(norm) && norm < c.CollapseNorm;
                sound &= usable;
                if (usable)
                    optimiser.Step(
                        update.Optimiser.Factor(step, c.Steps),
                        norm > update.Optimiser.Clip ? update.Optimiser.Clip / norm : 1
                    );
                optimiser.ZeroGrad();
            }
        }
        return sound;
    }

    /// <summary>
    /// Held-out figures of the averaged weights: they are put in place of the trained ones for the time.
    /// </summary>
    private static IReadOnlyDictionary<string, double> Averaged(
        Method method,
        Dictionary<string, Weights> average,
        Func<IReadOnlyDictionary<string, double>> validate
    )
    {
        using var scope = torch.NewDisposeScope();
        var trained = average.Keys.ToDictionary(n => n, n => Ema.Copy(method.Networks[n]));
        foreach (var (name, copy) in average)
            method.Networks[name].CopyFrom(copy);
        try
        {
            return validate();
        }
        finally
        {
            foreach (var (name, saved) in trained)
            {
                method.Networks[name].CopyFrom(saved);
                saved.Dispose();
            }
        }
    }

    private static string Short(IReadOnlyList<(string Name, double Value)> scalars) =>
        string.Join(
            ", ",
            scalars.Where(s => s.Name.EndsWith("loss", StringComparison.Ordinal)).Select(s => $"{s.Name} {s.Value:f4}")
        );

    /// <summary>Means of named numbers since the last log line.</summary>
    private sealed class Averages
    {
        private readonly OrderedDictionary<string, (double Sum, int Count)> sums = [];

        public void Add(string name, double value)
        {
            var (sum, count) = sums.GetValueOrDefault(name);
            sums[name] = (sum + value, count + 1);
        }

        public IReadOnlyList<(string, double)> Take()
        {
            List<(string, double)> means = [.. sums.Select(p => (p.Key, p.Value.Sum / p.Value.Count))];
            sums.Clear();
            return means;
        }
    }
}
