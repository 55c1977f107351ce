using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LongTake.Tests.Training;

/// <summary>
/// Kernels for libtorch's device "meta" of the operators that have theirs in Python alone. They give results of the
/// right shape, and remember an operator that was given a tensor of another device (a number without dimensions may be
/// the CPU's, as on a GPU).
/// </summary>
internal static unsafe class MetaKernels
{
    private static readonly torch.Device meta = new(DeviceType.META);
    private static readonly List<string> mixed = [];
    private static bool registered;

    /// <summary>Operators that mixed devices since the last time.</summary>
    public static string[] TakeMixed()
    {
        lock (mixed)
        {
            string[] all = [.. mixed];
            mixed.Clear();
            return all;
        }
    }

    /// <summary>Makes them known; once in a process.</summary>
    public static void Register()
    {
        lock (mixed)
        {
            if (registered)
                return;
            registered = true;
            fixed (
                byte* ns = "aten\0"u8,
                    key = "Meta\0"u8,
                    file = "tests\0"u8
            )
            {
                IntPtr library;
                var init = (delegate* unmanaged<byte*, byte*, byte*, uint, IntPtr*, int>)
                    Engine.Export("aoti_torch_library_init_impl");
                if (init(ns, key, file, 1, &library) != 0)
                    throw new TorchException("libtorch takes no kernels for the device 'meta'");
                Add(library, "aten::abs", &Same);
                Add(library, "aten::nan_to_num", &Same);
                Add(library, "aten::flip", &Same);
                Add(library, "aten::logical_and.out", &And);
                Add(library, "aten::where.self", &Where);
                Add(library, "aten::where.self_out", &WhereOut);
                Add(library, "aten::index_select", &IndexSelect);
                Add(library, "aten::native_layer_norm", &LayerNorm);
                Add(library, "aten::native_layer_norm_backward", &LayerNormBackward);
                Add(library, "aten::convolution_overrideable", &Convolution);
                Add(library, "aten::convolution_backward_overrideable", &ConvolutionBackward);
                Add(library, "aten::_fused_adamw_", &AdamW);
                Add(library, "aten::mm", &Product); // libtorch's own of these look at shapes alone
                Add(library, "aten::bmm", &Product);
                Add(library, "aten::cat", &Cat);
            }
        }
    }

    private static void Add(IntPtr library, string name, delegate* unmanaged<ulong*, ulong, ulong, void> kernel)
    {
        var add = (delegate* unmanaged<IntPtr, byte*, delegate* unmanaged<ulong*, ulong, ulong, void>, int>)
            Engine.Export("aoti_torch_library_impl");
        var text = Marshal.StringToCoTaskMemUTF8(name); // libtorch keeps it
        if (add(library, (byte*)text, kernel) != 0)
            throw new TorchException($"libtorch takes no kernel of {name} for the device 'meta'");
    }

    [UnmanagedCallersOnly]
    private static void Same(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() => Give(stack, 0, Like(Take(stack[0]))));

