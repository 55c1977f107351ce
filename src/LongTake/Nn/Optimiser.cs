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
    /// Learning rate of Muon for matrices and convolution kernels inside the network (not embeddings, patches, output heads, or
    /// anything narrower than 16); 0 leaves all to AdamW.
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
        var fall = progress <= FlatUntil ? 1 : 1 - (1 - EndsAt) * (progress - FlatUntil) / Math.Max(1e-9, 1 - FlatUntil);
        return warm * fall;
    }
}

/// <summary>
/// AdamW with decoupled decay (Loshchilov and Hutter), and Muon (Jordan 2024) for the matrices of transformer blocks when asked for:
/// momentum, then five Newton-Schulz steps toward the nearest orthogonal matrix. The state is named tensors, saved with a run.
/// </summary>
public sealed class Optimiser(string name, IReadOnlyList<KeyValuePair<string, Tensor>> parameters, OptimiserConfig config) : IDisposable
{
    private readonly Weights state = Weights.Create(new Rng(0));
    private long steps;

    /// <summary>Moments by parameter name, and the step count.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> State => state.All;

    /// <summary>Number of steps taken.</summary>
    public long Steps => steps;

    /// <summary>The parameters it moves.</summary>
    public IReadOnlyList<KeyValuePair<string, Tensor>> Parameters => parameters;

    private bool IsMuon(string parameter, Tensor p) =>
        config.MuonLr > 0 && p.Rank >= 2 && p.Size(0) >= 16 && p.Count / p.Size(0) >= 16 && p.Size(1) > 6 &&
        !NotMuon.Any(n => parameter.Contains(n, StringComparison.Ordinal));

    private static readonly string[] NotMuon = ["embedding", "modulation", "time_projection", "head.head", "place"];

    /// <summary>Euclidean norm of all gradients.</summary>
    public double GradientNorm()
    {
        using var scope = new Scope();
        var norms = new List<Tensor>();
        foreach (var (_, p) in parameters)
            if (p.Grad is { } g) norms.Add(Norm(g));
        return norms.Count == 0 ? 0 : Norm(Stack(norms.ToArray())).Scalar();
    }

    /// <summary>Forgets the gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var (_, p) in parameters) p.Grad = null;
    }

    /// <summary>One step on gradients multiplied by <paramref name="gradientFactor"/>, at <paramref name="factor"/> times the learning rates.</summary>
    public void Step(double factor, double gradientFactor = 1)
    {
        using var off = GradMode.Off();
        steps++;
        foreach (var (parameter, p) in parameters)
        {
            using var scope = new Scope();
            if (p.Grad is not { } gradient) continue;
            if (gradientFactor != 1) Mul_(gradient, gradientFactor);
            if (IsMuon(parameter, p)) Muon(parameter, p, gradient, factor * config.MuonLr);
            else AdamW(parameter, p, gradient, factor * config.Lr);
        }
    }

    private void AdamW(string parameter, Tensor p, Tensor g, double lr)
    {
        using var scope = new Scope();
        var (m, v) = (Moment(parameter, "m", p), Moment(parameter, "v", p));
        var decay = p.Rank > 1 ? config.WeightDecay : 0;
        if (p.Dtype == Dtype.F32 && Fused.Takes(p)) Fused.AdamW_(p, g, m, v, lr, config.Beta1, config.Beta2, decay, steps);
        else AdamW_(p, g, m, v, lr, config.Beta1, config.Beta2, decay, steps);
    }

    /// <summary>The same of libtorch's operators, in six passes.</summary>
    internal static void AdamW_(Tensor p, Tensor g, Tensor m, Tensor v, double lr, double beta1, double beta2, double decay, long step)
    {
        Lerp_(m, g, 1 - beta1);
        Mul_(v, beta2);
        AddCMul_(v, g, g, 1 - beta2);
        Mul_(p, 1 - lr * decay);
        AddCDiv_(p, m, Sqrt(v) / Math.Sqrt(1 - Math.Pow(beta2, step)) + 1e-8, -lr / (1 - Math.Pow(beta1, step)));
    }

    private void Muon(string parameter, Tensor p, Tensor g, double lr)
    {
        var m = Moment(parameter, "m", p);
        Lerp_(m, g, 0.05);
        var x = Orthogonal(Lerp(g, m, 0.95).Reshape(p.Size(0), -1));
        Mul_(p, 1 - lr * config.WeightDecay);
        Add_(p, x.To(p.Dtype).Reshape(p.Shape), -lr * Math.Sqrt(Math.Max(1, (double)x.Size(0) / x.Size(1))));
    }

    private static Tensor Orthogonal(Tensor g)
    {
        var wide = g.Size(0) <= g.Size(1);
        var x = (wide ? g : g.Transpose(0, 1)).To(Products.Type(Dtype.BF16, g.Device));
        x = x / (Norm(x.To(Dtype.F32)) + 1e-7);
        for (var i = 0; i < 5; i++)
        {
            var a = MatMul(x, x.Transpose(0, 1));
            x = AddMatMul(x, AddMatMul(a, a, a, -4.775, 2.0315), x, 3.4445, 1);
        }
        return wide ? x : x.Transpose(0, 1);
    }

    private Tensor Moment(string parameter, string kind, Tensor like) => (state / parameter).Parameter(kind, like.Shape);

    /// <summary>Restores a saved state; names it lacks start at zero.</summary>
    public void Load(Func<string, Tensor?> source, long stepsTaken)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        steps = stepsTaken;
        foreach (var (parameter, p) in parameters)
            foreach (var kind in (string[])["m", "v"])
                if (source($"{parameter}.{kind}") is { } saved) Copy_(Moment(parameter, kind, p), saved);
    }

    /// <summary>What this optimiser belongs to.</summary>
    public string Name => name;

    /// <summary>Frees the moments.</summary>
    public void Dispose() => state.Dispose();
}
