using System.Security.Cryptography;
using System.Text.Json.Serialization;

namespace LongTake.Training;

/// <summary>One whole checkpoint: the step it was taken after and the folder of its files.</summary>
public sealed record Checkpoint(long Step, string Folder);

internal sealed record ManifestFile(long Size, string Sha256);

internal sealed record Manifest(long Step, SortedDictionary<string, ManifestFile> Files);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(Manifest))]
internal sealed partial class ManifestJson : JsonSerializerContext;

/// <summary>
/// A run on disk: <c>config.json</c>, <c>log.jsonl</c>, TensorBoard event files, <c>checkpoints/step-00000123/</c>. A
/// checkpoint is written into a hidden folder, its <c>manifest.json</c> (sizes and SHA-256) last, and then renamed, so
/// a run that is killed at any moment leaves whole checkpoints only. Readers need no lock; the one trainer takes it.
/// </summary>
public sealed class RunFolder(string path)
{
    private const string ManifestName = "manifest.json",
        Unfinished = ".new-",
        Replaced = ".old-";

    /// <summary>The run's folder; it need not exist yet.</summary>
    public string Root { get; } = Path.GetFullPath(path);

    /// <summary>The resolved recipe.</summary>
    public string Config => Path.Combine(Root, "config.json");

    /// <summary>The log, one JSON object a line.</summary>
    public string Log => Path.Combine(Root, "log.jsonl");

    private string Checkpoints => Path.Combine(Root, "checkpoints");
    private string SavedOnce => Path.Combine(Root, "saved");
    private string Done => Path.Combine(Root, "done");
    private readonly Dictionary<string, string?> hashed = []; // faults found by hashing, by folder

    /// <summary>The model that the run ends with.</summary>
    public string Model => Path.Combine(Root, "model");

    /// <summary>True when the run has come to its end, and its model is there.</summary>
    public bool Finished => File.Exists(Done);

    /// <summary>True when a checkpoint was saved here, whether or not one is left.</summary>
    public bool HasSaved => File.Exists(SavedOnce) || Newest().Any();

    /// <summary>
    /// Marks the run as finished: <c>done</c> lists the files of its model with their sizes and SHA-256.
    /// </summary>
    public void Finish(long step) => Seal(Model, Done, step);

    /// <summary>Identifies the model of a finished run: equal models have equal ones.</summary>
    public string Result => Hash(Done)[..16];

    /// <summary>What is wrong with the model of a finished run, or null.</summary>
    public string? ModelFault =>
        // an older version wrote no list
        File.ReadAllBytes(Done).AsSpan().SequenceEqual("done\n"u8)
            ? null
            : Fault(Model, Done, null, verify: true);

    /// <summary>Makes the list of a folder's files, or compares the folder with the list that is there.</summary>
    /// <exception cref="UserException">A file has changed since.</exception>
    internal static void Keep(string folder, string list)
    {
        if (!File.Exists(list))
            Seal(folder, list, 0);
        else if (Fault(folder, list, null, verify: true) is { } fault)
            throw new UserException($"{folder}: {fault}. Delete that folder and {list}, and they are made again");
    }

    /// <summary>
    /// Makes the folder and keeps other processes from training in it until disposed (or until this process ends,
    /// however it ends); clears away what a killed run left half-written.
    /// </summary>
    /// <exception cref="UserException">Another process trains here, or the folder cannot be written.</exception>
    public IDisposable Lock()
    {
        var file = Path.Combine(Root, "lock");
        IDisposable held;
        try
        {
            Directory.CreateDirectory(Root);
            held = FileLock.Try(file)
                ?? throw new UserException(
                    $"{Root}: another process trains in this folder (it holds {file}). "
                        + "Wait for it, stop it, or give another run folder."
                );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.Failed(file, e);
        }
        Sweep();
        return held;
    }

    /// <summary>
    /// Takes a checkpoint: <paramref name="write"/> puts the files into the folder it is given. Afterwards only the
    /// newest <paramref name="keep"/> whole checkpoints stay (0 keeps all). Hold the lock.
    /// </summary>
    /// <exception cref="UserException">Disk full or folder not writable; older checkpoints are as before.</exception>
    public Checkpoint Save(long step, Action<string> write, int keep = 0)
    {
        var name = $"step-{step:D8}";
        var final = Path.Combine(Checkpoints, name);
        var (fresh, old) = (Path.Combine(Checkpoints, Unfinished + name), Path.Combine(Checkpoints, Replaced + name));
        try
        {
            if (Directory.Exists(fresh))
                Directory.Delete(fresh, recursive: true);
            Directory.CreateDirectory(fresh);
            write(fresh);
            Seal(fresh, Path.Combine(fresh, ManifestName), step);
            if (Directory.Exists(final))
                Directory.Move(final, old);
            Directory.Move(fresh, final);
            if (Directory.Exists(old))
                Directory.Delete(old, recursive: true);
            hashed[final] = null;
            if (!File.Exists(SavedOnce))
                AtomicFile.Write(SavedOnce, s => s.Write("A checkpoint was saved here.\n"u8));
            if (keep > 0)
                Prune(keep);
            return new(step, final);
        }
        catch (Exception e)
        {
            try
            {
                Directory.Delete(fresh, recursive: true);
            } // gives its space back
            catch (Exception again) when (again is IOException or UnauthorizedAccessException) { }
            if (e is IOException or UnauthorizedAccessException)
                throw AtomicFile.Failed(final, e);
            throw;
        }
    }