    [UnmanagedCallersOnly]
    private static void And(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (a, b, to) = (Take(stack[0]), Take(stack[1]), Take(stack[2]));
            Give(stack, 0, to.set_(Empty(Broadcast(a, b), to.dtype)));
        });

    [UnmanagedCallersOnly]
    private static void Where(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (condition, a, b) = (Take(stack[0]), Take(stack[1]), Take(stack[2]));
            Give(stack, 0, Empty(Broadcast(condition, a, b), a.ndim >= b.ndim ? a.dtype : b.dtype));
        });

    [UnmanagedCallersOnly]
    private static void WhereOut(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var shape = Broadcast(Take(stack[0]), Take(stack[1]), Take(stack[2]));
            Give(stack, 0, Take(stack[3]).set_(Empty(shape, Take(stack[3], look: true).dtype)));
        });

    [UnmanagedCallersOnly]
    private static void IndexSelect(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (x, dim, index) = (Take(stack[0]), (int)(long)stack[1], Take(stack[2]));
            var shape = x.shape;
            shape[dim < 0 ? dim + shape.Length : dim] = index.numel();
            Give(stack, 0, Empty(shape, x.dtype));
        });

    [UnmanagedCallersOnly]
    private static void LayerNorm(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var x = Take(stack[0]);
            long[] rows = [.. x.shape[..^1], 1];
            Give(stack, 0, Like(x));
            for (var i = 1; i < 3; i++)
                Give(stack, i, Empty(rows, ScalarType.Float32));
        });

    [UnmanagedCallersOnly]
    private static void LayerNormBackward(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            _ = Take(stack[0]);
            Give(stack, 0, Like(Take(stack[1])));
            for (var i = 1; i < 3; i++)
                Give(stack, i, Empty([0], ScalarType.Float32));
        });

    [UnmanagedCallersOnly]
    private static void Convolution(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (x, w) = (Take(stack[0]), Take(stack[1]));
            if (stack[2] != 0)
                _ = Take(*(ulong*)stack[2]);
            var (strides, padding) = (Numbers(stack[3]), Numbers(stack[4]));
            long[] shape =
            [
                x.size(0),
                w.size(0),
                .. strides.Select((s, d) => (x.size(d + 2) + 2 * padding[d] - w.size(d + 2)) / s + 1),
            ];
            Give(stack, 0, Empty(shape, x.dtype));
        });

    [UnmanagedCallersOnly]
    private static void ConvolutionBackward(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (x, w) = (Take(stack[1]), Take(stack[2]));
            _ = Take(stack[0]);
            Give(stack, 0, Like(x));
            Give(stack, 1, Like(w));
            Give(stack, 2, Empty([w.size(0)], w.dtype));
        });

    [UnmanagedCallersOnly]
    private static void AdamW(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            for (var list = 0; list < 6; list++)
                foreach (var item in Items(stack[list]))
                    _ = Take(item);
        });

    [UnmanagedCallersOnly]
    private static void Product(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            var (a, b) = (Take(stack[0]), Take(stack[1]));
            if (a.size(-1) != b.size(-2))
                throw new ArgumentException("shapes do not fit");
            Give(stack, 0, Empty([.. a.shape[..^1], b.size(-1)], a.dtype));
        });

    [UnmanagedCallersOnly]
    private static void Cat(ulong* stack, ulong arguments, ulong results) =>
        Kernel(() =>
        {
            Tensor[] all = [.. Items(stack[0]).Select(i => Take(i)).Where(t => t.ndim != 1 || t.numel() > 0)];
            var (shape, dim) = (all[0].shape, (int)(long)stack[1]);
            if (dim < 0)
                dim += shape.Length;
            shape[dim] = all.Sum(t => t.size(dim));
            Give(stack, 0, Empty(shape, all[0].dtype));
        });

    // An exception must not go through libtorch's frames.
    private static void Kernel(Action body, [CallerMemberName] string name = "")
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            body();
        }
        catch (Exception e)
        {
            lock (mixed)
                mixed.Add($"{name}: {e.Message}");
        }
    }

    private static Tensor Take(ulong handle, bool look = false, [CallerMemberName] string name = "")
    {
        byte defined;
        _ = ((delegate* unmanaged<IntPtr, byte*, int>)Engine.Export("aoti_torch_is_defined"))((IntPtr)handle, &defined);
        if (defined == 0)
            return Empty([0], ScalarType.Float32); // left out
        IntPtr copy;
        _ = StableAbi.NewTensorHandle((IntPtr)handle, &copy);
        var tensor = Tensor.UnsafeCreateTensor(copy);
        if (!look && tensor.device_type != DeviceType.META && tensor.ndim > 0)
            lock (mixed)
                mixed.Add($"{name}: [{string.Join(", ", tensor.shape)}] on {tensor.device}");
        return tensor;
    }

    private static void Give(ulong* stack, int at, Tensor tensor)
    {
        IntPtr handle;
        _ = StableAbi.NewTensorHandle(tensor.Handle, &handle);
        stack[at] = (ulong)handle;
    }

    private static Tensor Like(Tensor x) => Empty(x.shape, x.dtype);

    private static Tensor Empty(long[] shape, ScalarType type) => torch.empty(shape, type, meta);

    private static long[] Broadcast(params Tensor[] of)
    {
        var shape = new long[of.Max(t => t.ndim)];
        Array.Fill(shape, 1);
        foreach (var t in of)
            for (var d = 1; d <= t.ndim; d++)
                if (t.shape[^d] != 1)
                    shape[^d] = t.shape[^d];
        return shape;
    }

    private static long[] Numbers(ulong list) => [.. Items(list).Select(n => (long)n)];

    private static ulong[] Items(ulong list)
    {
        nuint size;
        _ = StableAbi.ListSize((IntPtr)list, &size);
        var items = new ulong[size];
        for (nuint i = 0; i < size; i++)
        {
            ulong item;
            _ = StableAbi.ListItem((IntPtr)list, i, &item);
            items[i] = item;
        }
        return items;
    }
}
