using LongTake.Kernels;

namespace LongTake.Nn;

/// <summary>Settings of the optimiser of one update.</summary>
public sealed record OptimiserConfig
{
    public double Lr { get; init; } = 1e-4;
    public double Beta1 { get; init; } = 0.9;
    public double Beta2 { get; init; } = 0.99;
    public double WeightDecay { get; init; } = 0.01;
    public double Clip { get; init; } = 1;

    /// <summary>
    /// Learning rate of Muon for matrices and convolution kernels inside the network (not embeddings, patches, output
    /// heads, or anything narrower than 16); 0 leaves all to AdamW.
    /// </summary>
    public double MuonLr { get; init; }

    /// <summary>Optimiser steps of linear warm-up.</summary>
    public int WarmUp { get; init; } = 30;

    /// <summary>Share of the run after which the rate falls linearly, and the share of the rate it ends at.</summary>
    public double FlatUntil { get; init; } = 0.3;
    public double EndsAt { get; init; } = 0.1;

    /// <summary>Factor on the learning rates at a step of a run.</summary>
    public double Factor(long step, long steps)
    {
        var warm = Math.Min(1, (step + 1.0) / Math.Max(1, WarmUp));
        var progress = (double)step / Math.Max(1, steps);
        var fall =
            progress <= FlatUntil ? 1 : 1 - (1 - EndsAt) * (progress - FlatUntil) / Math.Max(1e-9, 1 - FlatUntil);
        return warm * fall;
    }
}

/// <summary>
/// AdamW with decoupled decay (Loshchilov and Hutter), and Muon (Jordan 2024) for the matrices of transformer blocks
/// when asked for: momentum, then five Newton-Schulz steps toward the nearest orthogonal matrix. The state is named
/// tensors, saved with a run.
/// </summary>
public sealed class Optimiser(
    string name,
    IReadOnlyList<KeyValuePair<string, Tensor>> parameters,
    OptimiserConfig config
) : IDisposable
{
    private readonly Weights state = Weights.Create(
        new Rng(0),
        device: parameters.Count > 0 ? parameters[0].Value.device : null
    );
    private long steps;

    /// <summary>Moments by parameter name, and the step count.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => state.All;

    /// <summary>Number of steps taken.</summary>
    public long Steps => steps;

    /// <summary>The parameters it moves.</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Parameters => parameters;

    private bool IsMuon(string parameter, Tensor p) =>
        config.MuonLr > 0
        && p.ndim >= 2
        && p.size(0) >= 16
        && p.numel() / p.size(0) >= 16
        && p.size(1) > 6
        && !NotMuon.Any(n => parameter.Contains(n, StringComparison.Ordinal));

    private static readonly string[] NotMuon = ["embedding", "modulation", "time_projection", "head.head", "place"];

    /// <summary>Euclidean norm of all gradients.</summary>
    public double GradientNorm()
    {
        using var scope = torch.NewDisposeScope();
        Tensor[] gradients = [.. parameters.Select(p => p.Value.grad).OfType<Tensor>()];
        if (gradients.Length == 0)
            return 0;
        if (gradients.All(KernelSwitch.Takes))
            return NormKernel.Norm(gradients);
        return torch.stack([.. gradients.Select(g => g.norm())]).norm().Number();
    }

    /// <summary>Forgets the gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, p) in parameters)
            p.grad = null;
    }

    /// <summary>
    /// One step on gradients multiplied by <paramref name="gradientFactor"/>, at <paramref name="factor"/> times the
    /// learning rates.
    /// </summary>
    public void Step(double factor, double gradientFactor = 1)
    {
        using var off = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        steps++;
        var adam = new List<(Tensor P, Tensor G, Tensor M, Tensor V)>();
        foreach (var (parameter, p) in parameters)
        {
            if (p.grad is not { } gradient)
                continue;
            if (gradientFactor != 1)
                gradient.mul_(gradientFactor);
            if (IsMuon(parameter, p))
                Muon(parameter, p, gradient, factor * config.MuonLr);
            else
                adam.Add((p, gradient.to(p.dtype), Moment(parameter, "m", p), Moment(parameter, "v", p)));
        }
        // Biases and gains do not decay.
        foreach (var group in adam.GroupBy(a => a.P.ndim > 1))
            AdamW_(
                [.. group],
                factor * config.Lr,
                config.Beta1,
                config.Beta2,
                group.Key ? config.WeightDecay : 0,
                steps
            );
    }

    private static readonly Operator fused = new("aten::_fused_adamw_");

    /// <summary>
    /// One step of AdamW, the <paramref name="step"/>th from 1, on many parameters with their gradients and moments, in
    /// one pass over memory: libtorch's operator, on the CPU too.
    /// </summary>
    internal static void AdamW_(
        IReadOnlyList<(Tensor P, Tensor G, Tensor M, Tensor V)> all,
        double lr,
        double beta1,
        double beta2,
        double decay,
        long step
    )
    {
        using var scope = torch.NewDisposeScope();
        Tensor[] Each(Func<(Tensor P, Tensor G, Tensor M, Tensor V), Tensor> part) => [.. all.Select(part)];
        var counts = Each(a => torch.full(Array.Empty<long>(), (double)step, ScalarType.Float32, a.P.device));
        fused.CallMany(
            0,
            Each(a => a.P),
            Each(a => a.G),
            Each(a => a.M),
            Each(a => a.V),
            Array.Empty<Tensor>(),
            counts,
            lr,
            beta1,
            beta2,
            decay,
            Eps,
            false,
            false,
            Argument.None,
            Argument.None
        );
    }

    private const double Eps = 1e-8;

    private void Muon(string parameter, Tensor p, Tensor g, double lr)
    {
        var m = Moment(parameter, "m", p);
        m.lerp_(g, torch.tensor(0.05, m.dtype, m.device));
        var x = Orthogonal(g.lerp(m, 0.95).reshape(p.size(0), -1));
        p.mul_(1 - lr * config.WeightDecay);
        p.add_(x.to(p.dtype).reshape(p.shape), -lr * Math.Sqrt(Math.Max(1, (double)x.size(0) / x.size(1))));
    }

    private static Tensor Orthogonal(Tensor g)
    {
        var wide = g.size(0) <= g.size(1);
        var x = (wide ? g : g.transpose(0, 1)).to(Products.Type(ScalarType.BFloat16, g.device));
        x = x / (x.to(ScalarType.Float32).norm() + 1e-7);
        for (var i = 0; i < 5; i++)
        {
            var a = x.mm(x.transpose(0, 1));
            var square = torch.addmm(a, a, a, -4.775f, 2.0315f);
            x = torch.addmm(x, square, x, 3.4445f, 1);
        }
        return wide ? x : x.transpose(0, 1);
    }

    private Tensor Moment(string parameter, string kind, Tensor like) =>
        (state / parameter).Parameter(kind, like.shape);

    /// <summary>Restores a saved state; names it lacks start at zero.</summary>
    public void Load(Func<string, Tensor?> source, long stepsTaken)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        steps = stepsTaken;
        foreach (var (parameter, p) in parameters)
        foreach (var kind in (string[])["m", "v"])
            if (source($"{parameter}.{kind}") is { } saved)
                Moment(parameter, kind, p).copy_(saved);
    }

    /// <summary>What this optimiser belongs to.</summary>
    public string Name => name;

    /// <summary>Frees the moments.</summary>
    public void Dispose() => state.Dispose();
}
