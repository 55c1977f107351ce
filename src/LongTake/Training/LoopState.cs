using LongTake.Methods;
using LongTake.Nn;

namespace LongTake.Training;

/// <summary>
/// What a checkpoint holds: the trained networks, their averages, the optimisers' moments, and the counters. Frees the
/// averages and the moments.
/// </summary>
internal sealed class LoopState(
    Method method,
    IReadOnlyDictionary<string, Optimiser> optimisers,
    IReadOnlyDictionary<string, Weights> average
) : IDisposable
{
    /// <summary>Writes a checkpoint; the newest two stay.</summary>
    public void Save(RunFolder run, long step, long samples, double seconds) =>
        run.Save(
            step,
            folder =>
            {
                foreach (var (name, w) in method.Networks)
                    TensorFiles.Write(Path.Combine(folder, $"{name}.safetensors"), w.All);
                foreach (var (name, w) in average)
                    TensorFiles.Write(Path.Combine(folder, $"{name}.average.safetensors"), w.All);
                foreach (var (name, o) in optimisers)
                    TensorFiles.Write(
                        Path.Combine(folder, $"{name}.optimiser.safetensors"),
                        o.State,
                        new Dictionary<string, string> { ["steps"] = o.Steps.ToString() }
                    );
                File.WriteAllText(Path.Combine(folder, "counters.txt"), $"{samples} {seconds:R}");
            },
            keep: 2
        );

    /// <summary>
    /// Goes on from the newest whole checkpoint; (0, 0, 0) when none was ever saved. <paramref name="passed"/> gets
    /// those passed over, and why.
    /// </summary>
    /// <exception cref="UserException">No checkpoint is whole; they are of another model.</exception>
    public (long Step, long Samples, double Seconds) Load(RunFolder run, List<string> passed)
    {
        if (run.Latest(verify: true, passed.Add) is not { } checkpoint)
            return !run.HasSaved
                ? (0, 0, 0)
                : throw new UserException(
                    $"{run.Root}: checkpoints were saved here, and none of them is whole any more "
                        + $"({(passed.Count > 0 ? string.Join("; ", passed) : "they are gone")}). Put them back; "
                        + "or, to begin anew with step 1, delete that folder"
                );
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        foreach (var (name, w) in method.Networks)
            Fill(w, $"{name}.safetensors");
        foreach (var (name, w) in average)
            Fill(w, $"{name}.average.safetensors");
        foreach (var (name, o) in optimisers)
        {
            using var file = SafetensorsSet.Open(Path.Combine(checkpoint.Folder, $"{name}.optimiser.safetensors"));
            o.Load(file.Source(), long.Parse(file.Metadata["steps"]));
        }
        var counters = File.ReadAllText(Path.Combine(checkpoint.Folder, "counters.txt")).Split(' ');
        return (checkpoint.Step, long.Parse(counters[0]), double.Parse(counters[1]));

        void Fill(Weights w, string name)
        {
            using var file = SafetensorsSet.Open(Path.Combine(checkpoint.Folder, name));
            foreach (var (parameter, tensor) in w.All)
            {
                using var one = torch.NewDisposeScope();
                if (!file.Contains(parameter))
                    throw new UserException(
                        $"{checkpoint.Folder}: {name} has no '{parameter}': this run was made with another "
                            + $"model; give another run folder"
                    );
                var saved = file.Tensor(parameter);
                if (!saved.shape.SequenceEqual(tensor.shape))
                    throw new UserException(
                        $"{checkpoint.Folder}: '{parameter}' is [{string.Join(", ", saved.shape)}], the "
                            + $"recipe makes [{string.Join(", ", tensor.shape)}]; give another run folder"
                    );
                tensor.copy_(saved);
            }
        }
    }

    public void Dispose()
    {
        foreach (var o in optimisers.Values)
            o.Dispose();
        foreach (var w in average.Values)
            w.Dispose();
    }
}
