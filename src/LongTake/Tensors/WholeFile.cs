namespace LongTake.Tensors;

/// <summary>Files of weights that must hold exactly what a network has.</summary>
public static class WholeFile
{
    /// <summary>
    /// Every tensor of a file, read at once so that the file can be closed, for the network that <paramref
    /// name="build"/> makes. An error names a weight that one of the two lacks, or whose shapes differ.
    /// </summary>
    public static Weights Load(SafetensorsSet file, Action<Weights> build, torch.Device? device = null)
    {
        var wanted = Check(file, build);
        var weights = Weights.Load(file.Source(), device: device);
        foreach (var name in file.Names.Concat(wanted.Keys))
            weights.Parameter(name, wanted[name]);
        return weights;
    }

    /// <summary>Shapes of a network, after a check that a file holds nothing beyond it.</summary>
    public static IReadOnlyDictionary<string, long[]> Check(SafetensorsSet file, Action<Weights> build)
    {
        var wanted = Weights.Shapes(build);
        return file.Names.FirstOrDefault(n => !wanted.ContainsKey(n)) is { } extra
            ? throw new UserException(
                $"the checkpoint holds a weight '{extra}' that a network of this configuration does not have; check "
                    + "that the config belongs to this checkpoint"
            )
            : wanted;
    }
}
