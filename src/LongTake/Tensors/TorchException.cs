namespace LongTake.Tensors;

/// <summary>
/// A failed operator: its name, libtorch's one-line reason, then dtype, shape and device of each tensor argument.
/// </summary>
public sealed class TorchException(string message) : Exception(message);
