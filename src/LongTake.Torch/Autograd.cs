using System.Runtime.InteropServices;

namespace LongTake.Torch;

/// <summary>Turns the recording of gradients off (or on) for this thread until disposed.</summary>
public readonly struct GradMode : IDisposable
{
    private readonly int before;

    private GradMode(bool enabled) => Native.Check(Native.lt_grad_mode(enabled ? 1 : 0, out before));

    /// <summary>No graph is built until the result is disposed.</summary>
    public static GradMode Off() => new(false);

    /// <summary>A graph is built until the result is disposed.</summary>
    public static GradMode On() => new(true);

    /// <summary>Restores the mode from before.</summary>
    public void Dispose() => Native.Check(Native.lt_grad_mode(before, out _));
}

/// <summary>Activation checkpointing: memory of one block instead of all, for one more forward in backward.</summary>
public static unsafe class Recompute
{
    private sealed record Call(Func<Tensor[], Tensor> Forward)
    {
        public Exception? Failure { get; set; }
    }

    /// <summary>
    /// Runs <paramref name="forward"/> without a graph; backward runs it again with one. At least one input must require a
    /// gradient; parameters the function uses get theirs straight into .Grad. The function must be deterministic.
    /// </summary>
    public static Tensor Run(Func<Tensor[], Tensor> forward, params Tensor[] inputs)
    {
        var call = new Call(forward);
        var context = GCHandle.ToIntPtr(GCHandle.Alloc(call));
        var handles = stackalloc IntPtr[inputs.Length];
        for (var i = 0; i < inputs.Length; i++) handles[i] = inputs[i].Handle;
        var status = Native.lt_recompute_call(&Forward, &Release, context, handles, inputs.Length, out var output);
        if (status != 0) throw call.Failure ?? new TorchException("recompute: " + Native.Error);
        return new Tensor(output);
    }

    [UnmanagedCallersOnly]
    private static int Forward(IntPtr context, IntPtr* inputs, int count, IntPtr* output)
    {
        var call = (Call)GCHandle.FromIntPtr(context).Target!;
        try
        {
            using var scope = new Scope();
            var tensors = new Tensor[count];
            for (var i = 0; i < count; i++)
            {
                Native.Check(Native.lt_share(inputs[i], out var again));
                tensors[i] = new Tensor(again);
            }
            Native.Check(Native.lt_share(call.Forward(tensors).Handle, out var result));
            *output = result;
            return 0;
        }
        catch (Exception e)
        {
            call.Failure = e;
            return 1;
        }
    }

    [UnmanagedCallersOnly]
    private static void Release(IntPtr context) => GCHandle.FromIntPtr(context).Free();
}
