namespace LongTake.Nn;

/// <summary>Moving averages of weights.</summary>
public static class Ema
{
    /// <summary>A copy that takes no gradients.</summary>
    public static Weights Copy(Weights of)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var copy = Weights.Load(of.Source(), device: of.Device);
        foreach (var (name, tensor) in of.All)
            copy.Parameter(name, tensor.shape);
        return copy;
    }

    /// <summary>average = decay average + (1 - decay) now.</summary>
    public static void Update(Weights average, Weights now, double decay)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var current = now.All.ToDictionary();
        var weight = torch.tensor(1 - decay, ScalarType.Float32, average.Device);
        foreach (var (name, tensor) in average.All)
            tensor.lerp_(current[name], weight);
    }
}
