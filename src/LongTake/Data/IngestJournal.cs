using System.Text.Json;
using System.Text.Json.Serialization;

namespace LongTake.Data;

internal sealed record Looked(IngestSettings Settings, string Path, long Size, DateTime Modified, IngestItem Item);

[JsonSerializable(typeof(Looked))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
internal sealed partial class LookedJson : JsonSerializerContext;

/// <summary>
/// Verdicts already reached, a line each, so that a stopped or repeated ingest does not look again at a file of the same size
/// and time. While it is open no other process ingests into the folder.
/// </summary>
internal sealed class IngestJournal : IDisposable
{
    private readonly FileStream file;
    private readonly Dictionary<string, Looked> looked = new(StringComparer.Ordinal);
    private readonly IngestSettings settings;

    /// <exception cref="UserException">Another process ingests into the folder, or it cannot be written.</exception>
    public IngestJournal(string folder, IngestSettings settings)
    {
        this.settings = settings;
        var path = Path.Combine(folder, ".looked.jsonl");
        try
        {
            Directory.CreateDirectory(folder);
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        // "would block" on Linux, on macOS, "sharing violation" on Windows
        catch (IOException e) when (e.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            throw new UserException($"{folder}: another ingest is at work in this folder; wait for it or give another folder", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { throw AtomicFile.Failed(path, e); }
        using var reader = new StreamReader(file, leaveOpen: true);
        while (reader.ReadLine() is { } line)
            if (Parse(line) is { } entry) looked[entry.Path] = entry;
        file.Seek(0, SeekOrigin.End);
        file.WriteByte((byte)'\n');   // ends a line that a kill cut off
    }

    /// <summary>The verdict on an unchanged file, or null.</summary>
    public IngestItem? Known(string path) =>
        looked.GetValueOrDefault(path) is { } entry && entry.Settings == settings && entry.Item.Path == path
            && new FileInfo(path) is { Exists: true } now && now.Length == entry.Size && now.LastWriteTimeUtc == entry.Modified
            ? entry.Item : null;

    /// <summary>Remembers a verdict; not those that a missing disk or a busy machine may have caused.</summary>
    public void Add(IngestItem item)
    {
        if (item.Rule is "exists" or "video" or "undamaged" || Known(item.Path) is not null || new FileInfo(item.Path) is not { Exists: true } now) return;
        var line = JsonSerializer.SerializeToUtf8Bytes(new Looked(settings, item.Path, now.Length, now.LastWriteTimeUtc, item), LookedJson.Default.Looked);
        file.Write([.. line, (byte)'\n']);
        file.Flush();
    }

    public void Dispose() => file.Dispose();

    private static Looked? Parse(string line)
    {
        try { return JsonSerializer.Deserialize(line, LookedJson.Default.Looked) is { Item.Rule: not null, Path: not null } entry ? entry : null; }
        catch (JsonException) { return null; }
    }
}
