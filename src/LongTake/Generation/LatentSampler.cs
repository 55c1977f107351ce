using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>From noise to the latents of a video, by any sampler.</summary>
internal sealed class LatentSampler(
    VideoNetworks networks,
    ResolvedRequest r,
    Conditioning given,
    Func<long[], Tensor> draw,
    Filling? filling = null,
    IStepStore? store = null
)
{
    private readonly ModelConfig c = r.Model;
    private int asked; // velocities

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
            return RollOut.Teacher(
                c,
                networks.Vae,
                frame => Kept(Window(frame)),
                r.Latents,
                r.Steps,
                draw,
                step,
                r.TileSide
            );
        return r.Sampler == Sampler.FewStep ? FewStep(step) : Solve(step);
    }

    private Tensor Noise() => draw(c.LatentShape(r.Latents));

    // Of a schedule, each prompt's own latents out of what it makes of the whole window.
    private Sampling.Velocity Guided(Head head, ImageCondition? image)
    {
        Sampling.Velocity[] all = [.. given.Texts.Select(t => Guided(head, t, image))];
        if (all.Length == 1)
            return all[0];
        int[] starts = [.. r.Spans.Select(s => s.From).Append(r.Latents)];
        return (x, t) =>
            torch.cat([.. all.Select((v, i) => v(x, t).narrow(2, starts[i], starts[i + 1] - starts[i]))], 2);
    }

    private Sampling.Velocity Guided(Head head, Tensor text, ImageCondition? image)
    {
        var with = networks.Velocity!(head, text, image);
        return Sampling.Guided(
            with,
            r.Guidance == 1 ? with : networks.Velocity(head, given.Negative, image),
            r.Guidance
        );
    }

    // What was kept is not asked for again.
    private Sampling.Velocity Kept(Sampling.Velocity velocity) =>
        store is null
            ? velocity
            : (x, t) =>
            {
                if (store.Read(asked) is { } kept)
                {
                    asked++;
                    return kept.to(x.device);
                }
                var made = velocity(x, t);
                store.Write(asked++, made);
                return made;
            };

    // A window beyond the first starts with the last frame of the one before, where the model takes a picture.
    private Sampling.Velocity Window(Tensor? frame) => Guided(r.Head, Image(frame));

    private ImageCondition? Image(Tensor? frame) =>
        frame is null || given.Next is null ? given.First : given.Next(frame.squeeze(2));

    private Tensor FewStep(Action<int> step)
    {
        var image = Image(filling?.Frame);
        var (index, main) = (0, Guided(r.Head, image));
        var first = r.FmSteps > 0 ? Guided(Head.FlowMatching, image) : main;
        var kept = Kept((x, t) => (index < r.FmSteps ? first : main)(x, t));
        return Sampling.FewStep(
            (x, t) =>
            {
                var v = kept(x, t);
                index++;
                return v;
            },
            Noise(),
            draw,
            [.. r.Timesteps],
            step: (_, _) => step(r.Timesteps.Count),
            put: filling is null ? null : filling.Put
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
        var (noise, velocity) = (Noise(), Kept(Guided(r.Head, Image(filling?.Frame))));
        if (filling is null)
            return Sampling.Solve(solver, velocity, noise, _ => step(r.Steps));
        return filling.Put(
            Sampling.Solve(
                solver,
                (x, t) =>
                {
                    filling.Put(x, noise, t / 1000);
                    return velocity(x, t);
                },
                noise,
                _ => step(r.Steps)
            )
        );
    }

    // Whole blocks are made, and the video cut to its length. Blocks that were kept fill the cache, as those given do.
    private Tensor LooksBack(Action<int> step)
    {
        var (how, steps) = (r.Causal(), r.Timesteps.Count);
        if (r.Sampler == Sampler.Segments && store is null)
            return RollOut.Segments(c, networks.Vae, networks.Causal!, how, given.Texts[0], r.Latents, draw, step);
        var scenes = new List<CausalScene>();
        if (r.Spans.Count > 0)
            scenes.AddRange(r.Spans.Select((s, i) => new CausalScene(s.From, given.Texts[i])));
        for (var (i, start) = (0, 0); scenes.Count < r.Scenes.Count; start += r.Scenes[i++].Blocks * how.BlockFrames)
            scenes.Add(new(start, given.Texts[i], i > 0 ? InfinityRope.Entry(r.Scenes[i - 1]) : default));
        var known = filling?.Leading ?? 0;
        var (made, block) = ((r.Latents - known + how.BlockFrames - 1) / how.BlockFrames, how.BlockFrames);
        var noise = draw(c.LatentShape(made * block));
        List<Tensor> initial = known == 0 ? [] : [filling!.Given.narrow(2, 0, known)];
        var done = 0;
        for (; store?.Read(done) is { } kept; done++)
        {
            initial.Add(kept.to(noise.device));
            for (var i = 1; i < steps; i++)
                draw(kept.shape).Dispose();
            for (var i = 0; i <= steps; i++)
                step(made * (steps + 1));
        }
        using var cache = how.Cache();
        var video =
            done == made
                ? torch.cat([.. initial], 2)
                : CausalRollOut.Generate(
                    networks.Causal!,
                    how,
                    cache,
                    scenes,
                    noise.narrow(2, done * block, (made - done) * block),
                    draw,
                    initial.Count == 0 ? null : torch.cat([.. initial], 2),
                    call =>
                    {
                        if (call.Start < known + done * block)
                            return; // it only fills the cache
                        if (call.X0 is { } clean && call.Timestep == how.Timesteps[^1])
                            store?.Write((call.Start - known) / block, clean);
                        step(made * (steps + 1));
                    }
                );
        return known + made * block == r.Latents ? video : video.narrow(2, 0, r.Latents).clone();
    }
}
