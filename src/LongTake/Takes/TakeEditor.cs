using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Takes;

/// <summary>
/// Works on a take with its model: makes, extends and remakes. What was finished of an operation is kept, so that the
/// same call, in this process or the next, goes on with it and ends with the same bytes.
/// </summary>
public sealed partial class TakeEditor : IDisposable
{
    private const double Strength = .9;
    private const int LeadIn = 16,
        MostSeconds = 36_000,
        Second = 30;

    private readonly Take take;
    private readonly ModelFiles files;
    private readonly VideoGenerator generator;
    private readonly ResolvedRequest settings;
    private readonly bool own;

    private TakeEditor(Take take, ModelFiles files, VideoGenerator generator, ResolvedRequest settings, bool own) =>
        (this.take, this.files, this.generator, this.settings, this.own) = (take, files, generator, settings, own);

    /// <summary>The take, which belongs to the caller.</summary>
    public Take Take => take;

    private ModelConfig Config => settings.Model;

    /// <summary>Opens the model of a take that has operations.</summary>
    /// <param name="model">Where the model is; without it the bundled one and those in the folder "models" are
    /// tried.</param>
    /// <exception cref="UserException">The model is not there, or another one.</exception>
    public static TakeEditor Open(
        Take take,
        string? model = null,
        torch.Device? device = null,
        Offload offload = Offload.Auto
    )
    {
        if (take.Document.Operations is not [var first, ..])
            throw new UserException($"{take.Path}: nothing is made yet; the command that began it goes on with it");
        var tried = new List<string>();
        foreach (var folder in model is null ? Known() : [model])
        {
            ModelFiles? files = null;
            try
            {
                files = ModelFiles.Open(folder);
                if (files.Config.Name != take.Document.Model.Name && model is null)
                    continue;
                var r = TakeRequest.Of(take.Document, first).Resolve(files);
                var type = first.Settings.Computed.StartsWith("Float32", StringComparison.Ordinal)
                    ? ScalarType.Float32
                    : ScalarType.BFloat16;
                var generator = new VideoGenerator(files, r, type, device, offload);
                if (TakeRequest.ModelOf(generator) is var found && found == take.Document.Model)
                {
                    var editor = new TakeEditor(take, files, generator, r, own: true);
                    files = null;
                    return editor;
                }
                generator.Dispose();
                tried.Add($"{folder} ({found.Name} {found.Weights})");
            }
            catch (UserException) when (model is null) { } // not this one
            finally
            {
                files?.Dispose();
            }
        }
        var wanted = take.Document.Model;
        throw new UserException(
            $"{take.Path}: made with the {wanted.Part} of {wanted.Name}, weights {wanted.Weights}, autoencoder "
                + $"{wanted.Autoencoder}; "
                + (tried.Count == 0 ? "no such model was found" : $"not with {string.Join(" or ", tried)}")
                + ". Say where that model is",
            usage: true
        );
    }

    /// <summary>
    /// Makes a take, or goes on with one that the same call began. It has one operation; a start is kept exactly and
    /// continued.
    /// </summary>
    /// <param name="generator">Loaded for <paramref name="r"/>; it stays the caller's.</param>
    /// <param name="start">A picture or a video that the take starts with.</param>
    /// <exception cref="UserException">Another take is there already.</exception>
    public static TakeOperation Generate(
        string path,
        VideoGenerator generator,
        ResolvedRequest r,
        string? start = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var fresh = new TakeDocument
        {
            Model = TakeRequest.ModelOf(generator),
            Width = r.Width,
            Height = r.Height,
            Fps = r.Fps,
            TemporalStride = r.Model.Geometry.TemporalStride,
            Branch = "main",
            Branches = [new("main", null, 0)],
        };
        var given = start is null ? null : TakeStarts.Of(start, r.Model, r.Latents, cancel);
        using var take = Take.EditOrCreate(path, fresh);
        using var editor = new TakeEditor(take, generator.Files, generator, r, own: false);
        var rules = editor.Rules();
        var plan = new TakeOperation
        {
            Id = 1,
            After = 0,
            Kind = OperationKind.Generate,
            From = 0,
            To = r.Latents,
            Prompts = TakeRequest.Prompts(r),
            Seed = r.Seed,
            Settings = TakeRequest.Settings(r, editor.Hold(rules), editor.Lead(rules), generator),
            Start = given,
        };
        if (take.Document.Operations is [var first, ..])
        {
            var same = take.Document.Model == fresh.Model && TakeRequest.Same(first, plan);
            if (!same)
                throw new UserException(
                    $"{path}: is there already, a take made otherwise; give another name, or extend or remake that one",
                    usage: true
                );
            editor.Finish(first, progress, cancel);
            return first;
        }
        take.Save(fresh); // of another request, perhaps, that made nothing
        return editor.Run("main", plan, start, progress, cancel);
    }

