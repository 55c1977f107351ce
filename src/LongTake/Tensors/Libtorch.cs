namespace LongTake.Tensors;

/// <summary>Facts and settings of the loaded libtorch.</summary>
public static class Libtorch
{
    /// <summary>Version text of libtorch.</summary>
    public static string Version => Engine.Describe().Version;

    /// <summary>Threads of one operator.</summary>
    public static int Threads
    {
        get => torch.get_num_threads();
        set => torch.set_num_threads(value);
    }

    /// <summary>Waits until a device has done what it was asked for; a CPU always has.</summary>
    public static void Synchronize(torch.Device device)
    {
        if (device.type == DeviceType.CUDA)
            torch.cuda.synchronize(device);
    }
}
