using LongTake.Diffusion;

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

/// <summary>Settings of Mode Seeking meets Mean Seeking.</summary>
public sealed record MmmConfig : MatchingConfig
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

    /// <summary>Windows of a roll-out in the student's update.</summary>
    public int Windows { get; init; } = 6;

    /// <summary>Windows of a critic update, drawn anew from the same roll-out.</summary>
    public int CriticWindows { get; init; } = 6;

    /// <summary>Probability that a window starts at the video's first latent.</summary>
    public double FirstWindow { get; init; } = 0.1;

    /// <summary>Shift of the flow-matching levels.</summary>
    public double SftShift { get; init; } = 3;
    public LevelSampling SftLevels { get; init; }
    public LevelWeighting SftWeighting { get; init; }

    /// <summary>
    /// Share of flow-matching samples without any caption: .1 where the FM head will be sampled with guidance.
    /// </summary>
    public double CaptionDrop { get; init; }

    /// <summary>
    /// A file of prompts for roll-outs, one a line; empty takes the captions of the takes. A roll-out is as long and as
    /// large as a take that is drawn for it.
    /// </summary>
    public string RollOutPrompts { get; init; } = "";

    /// <summary>
    /// The captions of teacher and critic also name the place and hour of each window, where the take has them. The
    /// paper gives every window the caption of the whole video.
    /// </summary>
    public bool LocalCaptions { get; init; }

    /// <summary>
    /// The log compares the gradients of both losses on the encoder every so many iterations, by their norms and their
    /// cosine; 0 is never. It costs a copy of the encoder's gradients.
    /// </summary>
    public int CompareGradientsEvery { get; init; }

    /// <summary>
    /// A model folder whose teacher the windows are matched with, and whose text encoder reads the captions of teacher
    /// and critic; its sizes may be others. Empty takes the model's own.
    /// </summary>
    public string Teacher { get; init; } = "";

    public override IEnumerable<string> Problems()
    {
        if (Windows < 1 || CriticWindows < 1)
            yield return $"windows {Windows}, criticWindows {CriticWindows}: at least 1 each";
        if (this is { SftWeight: 0, DmWeight: 0, Anchor: 0 })
            yield return "sftWeight 0, dmWeight 0, anchor 0: nothing is left to learn from";
        if (!(FirstWindow is >= 0 and <= 1))
            yield return $"firstWindow {FirstWindow}: a probability, 0 to 1";
        if (!(CaptionDrop is >= 0 and <= 1))
            yield return $"captionDrop {CaptionDrop}: a share, 0 to 1";
        if (RollOutPrompts.Length > 0 && RollOut == RollOut.NoisedReal)
            yield return "rollOutPrompts with rollOut NoisedReal: a noised take has its own caption; give one or the "
                + "other";
        foreach (var problem in base.Problems())
            yield return problem;
    }
}