    /// <summary>Goes on behind the end of a branch.</summary>
    /// <param name="seconds">Seconds to add.</param>
    /// <param name="to">In their place, the new length in seconds: a call that may be repeated.</param>
    /// <param name="prompt">A prompt, or a schedule in seconds of the take; without it the last one goes on.</param>
    /// <param name="hold">Known latents that a new window begins with; without it the model's own.</param>
    /// <param name="fade">Latents of the transition into a new window; without it the model's own.</param>
    public TakeOperation Extend(
        double? seconds = null,
        double? to = null,
        string? prompt = null,
        long? seed = null,
        int? hold = null,
        int? fade = null,
        string? branch = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var last = take.Document.LeadingTo(take.Document.BranchNamed(branch).Operation)[^1];
        if (to is { } there && prompt is null && last.Kind != OperationKind.Remake && Config.Latents(there) == last.To)
        {
            Finish(last, progress, cancel);
            return last;
        }
        return Run(
            branch,
            (document, after, id) =>
            {
                var length = take.Timeline(after).Length;
                var wanted = to ?? document.Seconds(length) + (seconds ?? Second);
                var end = wanted is > 0 and <= MostSeconds ? Config.Latents(wanted) : 0;
                if (end <= length)
                    throw new UserException(
                        $"{wanted:0.##} s: the branch has {document.Seconds(length):0.##} s already, and a take "
                            + $"{MostSeconds} at most",
                        usage: true
                    );
                var rules = Rules();
                return Plan(document, after, id, OperationKind.Extend, length, end, prompt, seed) with
                {
                    Settings = TakeRequest.Settings(settings, hold ?? Hold(rules), fade ?? Lead(rules), generator),
                };
            },
            progress,
            cancel
        );
    }

    /// <summary>Makes the latents between two seconds of a branch anew; all others stay, bit for bit.</summary>
    /// <param name="prompt">A prompt, or a schedule in seconds of the take; without it the one that was there.</param>
    /// <param name="fade">Latents of the transition at either end; without it about a second.</param>
    public TakeOperation Remake(
        double from,
        double to,
        string? prompt = null,
        long? seed = null,
        int? fade = null,
        string? branch = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    ) =>
        Run(
            branch,
            (document, after, id) =>
            {
                var length = take.Timeline(after).Length;
                var (first, end) = (Config.FirstLatent(from), Math.Min(length, Config.EndLatent(to)));
                if (!(from >= 0 && to > from) || from >= document.Seconds(length))
                    throw new UserException(
                        $"{from:0.##} to {to:0.##} s: the branch has {document.Seconds(length):0.##} s",
                        usage: true
                    );
                if (end <= first)
                    throw new UserException(
                        $"{from:0.##} to {to:0.##} s: no whole latent lies there; one takes "
                            + $"{document.TemporalStride / document.Fps:0.##} s",
                        usage: true
                    );
                if (settings.Sampler.LooksBack() && end < length)
                    throw new UserException(
                        $"{from:0.##} to {to:0.##} s: this model looks back only and cannot meet what comes after; "
                            + $"remake up to the end, {document.Seconds(length):0.##} s",
                        usage: true
                    );
                var rules = Rules();
                rules.Inside(first, end, length, 0, rules.Second);
                return Plan(document, after, id, OperationKind.Remake, first, end, prompt, seed) with
                {
                    Settings = TakeRequest.Settings(settings, Hold(rules), fade ?? rules.Second, generator),
                };
            },
            progress,
            cancel
        );

    private static TakeOperation Plan(
        TakeDocument document,
        int after,
        int id,
        OperationKind kind,
        int from,
        int to,
        string? prompt,
        long? seed
    )
    {
        var chain = document.LeadingTo(after);
        var (begin, end) = (document.Seconds(from), document.Seconds(to));
        // the prompt of the latent at hand, or of the last one
        var at = kind == OperationKind.Extend ? from - 1 : from;
        var before = chain.Last(o => o.From <= at && at < o.To).Prompts;
        var known = before.LastOrDefault(p => p.From <= begin) ?? before[0];
        var text = prompt ?? known.Text;
        var spans = PromptSchedule.Read(text, begin);
        return new()
        {
            Id = id,
            After = after,
            Kind = kind,
            From = from,
            To = to,
            Prompts = spans.Count > 0 ? spans : [new(Math.Round(begin, 3), Math.Round(end, 3), text)],
            Seed = seed ?? chain[0].Seed + chain.Count,
            Settings = chain[0].Settings,
        };
    }

    /// <summary>Frees the model, where it was opened for this.</summary>
    public void Dispose()
    {
        if (!own)
            return;
        generator.Dispose();
        files.Dispose();
    }

    private static IEnumerable<string> Known()
    {
        yield return Shipped.Located(Shipped.Model);
        var models = Path.GetDirectoryName(Shipped.Model)!;
        foreach (var folder in (string[])[models, Shipped.Located(models)])
            if (Directory.Exists(folder))
                foreach (var model in Directory.EnumerateDirectories(folder).Order())
                    yield return model;
    }
}
