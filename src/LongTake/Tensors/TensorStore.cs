namespace LongTake.Tensors;

/// <summary>
/// Tensors that outlive scopes, one per key, for state that passes from step to step. Storing a tensor takes it out of
/// its scope and frees the one stored before. Store a copy, never a view: a view holds all the memory it looks into.
/// </summary>
public sealed class TensorStore : IDisposable
{
    private readonly Dictionary<object, Tensor> tensors = [];

    /// <summary>The tensor stored under <paramref name="key"/>, or null.</summary>
    public Tensor? this[object key]
    {
        get => tensors.GetValueOrDefault(key);
        set
        {
            if (tensors.Remove(key, out var before))
                before.Dispose();
            if (value is not null)
                tensors.Add(key, value.DetachFromDisposeScope());
        }
    }

    /// <summary>Bytes of all tensors.</summary>
    public long Bytes => tensors.Values.Sum(t => t.Bytes);

    /// <summary>Frees all tensors; the object can be used again.</summary>
    public void Dispose()
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
        tensors.Clear();
    }
}
