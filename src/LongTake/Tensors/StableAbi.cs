namespace LongTake.Tensors;

/// <summary>
/// The functions of libtorch's stable C interface that are used here. They stay as they are from 2.10 on, whatever
/// libtorch is loaded. A handle of a tensor is the same pointer as TorchSharp's. Each returns 0, or another number
/// after it wrote a reason to standard error.
/// </summary>
internal static unsafe class StableAbi
{
    /// <summary>The version these calls are written for, as the dispatcher wants to know it.</summary>
    public const ulong Version = 2UL << 56 | 10UL << 48;

    public static readonly delegate* unmanaged<byte*, byte*, ulong*, ulong, int> CallDispatcher = (delegate* unmanaged<
        byte*,
        byte*,
        ulong*,
        ulong,
        int>)Find("torch_call_dispatcher");

    public static readonly delegate* unmanaged<IntPtr, IntPtr*, int> NewTensorHandle = (delegate* unmanaged<
        IntPtr,
        IntPtr*,
        int>)Find("aoti_torch_new_tensor_handle");

    public static readonly delegate* unmanaged<nuint, IntPtr*, int> NewList = (delegate* unmanaged<
        nuint,
        IntPtr*,
        int>)Find("torch_new_list_reserve_size");

    public static readonly delegate* unmanaged<IntPtr, ulong, int> ListAdd = (delegate* unmanaged<
        IntPtr,
        ulong,
        int>)Find("torch_list_push_back");

    public static readonly delegate* unmanaged<IntPtr, nuint*, int> ListSize = (delegate* unmanaged<
        IntPtr,
        nuint*,
        int>)Find("torch_list_size");

    public static readonly delegate* unmanaged<IntPtr, nuint, ulong*, int> ListItem = (delegate* unmanaged<
        IntPtr,
        nuint,
        ulong*,
        int>)Find("torch_list_get_item");

    public static readonly delegate* unmanaged<IntPtr, int> DeleteList = (delegate* unmanaged<IntPtr, int>)Find(
        "torch_delete_list"
    );

    public static readonly delegate* unmanaged<IntPtr, void**, int> DataPointer = (delegate* unmanaged<
        IntPtr,
        void**,
        int>)Find("aoti_torch_get_data_ptr");

    /// <summary>
    /// Memory, dimensions, sizes, strides, offset, element type, kind and index of the device; the new tensor.
    /// </summary>
    public static readonly delegate* unmanaged<
        void*,
        long,
        long*,
        long*,
        long,
        int,
        int,
        int,
        IntPtr*,
        int> FromMemory = (delegate* unmanaged<void*, long, long*, long*, long, int, int, int, IntPtr*, int>)Find(
        "aoti_torch_create_tensor_from_blob"
    );

    private static IntPtr Find(string name) =>
        Engine.Export(name) is var address and not 0
            ? address
            : throw new UserException($"this libtorch has no {name}: {Engine.Oldest} or later is needed");
}
