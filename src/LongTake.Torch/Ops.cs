namespace LongTake.Torch;

/// <summary>Operators of libtorch by name.</summary>
public static class Ops
{
}
