using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Training;

/// <summary>What a stage of training takes, from its config and the model's alone.</summary>
public static class TrainPlan
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

    /// <summary>Mode seeking meets mean seeking: student and critic, teacher and autoencoder beside them.</summary>
    private static Plan Heads(ModelConfig c, StageConfig stage, MmmConfig m, int threads)
    {
        double student = Counts.Student(c),
            critic = Counts.Transformer(c),
            vae = Counts.Vae(c),
            encoder = Counts.Text(c.Text),
            block = Counts.Block(c.Wan);
        var (loop, layers) = (stage.Loop, c.Wan.Layers);
        var shared = student - 2 * (student - Counts.Student(c, Head.DistributionMatching));
        double height = c.Height / c.Vae.SpatialStride,
            width = c.Width / c.Vae.SpatialStride,
            latent = Latent(c),
            passes = loop.Recompute ? 4 : 3;
        Sequence video = Sequence.Of(c, 1, c.VideoLatents),
            windows = Sequence.Of(c, m.Windows, Math.Min(c.ClipLatents, c.VideoLatents)),
            critics = Sequence.Of(c, m.CriticWindows, Math.Min(c.ClipLatents, c.VideoLatents));
        var (trained, frozen) = (
            new WanMemory(c.Wan, c.Model.Attention, Half, Float, threads),
            new WanMemory(c.Wan, c.Model.Attention, Half, Half, threads)
        );
        var again = loop.Accumulation > 1;
        var (decoder, reencoded) = (
            new VaeMemory(c.Vae, height, width, Half, threads),
            m.Boundary == Boundary.Reencode
        );
        var state = State(student + critic, student, Half * (critic + vae) + Float * FrozenText(encoder));

        var anchored = layers + (m.Anchor > 0 ? c.HeadBlocks : 0);
        var (kept, working, gradients) = trained.Training(
            video,
            anchored,
            loop.Recompute,
            block,
            student - anchored * block,
            again
        );
        var (dmKept, dmWorking, dmGradients) = trained.Training(
            video,
            layers,
            loop.Recompute,
            block,
            student - layers * block,
            true
        );
        // As WanVae.ImageLatents: several windows in one pass while they are small, else latent by latent.
        // where a window can start; all beyond the warm-up go together
        var starts = c.VideoLatents - (int)windows.Frames;
        double stretch = 1 + Math.Min(c.Vae.WarmUp, starts),
            pixels = c.Vae.Frames((long)stretch) * (double)c.Width * c.Height,
            atOnce = starts <= c.Vae.WarmUp
                ? 1
                : Math.Clamp(Math.Floor((1 << 22) / pixels), 1, Math.Max(m.Windows, m.CriticWindows));
        var boundary =
            !reencoded ? 0
            : pixels <= 1 << 22 ? decoder.Whole(atOnce, stretch).Working
            : decoder.Video(stretch) is var one ? one.Cache + one.Working + 2 * 3 * Float * pixels
            : 0;
        var windowsWorking = Math.Max(
            frozen.Forward(windows) + Latent(c) * windows.Batch * windows.Frames,
            Math.Max(trained.Forward(windows), boundary)
        );
        var beside = trained.Held(video) + layers * trained.Saved(video, loop.Recompute);
        if (beside + windowsWorking > dmKept + dmWorking)
            (dmKept, dmWorking) = (beside, windowsWorking);
        var (criticKept, criticWorking, criticGradients) = trained.Training(
            critics,
            layers,
            loop.Recompute,
            block,
            critic - layers * block,
            again
        );
        var copies = new Amount("gradients compared", m.CompareGradientsEvery > 0 ? Float * shared : 0);

        WanFlops whole = Forward(c, 1, c.VideoLatents),
            clip = Forward(c, 1, windows.Frames * c.Wan.PatchSize[0]);
        double Boundaries(int count) =>
            m.Boundary == Boundary.Reencode
                ? count
                    * (1 - m.FirstWindow)
                    * (
                        Flops.Vae(c.Vae, true, 1 + c.Vae.WarmUp, height, width)
                        + Flops.Vae(c.Vae, false, 1, height, width)
                    )
                : 0;
        var rollOut = m.RollOut == Methods.RollOut.OnPolicy ? (c.FewSteps.Length - 1) / 2.0 : 0;
        return new(
            stage.Folder,
            $"Mmm on {c.VideoLatents} latents at {c.Width}x{c.Height}, {video.Each:#,0} tokens, windows of "
                + $"{windows.Frames * c.Wan.PatchSize[0]}, {loop.Accumulation} samples a "
                + $"step{(loop.Recompute ? ", blocks recomputed" : "")}",
            [
                new("student", student),
                new("of it shared", shared),
                new("critic", critic),
                new("teacher", critic),
                new("autoencoder", vae),
                new("text encoder", encoder),
            ],
            whole.Parts,
            [
                new(
                    "mean seeking",
                    [
                        .. state,
                        new("gradients", gradients),
                        .. again ? [copies with { Value = copies.Value / 2 }] : Array.Empty<Amount>(),
                        new("activations", kept),
                        new("working", working),
                        new("latents", 8 * latent * c.VideoLatents),
                    ],
                    m.SftWeight == 0 && m.Anchor == 0 ? 0 : loop.Accumulation * passes * whole.Total * anchored / layers
                ),
                new(
                    "mode seeking",
                    [
                        .. state,
                        new("gradients", dmGradients),
                        copies,
                        new("activations", dmKept),
                        new("working", dmWorking),
                        new("latents", 10 * latent * c.VideoLatents + 12 * latent * windows.Batch * windows.Frames),
                    ],
                    m.DmWeight == 0
                        ? 0
                        : loop.Accumulation
                            * (
                                (rollOut + passes) * whole.Total
                                + m.Windows * (m.Guidance == 1 ? 2 : 3) * clip.Total
                                + Boundaries(m.Windows)
                            )
                ),
                new(
                    "critic",
                    [
                        .. state,
                        new("gradients", criticGradients),
                        new("activations", criticKept),
                        new("working", criticWorking),
                        new("latents", 4 * latent * c.VideoLatents + 8 * latent * critics.Batch * critics.Frames),
                    ],
                    m.DmWeight == 0
                        ? 0
                        : loop.Accumulation
                            * m.CriticUpdates
                            * (m.CriticWindows * passes * clip.Total + Boundaries(m.CriticWindows))
                ),
                new("optimiser", [.. state, new("gradients", Float * student)], 0),
                new(
                    "validation",
                    [
                        .. state,
                        new("copy of the weights", Float * student),
                        new("activations", trained.Forward(video)),
                        new("latents", 6 * latent * c.VideoLatents),
                    ],
                    0
                ),
            ],
            Disk(c, c.VideoLatents, student + critic, student, student + critic + vae + encoder),
            loop.Steps
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
