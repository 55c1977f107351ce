namespace LongTake.Methods;

/// <summary>Settings of prefix tuning.</summary>
public sealed record PrefixSftConfig
{
    public int Batch { get; init; } = 1;

    /// <summary>Shortest beginning, in latents.</summary>
    public int Least { get; init; } = 2;

    /// <summary>Shift of the noise levels.</summary>
    public double Shift { get; init; } = 3;
}

/// <summary>Flow matching on beginnings of takes, every length equally likely.</summary>
public static class PrefixSft
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<PrefixSftConfig>("PrefixSft", Build, Problems) with
        {
            Takes = true,
        };

    private static IEnumerable<string> Problems(PrefixSftConfig c)
    {
        if (c.Least < 1)
            yield return $"least {c.Least}: at least 1 latent";
    }

    private static Method Build(Stage stage, PrefixSftConfig c)
    {
        var data = stage.Takes;
        return FlowMatching.Tune("prefix-sft", stage, c.Batch, new(c.Shift), (random, log) =>
        {
            var take = data.Takes[random.Int(data.Takes.Count)];
            var length = Math.Min(take.Latents, c.Least + random.Int(take.Latents - c.Least + 1));
            log["latents"] = length;
            return (data.Latents(take).narrow(2, 0, length), take.Caption);
        });
    }
}
