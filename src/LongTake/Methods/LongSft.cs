using LongTake.Models;

namespace LongTake.Methods;

/// <summary>
/// LongSFT: flow matching of one Wan transformer on whole takes (MMM eq. 14), the text encoder frozen.
/// </summary>
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
        return FlowMatching.Tune(
            "long-sft",
            stage.Model,
            c.Batch,
            stage.Optimiser,
            data,
            stage.Start(ModelFolder.Transformer, ModelFolder.Teacher),
            (folder, networks) => stage.Save(folder, ModelFolder.Transformer, networks["wan"]),
            (random, _) =>
            {
                var take = data.Takes[random.Int(data.Takes.Count)];
                return (data.Latents(take), random.Uniform() < c.CaptionDrop ? "" : take.Caption);
            },
            c.FlowLevels
        );
    }
}
