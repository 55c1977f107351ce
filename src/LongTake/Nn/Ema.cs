namespace LongTake.Nn;

/// <summary>Moving averages of weights.</summary>
public static class Ema
{
    /// <summary>A copy that takes no gradients.</summary>
    public static Weights Copy(Weights of)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var copy = Weights.Load(of.Source());
        foreach (var (name, tensor) in of.All) copy.Parameter(name, tensor.Shape);
        return copy;
    }

    /// <summary>average = decay average + (1 - decay) now.</summary>
    public static void Update(Weights average, Weights now, double decay)
    {
        using var off = GradMode.Off();
        var current = now.All.ToDictionary();
        foreach (var (name, tensor) in average.All) Lerp_(tensor, current[name], 1 - decay);
    }
}
