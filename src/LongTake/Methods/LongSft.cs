namespace LongTake.Methods;

/// <summary>LongSFT: flow matching of one transformer on whole takes (MMM eq. 14), the text encoder frozen.</summary>
public static class LongSft
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<FlowMatchingConfig>("LongSft", Build) with
        {
            Takes = true,
        };

    private static Method Build(Stage stage, FlowMatchingConfig c)
    {
        var data = stage.Takes;
        return FlowMatching.Tune("long-sft", stage, c.Batch, c.FlowLevels, (random, _) =>
        {
            var take = data.Takes[random.Int(data.Takes.Count)];
            return (data.Latents(take), random.Uniform() < c.CaptionDrop ? "" : take.Caption);
        });
    }
}
