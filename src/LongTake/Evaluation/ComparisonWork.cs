using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Does one job, or what is left of it.</summary>
public static class ComparisonWork
{
    /// <summary>Videos whose frames are kept for the contact sheet: six coats, hats in turn.</summary>
    private static bool Shown(int n) => n % 7 == 0 && n < 42;

    /// <summary>What video n of a set is asked for: a real take that its caption describes, and a seed.</summary>
    private static (WorldVideo Take, long Seed) Wanted(World world, string set, int n)
    {
        var final = set == "final";
        var seed = (final ? 900_000 : 100_000) + n;
        return (world.Wanted(new Rng(seed, set.Length), final, n), seed);
    }

    // Of the processor: how busy the machine is beside this must not count for or against a row.
    private static double Spent => Environment.CpuUsage.TotalTime.TotalSeconds;

    /// <summary>Does a job; stops at a safe point when cancelled.</summary>
    public static void Do(Job job, ComparisonTable table, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        if (!job.Done)
            Build.Claim(job.Folder);
        if (job is StageJob stage)
        {
            if (stage.Before is null && table.From.Length > 0)
                Give(table.From, stage.Recipe.From, cancel);
            Train(stage, progress, cancel);
        }
        else if (job is VideoJob videos)
            Videos(videos, table, progress, cancel);
    }

    /// <summary>
    /// The table's model without what it was trained to on top of its teacher: a method must not start from another's
    /// result.
    /// </summary>
    private static void Give(string from, string to, CancellationToken cancel)
    {
        using var turn = FileLock.Take(to + ".lock", cancel);
        if (Directory.Exists(to))
            return;
        var (fresh, model) = (to + ".new", ModelFolder.Open(from));
        if (Directory.Exists(fresh))
            Directory.Delete(fresh, recursive: true);
        ModelFolder.Create(
            fresh,
            model.Config,
            model,
            ModelFolder.Transformer,
            ModelFolder.Student,
            ModelFolder.Generator
        );
        Directory.Move(fresh, to);
    }

    private static void Train(StageJob job, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        new Trainer(job.Recipe, _ => progress, cancel) { Latents = job.Data }.Run();
        // What is needed of a finished stage is its model; checkpoints are ten times as large.
        if (Directory.Exists(Path.Combine(job.Recipe.Out, job.Stage.Folder, "checkpoints")))
            Directory.Delete(Path.Combine(job.Recipe.Out, job.Stage.Folder, "checkpoints"), recursive: true);
    }

    private static void Videos(
        VideoJob job,
        ComparisonTable table,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        if (job.Done)
            return;
        var judge = ModelFolder.Open(job.Judge);
        var device = ComputeDevice.Choose(table.Device);
        var world = World.Of(judge.Config.Width, judge.Config.Height);
        using var teacher = new TeacherFeatures(judge, device);
        using var imageNet = new ImageNetFeatures();
        using var made = job.Row is null ? null : new Maker(job, device);
        for (var n = 0; n < job.Videos; n++)
        {
            cancel.ThrowIfCancellationRequested();
            if (File.Exists(job.File(n)))
                continue;
            using var scope = torch.NewDisposeScope();
            var (take, seed) = Wanted(world, job.Set, n);
            var measure = made?.Video(teacher, imageNet, take, seed, cancel)
                ?? Real(judge.Config, teacher, imageNet, job, take);
            if (!Shown(n))
                measure = measure with { Frames = [] };
            AtomicFile.WriteJson(job.File(n), measure, ComparisonJson.Default.VideoMeasure);
            progress?.Report(new ProgressReport(n + 1, job.Videos, "videos", job.Title));
        }
    }

    private static VideoMeasure Real(
        ModelConfig c,
        TeacherFeatures teacher,
        ImageNetFeatures imageNet,
        VideoJob job,
        WorldVideo take
    )
    {
        var (start, stride) = (Spent, World.Stride(c.Fps));
        var rgb = teacher.Through(take.Frames(0, c.Frames(c.Latents(job.Seconds)), stride));
        return VideoMeasure.Of(rgb, take.World, stride, take.Caption, teacher, imageNet) with
        {
            Frames = VideoMeasure.Moments(rgb, take.World),
            MeasuredSeconds = Spent - start,
        };
    }

    /// <summary>A row's model, loaded once for its videos.</summary>
    private sealed class Maker : IDisposable
    {
        private readonly VideoJob job;
        private readonly ModelFiles files;
        private readonly VideoGenerator model;
        private readonly DriftLens? lens;

        public Maker(VideoJob job, torch.Device device)
        {
            this.job = job;
            files = ModelFiles.Open(job.Model);
            model = new VideoGenerator(files, job.Row!.Video.Request("a traveller", 0, job.Seconds), device: device);
            if (job.Row.Lens && model.Network is (Network.DmHead or Network.FmHead))
                lens = DriftLens.Open(ModelFolder.Open(job.Model), device);
        }

        public VideoMeasure Video(
            TeacherFeatures teacher,
            ImageNetFeatures imageNet,
            WorldVideo take,
            long seed,
            CancellationToken cancel
        )
        {
            var (start, prompt, video) = (Spent, take.Caption, job.Row!.Video);
            var latents = model.Sample(video.Request(prompt, seed, job.Seconds), cancel: cancel);
            if (!latents.AllFinite())
                throw new UserException($"{job.Title}: seed {seed} gave numbers that are not finite");
            var rgb = model.DecodeWhole(latents);
            var made = Spent;
            var measure = VideoMeasure.Of(
                rgb,
                take.World,
                World.Stride(model.Config.Fps),
                prompt,
                teacher,
                imageNet,
                Seams(video, (int)latents.size(2))
            );
            if (lens is not null)
                measure = measure with
                {
                    Curves = measure
                        .Curves.Append(KeyValuePair.Create(Metric.Lens, lens.Of(latents, prompt, seed)))
                        .ToDictionary(),
                };
            return measure with
            {
                Frames = VideoMeasure.Moments(rgb, take.World),
                MadeSeconds = made - start,
                MeasuredSeconds = Spent - made,
            };
        }

        // Latents that begin a window: SeamFirst, and every SeamEvery after it.
        private static HashSet<int> Seams(VideoSettings video, int latents) =>
            [
                .. Enumerable
                    .Range(video.SeamFirst, Math.Max(0, latents - video.SeamFirst))
                    .Where(t => video.SeamFirst > 0)
                    .Where(t =>
                        t == video.SeamFirst || video.SeamEvery > 0 && (t - video.SeamFirst) % video.SeamEvery == 0
                    ),
            ];

        public void Dispose()
        {
            lens?.Dispose();
            model.Dispose();
            files.Dispose();
        }
    }
}
