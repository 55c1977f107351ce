using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>From noise to the latents of a video, by any sampler.</summary>
internal sealed class LatentSampler(
    VideoNetworks networks,
    ResolvedRequest r,
    Conditioning given,
    Func<long[], Tensor> draw
)
{
    private readonly ModelConfig c = r.Model;

    /// <summary>
    /// The latents [1, C, T, h, w]. <paramref name="step"/> gets the number of steps there are, at each of them.
    /// </summary>
    public Tensor Run(Action<int> step)
    {
        if (r.Sampler.LooksBack() != (networks.Causal is not null))
            throw new RequestException([
                new("sampler", $" {r.Sampler.Name()}: the model was loaded for another sampler"),
            ]);
        if (networks.Causal is not null)
            return LooksBack(step);
        if (r.RolledOut)
            return RollOut.Teacher(c, networks.Vae, Window, r.Latents, r.Steps, draw, step, r.TileSide);
        return r.Sampler == Sampler.FewStep ? FewStep(step) : Solve(step);
    }

    private Tensor Noise() => draw(c.LatentShape(r.Latents));

    private Sampling.Velocity Guided(Head head, ImageCondition? image)
    {
        var with = networks.Velocity!(head, given.Texts[0], image);
        return Sampling.Guided(
            with,
            r.Guidance == 1 ? with : networks.Velocity(head, given.Negative, image),
            r.Guidance
        );
    }

    // A window beyond the first starts with the last frame of the one before, where the model takes a picture.
    private Sampling.Velocity Window(Tensor? frame) =>
        Guided(r.Head, frame is null || given.Next is null ? given.First : given.Next(frame.squeeze(2)));

    private Tensor FewStep(Action<int> step)
    {
        var (index, main) = (0, Guided(r.Head, given.First));
        var first = r.FmSteps > 0 ? Guided(Head.FlowMatching, given.First) : main;
        return Sampling.FewStep(
            (x, t) => (index++ < r.FmSteps ? first : main)(x, t),
            Noise(),
            draw,
            [.. r.Timesteps],
            step: (_, _) => step(r.Timesteps.Count)
        );
    }

    private Tensor Solve(Action<int> step)
    {
        using IFlowSolver solver = r.Sampler switch
        {
            Sampler.UniPc => new UniPcSolver(r.Steps, r.Shift),
            Sampler.Dpm => new DpmSolver(r.Steps, r.Shift),
            _ => new EulerSolver(Times.Sigmas(r.Steps, r.Shift)),
        };
        return Sampling.Solve(solver, Guided(r.Head, given.First), Noise(), _ => step(r.Steps));
    }

    // Whole blocks are made, and the video cut to its length.
    private Tensor LooksBack(Action<int> step)
    {
        var how = r.Causal();
        if (r.Sampler == Sampler.Segments)
            return RollOut.Segments(c, networks.Vae, networks.Causal!, how, given.Texts[0], r.Latents, draw, step);
        var (scenes, start) = (new List<CausalScene>(), 0);
        for (var i = 0; i < r.Scenes.Count; start += r.Scenes[i++].Blocks * how.BlockFrames)
            scenes.Add(new(start, given.Texts[i], i > 0 ? InfinityRope.Entry(r.Scenes[i - 1]) : default));
        var made = (r.Latents + how.BlockFrames - 1) / how.BlockFrames * how.BlockFrames;
        using var cache = how.Cache();
        var video = CausalRollOut.Generate(
            networks.Causal!,
            how,
            cache,
            scenes,
            draw(c.LatentShape(made)),
            draw,
            called: _ => step(made / how.BlockFrames * (how.Timesteps.Length + 1))
        );
        return made == r.Latents ? video : video.narrow(2, 0, r.Latents).clone();
    }
}
