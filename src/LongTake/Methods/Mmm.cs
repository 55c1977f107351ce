using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>Where the film that windows are cut from comes from.</summary>
public enum RollOut
{
    /// <summary>Backward simulation by the DM head itself, stopped at a random step.</summary>
    OnPolicy,
    /// <summary>A real take, noised to a random level of the few-step list, and one forward.</summary>
    NoisedReal,
}

/// <summary>How the first latent of a window inside the film is made.</summary>
public enum Boundary
{
    /// <summary>Decoded to pixels and encoded again as an image latent.</summary>
    Reencode,
    /// <summary>Left as it is (an ablation).</summary>
    Raw,
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
    public Boundary Boundary { get; init; } = Boundary.Reencode;
    /// <summary>Windows of a roll-out that the student is judged on.</summary>
    public int Windows { get; init; } = 6;
    /// <summary>Windows of a critic update, drawn anew from the same roll-out.</summary>
    public int CriticWindows { get; init; } = 6;
    /// <summary>Critic updates of an iteration.</summary>
    public int CriticUpdates { get; init; } = 2;
    /// <summary>First iterations in which the critic alone learns.</summary>
    public int CriticFirst { get; init; } = 15;
    /// <summary>Probability that a window starts at the film's first latent.</summary>
    public double FirstWindow { get; init; } = 0.1;
    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;
    /// <summary>Shift of the noise levels the windows are compared at.</summary>
    public double MatchingShift { get; init; } = 2;
    /// <summary>Shift of the flow-matching levels.</summary>
    public double SftShift { get; init; } = 3;
    /// <summary>Teacher and critic are told the place and hour of each window, from the take whose caption the film has.</summary>
    public bool LocalCaptions { get; init; }
    public OptimiserConfig Critic { get; init; } = new() { Lr = 4e-4, Beta1 = 0, WarmUp = 30, FlatUntil = 0.4, EndsAt = 0.2 };
}

/// <summary>
/// Mode Seeking meets Mean Seeking (arXiv 2602.24289). Each iteration: real takes pull encoder and FM head by flow matching
/// (eq. 14); a roll-out of the DM head, window by window, is pulled toward the frozen short teacher and away from the learned
/// critic (eq. 9), which moves encoder and DM head; then the critic learns the roll-out's windows.
/// </summary>
public static class Mmm
{
    public static MethodEntry Entry { get; } = MethodEntry.Of<MmmConfig>("Mmm", (stage, c) =>
        Build(stage.Model, c, stage.Optimiser, stage.Takes, stage.Student(), stage.Start(ModelFolder.Teacher),
            (folder, networks) => stage.Save(folder, ModelFolder.Student, networks["student"]))) with { Takes = true };

    /// <summary>The method. The student starts from <paramref name="student"/>; the critic from the teacher.</summary>
    public static Method Build(ModelFolder from, MmmConfig c, OptimiserConfig optimiser, LatentSet data, Weights student, Weights critic,
        Action<string, IReadOnlyDictionary<string, Weights>> export)
    {
        var model = from.Config;
        if (data.Takes.Count == 0) throw new UserException($"{data.Folder}: no takes to train on; a take is a single shot of at least 10 s");
        var (text, textWeights) = from.LoadText();
        var (teacher, teacherWeights) = from.LoadWan(ModelFolder.Teacher, Dtype.BF16);
        var (vae, vaeWeights) = from.LoadVae();
        var network = new DecoupledTransformer(student, model.Wan, model.HeadBlocks);
        var fake = new WanTransformer(critic, model.Wan);
        critic.Trainable();
        student.Trainable();
        var session = new MmmSession(model, c, data, text, vae, network, teacher.Forward, fake.Forward);
        var trained = student.All.Where(p => !c.SingleHead || !p.Key.StartsWith("fm_head.", StringComparison.Ordinal)).ToList();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["student"] = student, ["critic"] = critic },
            Averaged = ["student"],
            Begin = session.Forget,
            Updates =
            [
                new Update("student", trained, optimiser, (random, weight) => session.Student(random, weight, trained)) { From = c.CriticFirst },
                new Update("critic", [.. critic.All], c.Critic, session.Critic) { Times = c.DmWeight > 0 ? c.CriticUpdates : 0 },
            ],
            Validate = () => FlowMatching.HeldOut((x, t, e) => network.Forward(session.SftHead, x, t, e), text, data, "take", 0),
            Export = export,
            Release = () =>
            {
                session.Dispose();
                foreach (var w in (Weights[])[textWeights, teacherWeights, vaeWeights]) w.Dispose();
                text.Dispose();
            },
        };
    }
}
