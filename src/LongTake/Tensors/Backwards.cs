using System.Runtime.ExceptionServices;

namespace LongTake.Tensors;

/// <summary>
/// What backward functions written in C# need beside TorchSharp. An exception must not pass through libtorch's frames,
/// which would end the process: it is kept, and thrown by <see cref="Backward"/>. Gradients that are handed to libtorch
/// must live until it has taken them, whatever the collector does; they do until the next function of the thread.
/// </summary>
public static class Backwards
{
    private static ExceptionDispatchInfo? failure;

    [ThreadStatic]
    private static List<Tensor>? sent;

    /// <summary>
    /// Differentiates; gradients add up in <c>grad</c> of the leaves. Throws what a backward function of ours failed
    /// with.
    /// </summary>
    public static void Backward(Tensor loss, Tensor? gradient = null)
    {
        try
        {
            if (gradient is null)
                loss.backward();
            else
                loss.backward([gradient]);
        }
        finally
        {
            Release();
        }
        Interlocked.Exchange(ref failure, null)?.Throw();
    }

    /// <summary>
    /// The body of the backward function of a forward that has so many <paramref name="arguments"/>. <paramref
    /// name="compute"/> gets the saved tensors, and gives a gradient or null for each argument of forward. What it
    /// makes besides is freed. Without a gradient to send back (a result nobody used) nothing is computed.
    /// </summary>
    internal static List<Tensor?> Guard(
        Tensor gradient,
        torch.autograd.AutogradContext context,
        int arguments,
        Func<List<Tensor>, List<Tensor?>> compute
    )
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            if (gradient is null || gradient.IsInvalid)
                return [.. new Tensor?[arguments]];
            using var off = torch.no_grad();
            using var used = gradient;
            var gradients = compute(context.get_saved_variables());
            Release();
            foreach (var g in gradients)
                if (g is not null)
                    Keep(g);
            return gradients;
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            return [.. new Tensor?[arguments]];
        }
    }

    /// <summary>
    /// Takes a tensor that a backward function of this thread is about to return out of every scope, until libtorch has
    /// taken it.
    /// </summary>
    internal static void Keep(Tensor gradient)
    {
        gradient.DetachFromDisposeScope();
        (sent ??= []).Add(gradient);
    }

    /// <summary>Lets go of what earlier backward functions of this thread have returned.</summary>
    internal static void Release()
    {
        if (sent is null)
            return;
        foreach (var gradient in sent)
            gradient.Dispose();
        sent.Clear();
    }
}
