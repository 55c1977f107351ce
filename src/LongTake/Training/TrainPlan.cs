using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Training;

/// <summary>What a stage of training takes, from its config and the model's alone.</summary>
public static partial class TrainPlan
{
    private const double Float = 4,
        Half = 2,
        Moments = 8;

    /// <summary>
    /// The plan of one stage; null for methods whose memory is not modelled (Autoencoder and those of other rooms).
    /// </summary>
    public static Plan? Of(ModelConfig c, StageConfig stage, int threads = 0)
    {
        Fitting.RequireFormulas(c);
        return stage.Method switch
        {
            "LongSft" => Tuning(
                c,
                stage,
                Setting<FlowMatchingConfig>(stage, LongSft.Entry).Batch,
                c.VideoLatents,
                together: false,
                text: false,
                vae: false,
                threads
            ),
            "MixSft" => Tuning(
                c,
                stage,
                Setting<MixSftConfig>(stage, MixSft.Entry) is var m ? m.Batch : 0,
                m.Lengths.Length > 0 ? m.Lengths.Max() : c.VideoLatents,
                together: false,
                text: false,
                vae: true,
                threads
            ),
            "Teacher" => Tuning(
                c,
                stage,
                Setting<FlowMatchingConfig>(stage, Teacher.Entry).Batch,
                c.ClipLatents,
                together: true,
                text: true,
                vae: false,
                threads
            ),
            "Mmm" => Heads(c, stage, Setting<MmmConfig>(stage, Mmm.Entry), threads),
            _ => null,
        };
    }

    private static T Setting<T>(StageConfig stage, MethodEntry entry) => (T)stage.Settings(entry);

    private static double Latent(ModelConfig c) =>
        c.Vae.ZDim * (double)(c.Height / c.Vae.SpatialStride) * (c.Width / c.Vae.SpatialStride) * Float;

    private static WanFlops Forward(ModelConfig c, double batch, double latents) =>
        Flops.Wan(
            c.Wan,
            batch,
            latents,
            c.Height / c.Vae.SpatialStride,
            c.Width / c.Vae.SpatialStride,
            c.Model.Attention
        );

    // A small text encoder stays in memory; a large one has written what it gives before training.
    private static double FrozenText(double text) => text < TextCache.Large ? text : 0;

    /// <summary>Flow matching of one transformer, the samples of a batch in one forward or one after another.</summary>
    private static Plan Tuning(
        ModelConfig c,
        StageConfig stage,
        int batch,
        int latents,
        bool together,
        bool text,
        bool vae,
        int threads
    )
    {
        double wan = Counts.Transformer(c),
            encoder = Counts.Text(c.Text),
            decoder = Counts.Vae(c),
            block = Counts.Block(c.Wan),
            trained = wan + (text ? encoder : 0);
        var s = Sequence.Of(c, together ? batch : 1, latents);
        var memory = new WanMemory(c.Wan, c.Model.Attention, Half, Float, threads);
        var (kept, working, gradients) = memory.Training(
            s,
            c.Wan.Layers,
            stage.Loop.Recompute,
            block,
            trained - c.Wan.Layers * block,
            stage.Loop.Accumulation > 1 || !together && batch > 1
        );
        var frozen = (text ? 0 : Float * FrozenText(encoder)) + (vae ? Half * decoder : 0);
        var state = State(trained, trained, frozen);
        var forward = Forward(c, 1, latents);
        var texts = text ? 30 * batch * c.Wan.TextLength * c.Text.Dim * Float * c.Text.Layers : 0;
        return new(
            stage.Folder,
            $"{stage.Method} on {latents} latents at {c.Width}x{c.Height}, {s.Each:#,0} tokens, {batch} x "
                + $"{stage.Loop.Accumulation} samples a step{(stage.Loop.Recompute ? ", blocks recomputed" : "")}",
            [new("transformer", wan), new("text encoder", encoder), new("autoencoder", decoder)],
            forward.Parts,
            [
                new(
                    "flow matching",
                    [
                        .. state,
                        new("gradients", gradients),
                        new("activations", kept + texts),
                        new("working", working),
                        new("latents", 8 * Latent(c) * latents * s.Batch),
                    ],
                    batch * stage.Loop.Accumulation * (stage.Loop.Recompute ? 4 : 3) * forward.Total
                ),
                new("optimiser", [.. state, new("gradients", Float * trained)], 0),
                new(
                    "validation",
                    [
                        .. state,
                        new("copy of the weights", Float * trained),
                        new("activations", memory.Forward(Sequence.Of(c, 1, latents))),
                        new("latents", 6 * Latent(c) * latents),
                    ],
                    0
                ),
            ],
            Disk(c, latents, trained, trained, wan + decoder + encoder),
            stage.Loop.Steps
        );
    }

    private static Amount[] State(double trained, double averaged, double frozenBytes) =>
        [
            new("weights", Float * trained),
            new("frozen weights", frozenBytes),
            new("moments", Moments * trained),
            new("moving average", Float * averaged),
        ];

    private static IReadOnlyList<Amount> Disk(
        ModelConfig c,
        int latents,
        double trained,
        double averaged,
        double model
    ) =>
        [
            new("checkpoints (two are kept)", 2 * ((Float + Moments) * trained + Float * averaged)),
            new("model it ends with", Half * model),
            new("latents of a take", Latent(c) / Float * Half * latents),
            new("text of a caption", c.Wan.TextLength * (double)c.Wan.TextDim * Half),
        ];

    /// <summary>
    /// This stage in less memory: recomputed, with fewer windows, a smaller picture, shorter videos.
    /// </summary>
    public static IEnumerable<Alternative> Alternatives(ModelConfig c, StageConfig stage)
    {
        if (!stage.Loop.Recompute)
        {
            stage = stage with { Loop = stage.Loop with { Recompute = true } };
            yield return new("loop.recompute true", Of(c, stage)!);
        }
        if (
            stage.Method == "Mmm"
            && Setting<MmmConfig>(stage, Mmm.Entry) is { } m
            && (m.Windows > 1 || m.CriticWindows > 1)
        )
        {
            stage = stage.With(m with { Windows = 1, CriticWindows = 1 });
            yield return new("mmm.windows 1 and criticWindows 1", Of(c, stage)!);
        }
        foreach (var (width, height) in Fitting.Smaller(c, c.Width, c.Height))
            yield return new($"pictures of {width}x{height}", Of(c with { Width = width, Height = height }, stage)!);
        if (stage.Method != "Teacher")
            for (var latents = c.VideoLatents * 3 / 4; latents >= c.ClipLatents; latents = latents * 3 / 4)
                yield return new($"videos of {latents} latents", Of(c with { VideoLatents = latents }, stage)!);
    }
}
