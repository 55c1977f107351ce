using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Memory of one thread for its intermediate results; it grows to what was asked for and is used again.
/// </summary>
internal sealed unsafe class Scratch
{
    [ThreadStatic]
    private static Scratch? own;

    private float* memory;
    private long size;

    /// <summary>
    /// At least <paramref name="floats"/> floats at a multiple of 64 bytes, their contents left over; valid until the
    /// thread asks again.
    /// </summary>
    public static float* Take(long floats)
    {
        own ??= new();
        if (own.size < floats)
        {
            NativeMemory.AlignedFree(own.memory);
            own.memory = null;
            own.size = 0;
            own.memory = (float*)NativeMemory.AlignedAlloc((nuint)floats * sizeof(float), 64);
            own.size = floats;
            new Span<float>(own.memory, (int)floats).Clear();
        }
        return own.memory;
    }

    ~Scratch() => NativeMemory.AlignedFree(memory);
}

/// <summary>Memory of a whole loop for what its threads share; one piece is kept for the next loop.</summary>
internal static unsafe class Workspace
{
    private static Piece? kept;

    /// <summary>
    /// Calls <paramref name="body"/> with at least <paramref name="floats"/> floats at a multiple of 64 bytes, their
    /// contents left over.
    /// </summary>
    public static void Use(long floats, Action<IntPtr> body)
    {
        var piece = Interlocked.Exchange(ref kept, null);
        if (piece is null || piece.Floats < floats)
            piece = new(floats);
        body((IntPtr)piece.Memory);
        Volatile.Write(ref kept, piece);
    }

    private sealed class Piece(long floats)
    {
        public readonly long Floats = floats;
        public readonly float* Memory = (float*)NativeMemory.AlignedAlloc((nuint)floats * sizeof(float), 64);

        ~Piece() => NativeMemory.AlignedFree(Memory);
    }
}
