using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Where the video that windows are cut from comes from.</summary>
public enum RollOut
{
    /// <summary>Backward simulation by the DM head itself, stopped at a random step.</summary>
    OnPolicy,

    /// <summary>A real take, noised to a random level of the few-step list, and one forward.</summary>
    NoisedReal,
}

/// <summary>How the first latent of a window inside the video is made.</summary>
public enum Boundary
{
    /// <summary>Decoded to pixels and encoded again as an image latent.</summary>
    Reencode,

    /// <summary>Left as it is (an ablation).</summary>
    Raw,

    /// <summary>Left out: windows are one latent shorter and begin with the next (an ablation).</summary>
    Skip,
}

/// <summary>How teacher and critic move the video.</summary>
public enum Surrogate
{
    /// <summary>Distribution matching: by their difference.</summary>
    Dmd,

    /// <summary>Score identity: by a loss that both are differentiated in.</summary>
    Sid,
}

/// <summary>Settings of Mode Seeking meets Mean Seeking.</summary>
public sealed record MmmConfig
{
    /// <summary>Weight of the flow-matching loss on real takes (FM head). 0 is the ablation without SFT.</summary>
    public double SftWeight { get; init; } = 1;

    /// <summary>Weight of the distribution-matching loss (DM head).</summary>
    public double DmWeight { get; init; } = 1;

    /// <summary>Weight of the flow-matching loss on the DM head too. 0 is the paper.</summary>
    public double Anchor { get; init; }

    /// <summary>Both losses on one head: the ablation without dual heads.</summary>
    public bool SingleHead { get; init; }
    public RollOut RollOut { get; init; } = RollOut.OnPolicy;

    /// <summary>Step of the few-step list that an on-policy roll-out, or a noised take, stops at.</summary>
    public ExitSchedule Exit { get; init; } = ExitSchedule.Uniform;
    public Boundary Boundary { get; init; } = Boundary.Reencode;
    public WindowSampling WindowSampling { get; init; } = WindowSampling.Uniform;
    public Surrogate Surrogate { get; init; } = Surrogate.Dmd;

    /// <summary>Windows of a roll-out that the student is judged on.</summary>
    public int Windows { get; init; } = 6;

    /// <summary>Windows of a critic update, drawn anew from the same roll-out.</summary>
    public int CriticWindows { get; init; } = 6;

    /// <summary>Critic updates of an iteration.</summary>
    public int CriticUpdates { get; init; } = 2;

    /// <summary>First iterations in which the critic alone learns.</summary>
    public int CriticFirst { get; init; } = 15;

    /// <summary>Probability that a window starts at the video's first latent.</summary>
    public double FirstWindow { get; init; } = 0.1;

    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;

    /// <summary>Shift of the noise levels the windows are compared at.</summary>
    public double MatchingShift { get; init; } = 2;

    /// <summary>Shift of the flow-matching levels.</summary>
    public double SftShift { get; init; } = 3;

    /// <summary>
    /// Teacher and critic are told the place and hour of each window, from the take whose caption the video has.
    /// </summary>
    public bool LocalCaptions { get; init; }

    /// <summary>Long takes used; 0 takes all.</summary>
    public int Takes { get; init; }

    /// <summary>
    /// A model folder whose teacher judges, and whose text encoder tells teacher and critic what is seen; empty takes
    /// the model's own.
    /// </summary>
    public string Teacher { get; init; } = "";
    public OptimiserConfig Critic { get; init; } =
        new()
        {
            Lr = 4e-4,
            Beta1 = 0,
            WarmUp = 30,
            FlatUntil = 0.4,
            EndsAt = 0.2,
        };
}

