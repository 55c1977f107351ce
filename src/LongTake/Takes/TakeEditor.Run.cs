using LongTake.Generation;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Takes;

/// <summary>How an operation is made: window by window, every step kept.</summary>
public sealed partial class TakeEditor
{
    private const int PreviewFrames = 12,
        PreviewWidth = 96;

    // A plan is a function of the operation it works on: so an operation that is in the document already, but whose
    // process was killed before it said so, is known again.
    private TakeOperation Run(
        string? name,
        Func<TakeDocument, int, int, TakeOperation> plan,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        var document = take.Document;
        var branch = document.BranchNamed(name);
        foreach (var work in TakeWork.All(take).Where(IsDone))
            if (
                document.Operation(branch.Operation) is { } last
                && TakeRequest.Same(last, work.Operation)
                && work.IsOf(plan(document, last.After, last.Id))
            )
            {
                Finish(last, progress, cancel);
                return last;
            }
        return Run(
            branch.Name,
            plan(document, branch.Operation, document.Operations.Count + 1),
            null,
            progress,
            cancel
        );
    }

    private TakeOperation Run(
        string branch,
        TakeOperation plan,
        string? start,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        try
        {
            var work = TakeWork.Of(take, plan);
            if (plan.Start is { } given && work.Operation.Segments.Count == 0)
                using (torch.NewDisposeScope())
                    work.Add(new(0, given.Latents, 0, take.Keep(Encoded(start!, given.Latents, cancel))));
            var windows = Windows(plan);
            foreach (var window in windows.Skip(work.Operation.Segments.Count - (plan.Start is null ? 0 : 1)))
            {
                cancel.ThrowIfCancellationRequested();
                using var scope = torch.NewDisposeScope();
                var latents = Made(plan, window, work.Operation.Segments, work, progress, cancel);
                if (!latents.AllFinite())
                    throw new UserException(
                        $"the {take.Document.Model.Part} of {files.Path} made numbers that are not "
                            + "finite; the take is as it was"
                    );
                work.Add(new(window.From, window.To - window.From, window.Start, take.Keep(latents)));
            }
            var done = plan with { Segments = work.Operation.Segments };
            done = done with
            {
                Id = take.Document.Operations.Count + 1,
                Seconds = Measured(take.Timeline(plan.After, done.Segments), plan.From, plan.To, progress, cancel),
            };
            var document = take.Document;
            take.Save(
                document with
                {
                    Operations = [.. document.Operations, done],
                    Branches =
                    [
                        .. document.Branches.Select(b => b.Name == branch ? b with { Operation = done.Id } : b),
                    ],
                }
            );
            Finish(done, progress, cancel);
            return done;
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException(
                "stopped; the take keeps what is finished, and the same command goes on with it",
                e,
                cancel
            );
        }
    }

    /// <summary>
    /// Makes a stated operation again, from what it worked on, and says which of its segments come out with other
    /// bytes.
    /// </summary>
    public IReadOnlyList<TakeSegment> Differing(
        int operation,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var plan = take.Document.Operations[operation - 1];
        var given = plan.Start is null ? 0 : 1;
        var differing = new List<TakeSegment>();
        foreach (var (i, window) in Windows(plan).Index())
        {
            using var scope = torch.NewDisposeScope();
            var made = Made(plan, window, [.. plan.Segments.Take(given + i)], new NoStore(), progress, cancel);
            if (Take.HashOf(made) != plan.Segments[given + i].Sha256)
                differing.Add(plan.Segments[given + i]);
        }
        return differing;
    }

    private sealed class NoStore : IStepStore
    {
        public Tensor? Read(int step) => null;

        public void Write(int step, Tensor value) { }
    }

    // What an operation leaves once it is in the document: the preview, and nothing of its work.
    private void Finish(TakeOperation done, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        WritePreview(progress, cancel);
        foreach (
            var work in TakeWork.All(take).Where(w => TakeRequest.Same(done, w.Operation) || !IsWanted(w)).ToList()
        )
            work.Delete();
        take.Sweep();
    }

    // What a command may yet go on with: the next operation of a branch, or its last one, whose end nobody heard of.
    private bool IsWanted(TakeWork work) =>
        take.Document.Branches.Any(b =>
            b.Operation == work.Operation.After
            || take.Document.Operation(b.Operation) is { } last && TakeRequest.Same(last, work.Operation)
        );

    private bool IsDone(TakeWork work) => take.Document.Operations.Any(o => TakeRequest.Same(o, work.Operation));

    private Tensor Encoded(string path, int latents, CancellationToken cancel) =>
        generator.Encode(
            TakeStarts.Frames(path, Config, cancel).Take(Config.Frames(latents)),
            Config,
            settings.TileSide,
            cancel
        );

    private IReadOnlyList<SecondMeasure> Measured(
        TakeSegment[] timeline,
        int from,
        int to,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        using var scope = torch.NewDisposeScope();
        var measures = new SecondMeasures(Config.Fps);
        var first = take.Document.Frames(from);
        foreach (var (i, frame) in Decoded(timeline, from, to, cancel).Index())
        {
            measures.Add(frame, first + i);
            if (i % 40 == 39)
                progress?.Report(new(i + 1, Config.Frames(to) - first, "frames", "measuring"));
        }
        return measures.All();
    }

    /// <summary>The frames of latents of a timeline: decoding begins a little before them.</summary>
    private IEnumerable<Frame> Decoded(TakeSegment[] timeline, int from, int to, CancellationToken cancel)
    {
        var warm = Math.Min(from, Config.Geometry.WarmUp);
        var side = Config.Geometry.SpatialStride;
        var size = (to - from + warm, take.Document.Height / side, take.Document.Width / side);
        return generator
            .Decode(
                size,
                (t, count) => take.Latents(timeline, from - warm + (int)t, from - warm + (int)(t + count)),
                settings.TileSide,
                Config.Fps,
                cancel
            )
            .Skip(Config.Frames(warm) * Math.Sign(warm));
    }

    private void WritePreview(IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        using var scope = torch.NewDisposeScope();
        var timeline = take.Timeline(take.Document.BranchNamed(null).Operation);
        if (timeline.Length == 0)
            return;
        var frames = new List<Frame>();
        var count = Math.Min(PreviewFrames, timeline.Length);
        for (var i = 0; i < count; i++)
        {
            var at = count == 1 ? 0 : (int)((long)i * (timeline.Length - 1) / (count - 1));
            frames.Add(Decoded(timeline, at, at + 1, cancel).Last());
            progress?.Report(new(i + 1, count, "frames", "preview"));
        }
        var (width, height) = (frames[0].Width, frames[0].Height);
        ContactSheet.Write(
            take.Preview,
            [.. frames.Select(f => f.Rgb)],
            width,
            height,
            Math.Min(6, count),
            Math.Max(1, PreviewWidth / width)
        );
    }
}
