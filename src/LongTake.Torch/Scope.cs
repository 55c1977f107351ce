namespace LongTake.Torch;

/// <summary>
/// Owns the tensors made while it is the innermost one of its thread, and frees them when it ends. A plain list.
/// Tensors have no finaliser: a tensor made with no scope open is an error. Ending a scope frees handles only; what the
/// autograd graph still needs stays alive by libtorch's own counts. No await while a scope is open.
/// </summary>
public sealed class Scope : IDisposable
{
    [ThreadStatic] private static Scope? innermost;

    private readonly Scope? outer = innermost;
    private readonly List<Tensor?> owned = [];
    private readonly int thread = Environment.CurrentManagedThreadId;

    /// <summary>Opens a scope inside the current one of this thread.</summary>
    public Scope() => innermost = this;

    internal static Scope Current => innermost ??
        throw new InvalidOperationException("no Scope is open on this thread: write 'using var scope = new Scope();' around code that makes tensors");

    internal void Own(Tensor tensor)
    {
        tensor.Place(this, owned.Count);
        owned.Add(tensor);
    }

    internal void Disown(int slot) => owned[slot] = null;

    /// <summary>Hands a tensor to the scope outside this one, so that it outlives this scope.</summary>
    public Tensor Keep(Tensor tensor)
    {
        if (outer is null) throw new InvalidOperationException("this is the outermost scope: there is no scope to keep the tensor in");
        return tensor.MoveTo(outer);
    }

    /// <summary>Hands tensors to the scope outside this one.</summary>
    public Tensor[] Keep(Tensor[] tensors)
    {
        foreach (var t in tensors) Keep(t);
        return tensors;
    }

    /// <summary>Frees what the scope owns.</summary>
    public void Dispose()
    {
        if (thread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException("a Scope must end on the thread that opened it");
        if (innermost != this) throw new InvalidOperationException("scopes must end in the reverse order of their opening");
        innermost = outer;
        for (var i = owned.Count - 1; i >= 0; i--) owned[i]?.Free();
        owned.Clear();
    }
}
