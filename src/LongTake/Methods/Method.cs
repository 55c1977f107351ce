using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>
/// One thing an iteration does: add gradients, then step an optimiser over some parameters. <paramref name="Descend"/>
/// gets the random numbers of (seed, step, micro-batch) and the weight of this micro-batch, calls backward itself, and
/// returns named scalars, "loss" among them; a step whose loss is not finite is left out.
/// </summary>
public sealed record Update(
    string Name,
    IReadOnlyList<KeyValuePair<string, Tensor>> Parameters,
    OptimiserConfig Optimiser,
    Func<Rng, double, IReadOnlyDictionary<string, double>> Descend
)
{
    /// <summary>First iteration it takes part in.</summary>
    public long From { get; init; }

    /// <summary>Times it runs in an iteration.</summary>
    public int Times { get; init; } = 1;
}

/// <summary>
/// A training method as a value: the networks a checkpoint holds, which of them are averaged, and the updates of one
/// iteration in order. One loop runs every method.
/// </summary>
public sealed class Method : IDisposable
{
    private readonly List<IDisposable> owned = [];

    /// <summary>The trained networks by name; a checkpoint holds exactly these.</summary>
    public required IReadOnlyDictionary<string, Weights> Networks { get; init; }

    /// <summary>Names of the networks of which a moving average is kept, exported in their place.</summary>
    public IReadOnlyList<string> Averaged { get; init; } = [];

    /// <summary>What an iteration does, in order.</summary>
    public required IReadOnlyList<Update> Updates { get; init; }

    /// <summary>Called before the updates of each iteration.</summary>
    public Action Begin { get; init; } = () => { };

    /// <summary>Samples of one iteration's micro-batch, for the counter.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>
    /// A held-out figure (named; lower is better), computed without touching any state; null when there is none.
    /// </summary>
    public Func<IReadOnlyDictionary<string, double>>? Validate { get; init; }

    /// <summary>Writes the results as a model folder, given the (averaged) weights by network name.</summary>
    public required Action<string, IReadOnlyDictionary<string, Weights>> Export { get; init; }

    /// <summary>Makes this method free something at its end: a network that is not trained, for example.</summary>
    public Method AlsoFree(IDisposable more)
    {
        owned.Add(more);
        return this;
    }

    /// <summary>Frees the networks, and what <see cref="AlsoFree"/> was given.</summary>
    public void Dispose()
    {
        foreach (var network in Networks.Values)
            network.Dispose();
        owned.ForEach(o => o.Dispose());
    }
}
