using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>
/// Mode Seeking meets Mean Seeking (arXiv 2602.24289). Each iteration: real takes pull encoder and FM head by flow
/// matching (eq. 14); a roll-out of the DM head, window by window, is pulled toward the frozen short teacher and away
/// from the learned critic (eq. 9), which moves encoder and DM head; then the critic learns the roll-out's windows.
/// </summary>
public static class Mmm
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<MmmConfig>("Mmm", Build, c => c.Problems()) with
        {
            Takes = true,
        };

    private static Method Build(Stage stage, MmmConfig c) =>
        Build(stage, c, stage.Student(), stage.StartOf(TeacherOf(stage.Model, c), ModelFolder.Teacher));

    /// <summary>The method on its own networks. The critic has the sizes of the teacher, not of the student.</summary>
    internal static Method Build(Stage stage, MmmConfig c, Weights student, Weights critic)
    {
        var (from, device) = (stage.Model, stage.Device);
        var other = TeacherOf(from, c);
        var (text, textWeights) = from.LoadText(device);
        var (teacher, teacherWeights) = other.LoadTransformer(ModelFolder.Teacher, ScalarType.BFloat16, device);
        var (teacherText, teacherTextWeights) = c.Teacher.Length > 0 ? other.LoadText(device) : (text, textWeights);
        var (vae, vaeWeights) = from.LoadVae(device: device);
        var session = new MmmSession(
            from.Config,
            c,
            stage.Takes,
            text,
            vae,
            new DecoupledTransformer(student, from.Config.Model, from.Config.HeadBlocks),
            teacher.Forward,
            new Transformer(critic, other.Config.Model).Forward,
            critic,
            teacherText
        );
        foreach (var encoders in (TextEncoder[])[text, teacherText])
            encoders.Prepare(session.Prompts);
        critic.Trainable();
        student.Trainable();
        var trained = student
            .All.Where(p => !c.SingleHead || !p.Key.StartsWith("fm_head.", StringComparison.Ordinal))
            .ToList();
        var encoder = trained.Where(p => DecoupledTransformer.IsEncoder(p.Key)).Select(p => p.Value).ToList();
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["student"] = student, ["critic"] = critic },
            Averaged = ["student"],
            Begin = session.Begin,
            Updates =
            [
                new Update("student", trained, stage.Optimiser, (random, weight) =>
                    session.Student(random, weight, encoder)
                )
                {
                    From = c.CriticFirst,
                },
                new Update("critic", [.. critic.All], c.Critic, session.Critic)
                {
                    Times = c.DmWeight > 0 ? c.CriticUpdates : 0,
                },
            ],
            Validate = session.HeldOut,
            Export = (folder, networks) => stage.Save(folder, ModelFolder.Student, networks["student"]),
        }
            .AlsoFree(session)
            .AlsoFree(textWeights)
            .AlsoFree(teacherTextWeights)
            .AlsoFree(teacherWeights)
            .AlsoFree(vaeWeights);
    }

    /// <summary>The model whose teacher is matched: the student's own, or another of the same latents.</summary>
    private static ModelFolder TeacherOf(ModelFolder from, MmmConfig c)
    {
        if (c.Teacher.Length == 0)
            return from;
        var other = ModelFolder.Open(c.Teacher);
        if (
            other.Hash(ModelFolder.Vae) != from.Hash(ModelFolder.Vae)
            || other.Config.ClipLatents != from.Config.ClipLatents
        )
            throw new UserException(
                $"mmm.teacher {c.Teacher}: it has another autoencoder or clip length than {from.Path}; give a "
                    + "teacher of the same latents",
                usage: true
            );
        return from.Config.Wan.Recompute ? other.Recomputing() : other;
    }
}