    /// <summary>
    /// The newest whole checkpoint, or null: its manifest is there and every file has the size it says, with
    /// <paramref name="verify"/> also the hash. <paramref name="warn"/> gets those passed over.
    /// </summary>
    public Checkpoint? Latest(bool verify = false, Action<string>? warn = null) =>
        Newest()
            .FirstOrDefault(c =>
            {
                var broken = Found(c, verify);
                if (broken is not null)
                    warn?.Invoke($"{c.Folder}: passed over: {broken}");
                return broken is null;
            });

    /// <summary>Every checkpoint, newest first, with what is wrong with it (sizes only), or null.</summary>
    public IEnumerable<(Checkpoint Checkpoint, string? Fault)> All =>
        Newest().Select(c => (c, Fault(c, verify: false)));

    private IEnumerable<Checkpoint> Newest() =>
        !Directory.Exists(Checkpoints)
            ? []
            : Directory
                .GetDirectories(Checkpoints, "step-*")
                .Select(f => new Checkpoint(long.TryParse(Path.GetFileName(f).AsSpan(5), out var step) ? step : -1, f))
                .Where(c => c.Step >= 0)
                .OrderByDescending(c => c.Step);

    // What hashing finds is remembered: pruning asks the same as loading, and need not read everything again.
    private string? Found(Checkpoint checkpoint, bool verify) =>
        verify ? hashed[checkpoint.Folder] = Fault(checkpoint, verify) : Fault(checkpoint, verify);

    private static string? Fault(Checkpoint checkpoint, bool verify) =>
        Fault(checkpoint.Folder, Path.Combine(checkpoint.Folder, ManifestName), checkpoint.Step, verify);

    // Writes the list of a folder's files.
    private static void Seal(string folder, string list, long step)
    {
        var files = Directory
            .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => !Path.GetFileName(f).StartsWith('.')) // left by a killed process
            .ToDictionary(
                f => Path.GetRelativePath(folder, f).Replace('\\', '/'),
                f => new ManifestFile(new FileInfo(f).Length, Hash(f))
            );
        SealedJson.Write(list, new(step, new(files, StringComparer.Ordinal)), ManifestJson.Default.Manifest);
    }

    // What differs between a folder's files and their list.
    private static string? Fault(string folder, string list, long? step, bool verify)
    {
        try
        {
            var manifest = SealedJson.Read(list, ManifestJson.Default.Manifest);
            if (manifest is not { Files: { } files } || step is not null && manifest.Step != step)
                return "its manifest is not of this checkpoint";
            foreach (var (name, said) in files)
            {
                var file = new FileInfo(Path.Combine(folder, name));
                if (!file.Exists)
                    return $"{name} is missing";
                if (file.Length != said.Size)
                    return $"{name} has {file.Length} bytes, its manifest says {said.Size}";
                if (verify && Hash(file.FullName) != said.Sha256)
                    return $"{name} has changed since it was written";
            }
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or UserException)
        {
            return $"no readable manifest ({e.Message})";
        }
    }

    private static string Hash(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>
    /// Deletes what is older than the newest <paramref name="keep"/> whole checkpoints, broken ones too.
    /// </summary>
    private void Prune(int keep)
    {
        var whole = Newest()
            .Where(c => (hashed.TryGetValue(c.Folder, out var f) ? f : Found(c, verify: true)) is null)
            .Take(keep)
            .ToList();
        if (whole.Count < keep)
            return;
        foreach (var old in Newest().Where(c => c.Step < whole[^1].Step).ToList())
            Directory.Delete(old.Folder, recursive: true);
    }

    /// <summary>
    /// A killed save leaves an unfinished folder or, between its renames, a replaced one that must come back.
    /// </summary>
    private void Sweep()
    {
        if (!Directory.Exists(Checkpoints))
            return;
        foreach (var old in Directory.GetDirectories(Checkpoints, Replaced + "*"))
        {
            var final = Path.Combine(Checkpoints, Path.GetFileName(old)[Replaced.Length..]);
            if (Directory.Exists(final))
                Directory.Delete(old, recursive: true);
            else
                Directory.Move(old, final);
        }
        foreach (var fresh in Directory.GetDirectories(Checkpoints, Unfinished + "*"))
            Directory.Delete(fresh, recursive: true);
    }
}
