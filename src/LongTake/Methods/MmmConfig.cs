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

    /// <summary>
    /// Teacher and critic are told the place and hour of each window, from the take whose caption the video has.
    /// </summary>
    public bool LocalCaptions { get; init; }

    /// <summary>
    /// The log compares the gradients of both losses on the encoder every so many iterations, by their norms and their
    /// cosine; 0 is never. It costs a copy of the encoder's gradients.
    /// </summary>
    public int CompareGradientsEvery { get; init; }

    /// <summary>Long takes used; 0 takes all.</summary>
    public int Takes { get; init; }

    /// <summary>
    /// A model folder whose teacher judges, and whose text encoder tells teacher and critic what is seen; empty takes
    /// the model's own.
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
        foreach (var problem in base.Problems())
            yield return problem;
    }
}
