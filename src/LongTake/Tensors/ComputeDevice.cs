namespace LongTake.Tensors;

/// <summary>The device that a person or a recipe names.</summary>
public static class ComputeDevice
{
    /// <summary>What may be named, for help texts.</summary>
    public const string Names = "auto|cpu|cuda|cuda:N|mps";

    /// <summary>
    /// The device of a name: auto (a GPU where there is one, else the CPU), cpu, cuda (the first), cuda:1, mps.
    /// </summary>
    /// <exception cref="UserException">No such name, or a device that is not here, with the reason.</exception>
    public static torch.Device Choose(string name)
    {
        if (Problem(name) is { } problem)
            throw new UserException(problem, usage: true);
        var facts = Engine.Describe();
        var wanted = name == "auto" ? facts.Devices[^1].Name.Split(':')[0] : name;
        var full = wanted == "cuda" ? "cuda:0" : wanted;
        if (facts.Devices.Any(d => d.Name == full))
            return new torch.Device(full);
        var kind = full.Split(':')[0];
        var here = string.Join(", ", facts.Devices.Select(d => d.Name));
        var why = facts.Absent.FirstOrDefault(a => a.StartsWith(kind + ":", StringComparison.Ordinal))
            ?? $"{kind} has fewer devices";
        throw new UserException($"device '{name}' is not here ({why}); there are: {here}", usage: true);
    }

    /// <summary>What is wrong with a name, whatever devices there are; null when nothing.</summary>
    public static string? Problem(string name)
    {
        var number = name.StartsWith("cuda:", StringComparison.Ordinal) ? name[5..] : null;
        var known = number is null
            ? name is "auto" or "cpu" or "cuda" or "mps"
            : number.Length is > 0 and < 4 && number.All(char.IsAsciiDigit);
        return known ? null : $"device '{name}': give {Names.Replace("|", ", ")}";
    }

    /// <summary>The widest floating type of a device: Apple's GPUs have no float64.</summary>
    internal static ScalarType Widest(torch.Device device) =>
        device.type == DeviceType.MPS ? ScalarType.Float32 : ScalarType.Float64;

    /// <summary>A device's full name: "cpu", "cuda:0".</summary>
    public static string Name(torch.Device device) =>
        device.type switch
        {
            DeviceType.CPU => "cpu",
            DeviceType.CUDA => $"cuda:{Math.Max(0, device.index)}",
            _ => device.type.ToString().ToLowerInvariant(),
        };
}
