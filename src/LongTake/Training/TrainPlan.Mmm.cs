using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Training;

// The plan of MMM: a student of two heads, a frozen teacher and a critic.
public static partial class TrainPlan
{
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
}
