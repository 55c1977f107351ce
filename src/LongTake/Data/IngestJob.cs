using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Models;

namespace LongTake.Data;

/// <summary>One line of manifest.json: what became of a given file, and the items of the set that come from it.</summary>
public sealed record IngestLine(string Path, bool Kept, string Rule, double? Value, string Reason, string Role, int Frames, bool HeldOut,
    IReadOnlyList<string> Items);

/// <summary>What an ingest did.</summary>
public sealed record IngestReport(IReadOnlyList<IngestLine> Files, VideoSetInfo Set)
{
    /// <summary>The rules in the order in which they are asked, with how many files each took.</summary>
    public IEnumerable<(string Rule, int Dropped)> Funnel => IngestJob.Rules.Select(r => (r, Files.Count(f => f.Rule == r))).Where(r => r.Item2 > 0);
}

[JsonSerializable(typeof(IngestLine))]
[JsonSerializable(typeof(IngestSettings))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
internal sealed partial class ManifestLineJson : JsonSerializerContext;

/// <summary>Makes a data set of video files: looks at them, cuts, holds some out, writes. One process a folder.</summary>
public sealed class IngestJob : IDisposable
{
    internal static readonly string[] Rules = ["exists", "video", "size", "length", "undamaged", "moving", "single-shot"];
    private readonly string folder;
    private readonly ModelConfig model;
    private readonly IngestJournal journal;

    /// <summary>Lengths in seconds: of the shortest take, of the longest (null: 61, or the model's longest film), of the shortest clip.</summary>
    /// <exception cref="UserException">Usage: lengths that contradict each other or the model. Else: the folder is in use.</exception>
    public IngestJob(string folder, ModelConfig model, double minSeconds = 10, double? maxSeconds = null, double clipSeconds = 5)
    {
        var (clip, film) = (ClipFrames(model) / model.Fps, model.Frames(model.FilmLatents) / model.Fps);
        if (minSeconds < clip) throw new UserException($"--min-seconds {minSeconds:0.##}: a take must be longer than the model's clip, {clip:0.##} s", usage: true);
        if (maxSeconds > film + 0.5) throw new UserException($"--max-seconds {maxSeconds:0.##}: the model's longest film is {film:0.#} s", usage: true);
        if (clipSeconds <= 0 || maxSeconds < minSeconds)
            throw new UserException($"--min-seconds {minSeconds:0.##}, --max-seconds {maxSeconds:0.##}, --clip-seconds {clipSeconds:0.##}: " +
                "lengths must be more than 0 and the longest take not below the shortest", usage: true);
        (this.folder, this.model) = (folder, model);
        Settings = new()
        {
            Fps = model.Fps, Width = model.Width, Height = model.Height, MinSeconds = minSeconds,
            MaxSeconds = maxSeconds ?? Math.Max(minSeconds, Math.Min(61, film)), ClipSeconds = Math.Max(clipSeconds, clip),
        };
        foreach (var program in (string[])["ffmpeg", "ffprobe"]) Media.Ffmpeg.Locate(program);   // before anything is written
        journal = new IngestJournal(folder, Settings);
    }

    /// <summary>What is asked of a file; the shortest clip is at least the model's own.</summary>
    public IngestSettings Settings { get; }

    /// <summary>A verdict on every file of the sources.</summary>
    /// <exception cref="UserException">No file given, ffmpeg missing, or the set would lie among its sources.</exception>
    public IReadOnlyList<IngestItem> Look(IEnumerable<string> sources, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        string[] all = [.. sources.Select(Path.GetFullPath).Distinct()];
        var target = Path.GetFullPath(folder) + Path.DirectorySeparatorChar;
        foreach (var source in all.Where(Directory.Exists))
            if (target.StartsWith(Path.TrimEndingDirectorySeparator(source) + Path.DirectorySeparatorChar, StringComparison.Ordinal))
                throw new UserException($"-o {folder}: lies inside the source {source}; give a folder elsewhere", usage: true);
        var count = 0;
        return Ingest.Scan(all, Settings, (item, share) =>
        {
            cancel.ThrowIfCancellationRequested();   // Ctrl-C reaches ffmpeg too, and what it then says is no verdict
            journal.Add(item);
            count++;
            progress?.Report(new(count, (long)Math.Round(count / share), "files", $"{Path.GetFileName(item.Path)}: {(item.Kept ? item.Role : item.Rule)}"));
        }, journal.Known, cancel);
    }

    /// <summary>Cuts and writes what was kept; nothing that looks like a set is left when that fails.</summary>
    /// <exception cref="UserException">Nothing was kept, a file changed meanwhile, or the disk is full.</exception>
    public IngestReport Write(IReadOnlyList<IngestItem> looked, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        looked = [.. looked.Select(i => i.Kept && i.Frames < ClipFrames(model)
            ? i with { Kept = false, Rule = "length", Role = "", Frames = 0, Value = i.Frames,
                Reason = $"{i.Frames} frames at {i.SampleFps:0.##} frames a second; the model's clips have {ClipFrames(model)}" }
            : i)];
        var kept = looked.Where(i => i.Kept).ToList();
        var items = new List<VideoItem>();
        var heldOut = HeldOut([.. kept.Select(i => i.Role)]);
        string Name(int n) => $"{kept[n].Role}-{kept.Take(n).Count(i => i.Role == kept[n].Role):D4}";
        for (var n = 0; n < kept.Count; n++) items.AddRange(Cut(kept[n], Name(n), heldOut.Contains(n), kept.Count(i => i.Role == "take") == 1));
        var set = new VideoSetInfo(model.Fps, model.Width, model.Height, "", items);
        var report = new IngestReport([.. looked.Select(i => Line(i, i.Kept ? Name(kept.IndexOf(i)) : "", items))], set);
        if (kept.Count == 0)
        {
            if (!VideoSet.Exists(folder)) WriteManifest(report.Files);
            throw Nothing(report);
        }
        var done = 0;
        progress?.Report(new(0, kept.Count, "videos", "writing"));
        VideoSet.Write(folder, set, [.. kept.Select((file, n) => (Name(n), Length(file), (Func<byte[]>)(() =>
        {
            cancel.ThrowIfCancellationRequested();
            var frames = Ingest.Frames(file with { Frames = Length(file) }, Settings, cancel);
            progress?.Report(new(++done, kept.Count, "videos", "writing"));
            return frames;
        })))], () => WriteManifest(report.Files));
        return report with { Set = VideoSet.Read(folder) };
    }

    /// <summary>Frees the folder for others.</summary>
    public void Dispose() => journal.Dispose();

    private static int ClipFrames(ModelConfig model) => model.Frames(model.ClipLatents);

    private int Length(IngestItem file) => Math.Min(file.Frames, model.Frames(model.FilmLatents));

    // About one take in eight, spread evenly; without takes the same of the clips. A lone one is not given away whole.
    private static HashSet<int> HeldOut(string[] roles)
    {
        var of = roles.Contains("take") ? "take" : "clip";
        var all = Enumerable.Range(0, roles.Length).Where(n => roles[n] == of).ToList();
        var count = all.Count < 2 ? 0 : Math.Max(1, (int)Math.Round(all.Count / 8.0));
        return [.. Enumerable.Range(0, count).Select(i => all[(2 * i + 1) * all.Count / (2 * count)])];
    }

    /// <summary>
    /// The items of a video: a take is one, and every video is cut into clips of the model's length, so that a teacher has
    /// clips that begin with an image latent. What is held out is so in both forms. Of the only take the last third is.
    /// </summary>
    private IEnumerable<VideoItem> Cut(IngestItem file, string name, bool heldOut, bool only)
    {
        var frames = Length(file);
        if (file.Role != "take") return Clips(0, frames, heldOut);
        if (!only) return [Item(name, "take", 0, frames, heldOut), .. Clips(0, frames, heldOut)];
        var first = model.Frames((int)model.Vae.Latents(frames * 2 / 3));
        var rest = model.Frames((int)model.Vae.Latents(frames - first));
        return [Item(name, "take", 0, first, false), Item(name + "-end", "take", first, rest, true), .. Clips(0, first, false), .. Clips(first, rest, true)];

        VideoItem Item(string called, string role, int start, int length, bool held) =>
            new(new LatentItem(called, role, (int)model.Vae.Latents(length), file.Caption) { Source = file.Path, HeldOut = held }, name, start, length);

        IEnumerable<VideoItem> Clips(int start, int length, bool held) => Enumerable.Range(0, length / ClipFrames(model))
            .Select(i => start + i * ClipFrames(model)).Select(at => Item($"{name}-at-{at:D4}", "clip", at, ClipFrames(model), held));
    }

    private static IngestLine Line(IngestItem i, string video, List<VideoItem> items)
    {
        var from = items.Where(v => v.Video == video).ToList();
        return new(i.Path, i.Kept, i.Rule, i.Value, i.Reason, i.Role, i.Frames, from.Count > 0 && from.All(v => v.Item.HeldOut), [.. from.Select(v => v.Item.Name)]);
    }

    private static UserException Nothing(IngestReport report)
    {
        if (report.Files.Count == 0) return new("no data set: there is not one file in the sources given");
        var (rule, count) = report.Funnel.MaxBy(r => r.Dropped);
        var one = report.Files.First(f => f.Rule == rule);
        var all = string.Join(", ", report.Funnel.Select(r => $"{r.Rule} {r.Dropped}"));
        return new($"no data set: none of {report.Files.Count} files could be kept; the rule that took most is '{rule}' ({count}), " +
            $"for example {one.Path}: {one.Reason}. Dropped by rule: {all}");
    }

    private void WriteManifest(IEnumerable<IngestLine> lines) => AtomicFile.Write(Path.Combine(folder, "manifest.json"), stream =>
    {
        var json = new ManifestLineJson(new(ManifestLineJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        using var text = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true) { NewLine = "\n" };
        text.WriteLine($"{{\"settings\":{JsonSerializer.Serialize(Settings, json.IngestSettings)},\"files\":[");
        text.WriteLine(string.Join(",\n", lines.Select(l => JsonSerializer.Serialize(l, json.IngestLine))));
        text.WriteLine("]}");
    });
}