/// <summary>
/// Mode Seeking meets Mean Seeking (arXiv 2602.24289). Each iteration: real takes pull encoder and FM head by flow
/// matching (eq. 14); a roll-out of the DM head, window by window, is pulled toward the frozen short teacher and away
/// from the learned critic (eq. 9), which moves encoder and DM head; then the critic learns the roll-out's windows.
/// </summary>
public static class Mmm
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<MmmConfig>(
            "Mmm",
            (stage, c) =>
                Build(
                    stage.Model,
                    c,
                    stage.Optimiser,
                    stage.Takes,
                    stage.Student(),
                    stage.StartOf(Judge(stage.Model, c), ModelFolder.Teacher),
                    (folder, networks) => stage.Save(folder, ModelFolder.Student, networks["student"])
                ),
            Problems
        ) with
        {
            Takes = true,
        };

    private static IEnumerable<string> Problems(MmmConfig c)
    {
        if (c.Windows < 1 || c.CriticWindows < 1)
            yield return $"windows {c.Windows}, criticWindows {c.CriticWindows}: at least 1 each";
        if (c is { SftWeight: 0, DmWeight: 0, Anchor: 0 })
            yield return "sftWeight 0, dmWeight 0, anchor 0: nothing is left to learn from";
        if (!(c.FirstWindow is >= 0 and <= 1))
            yield return $"firstWindow {c.FirstWindow}: a probability, 0 to 1";
    }

    /// <summary>Another model's teacher: of the same latents.</summary>
    private static ModelFolder Judge(ModelFolder from, MmmConfig c)
    {
        if (c.Teacher.Length == 0)
            return from;
        var judge = ModelFolder.Open(c.Teacher);
        return
            judge.Hash(ModelFolder.Vae) == from.Hash(ModelFolder.Vae)
            && judge.Config.ClipLatents == from.Config.ClipLatents
            ? judge
            : throw new UserException(
                $"mmm.teacher {c.Teacher}: it has another autoencoder or clip length than {from.Path}; give a "
                    + $"teacher of the same latents",
                usage: true
            );
    }

    /// <summary>The method. The student starts from <paramref name="student"/>; the critic from the teacher.</summary>
    public static Method Build(
        ModelFolder from,
        MmmConfig c,
        OptimiserConfig optimiser,
        LatentSet data,
        Weights student,
        Weights critic,
        Action<string, IReadOnlyDictionary<string, Weights>> export
    )
    {
        var (model, device) = (from.Config, student.Device);
        if (data.Takes.Count == 0)
            throw new UserException($"{data.Folder}: no takes to train on; a take is a single shot of at least 10 s");
        var (text, textWeights) = from.LoadText(device);
        var judge = Judge(from, c);
        var (teacher, teacherWeights) = judge.LoadTransformer(ModelFolder.Teacher, ScalarType.BFloat16, device);
        var (told, toldWeights) = c.Teacher.Length > 0 ? judge.LoadText(device) : (text, textWeights);
        var (vae, vaeWeights) = from.LoadVae(device: device);
        var network = new DecoupledTransformer(student, model.Model, model.HeadBlocks);
        var fake = new Transformer(critic, model.Model);
        critic.Trainable();
        student.Trainable();
        var session = new MmmSession(model, c, data, text, vae, network, teacher.Forward, fake.Forward, told);
        var trained = student
            .All.Where(p => !c.SingleHead || !p.Key.StartsWith("fm_head.", StringComparison.Ordinal))
            .ToList();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["student"] = student, ["critic"] = critic },
            Averaged = ["student"],
            Begin = session.Forget,
            Updates =
            [
                new Update("student", trained, optimiser, (random, weight) => session.Student(random, weight, trained))
                {
                    From = c.CriticFirst,
                },
                new Update("critic", [.. critic.All], c.Critic, session.Critic)
                {
                    Times = c.DmWeight > 0 ? c.CriticUpdates : 0,
                },
            ],
            Validate = () =>
                FlowMatching.HeldOut((x, t, e) => network.Forward(session.SftHead, x, t, e), text, data, "take", 0),
            Export = export,
            Release = () =>
            {
                session.Dispose();
                foreach (var w in (Weights[])[textWeights, teacherWeights, vaeWeights])
                    w.Dispose();
                if (c.Teacher.Length == 0)
                    return;
                toldWeights.Dispose();
            },
        };
    }
}
