using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>
/// LongSFT: flow matching of one Wan transformer on whole takes (MMM eq. 14), the text encoder frozen.
/// </summary>
public static class LongSft
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<FlowMatchingConfig>("LongSft", (stage, c) =>
            Build(
                stage.Model,
                c,
                stage.Optimiser,
                stage.Takes,
                stage.Start(ModelFolder.Transformer, ModelFolder.Teacher),
                (folder, networks) => stage.Save(folder, ModelFolder.Transformer, networks["wan"])
            )
        ) with
        {
            Takes = true,
        };

    /// <summary>The method on its own network; <paramref name="export"/> gets it as "wan".</summary>
    public static Method Build(
        ModelFolder from,
        FlowMatchingConfig c,
        OptimiserConfig optimiser,
        LatentSet data,
        Weights wan,
        Action<string, IReadOnlyDictionary<string, Weights>> export
    )
    {
        var takes = FlowMatching.First(data.Takes, c.Takes);
        return FlowMatching.Tune(
            "long-sft",
            from,
            c.Batch,
            optimiser,
            data,
            wan,
            export,
            (random, _) =>
            {
                var take = takes[random.Int(takes.Count)];
                return (data.Latents(take), random.Uniform() < c.CaptionDrop ? "" : take.Caption);
            },
            c.Shift
        );
    }
}
