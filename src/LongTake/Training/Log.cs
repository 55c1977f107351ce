using System.Text.Json;
using System.Text.Json.Nodes;

namespace LongTake.Training;

/// <summary>
/// One line of a run's log: after <paramref name="Step"/> steps and <paramref name="Samples"/> samples,
/// <paramref name="Seconds"/> into the run, these named numbers.
/// </summary>
public sealed record LogLine(
    long Step,
    long Samples,
    double Seconds,
    IReadOnlyList<(string Name, double Value)> Scalars
);

/// <summary>
/// The log of a run: <c>log.jsonl</c>, flushed line by line, and the same numbers for TensorBoard. Opened again after a
/// resume it forgets the lines past the resumed step, so no step is there twice. JSON has no NaN: such values are the
/// texts "NaN", "Infinity" and "-Infinity".
/// </summary>
public sealed class TrainingLog : IDisposable
{
    private const string NoteMember = "note";
    private readonly FileStream file;
    private readonly TensorBoard board;

    /// <summary>Opens a run's log to go on after <paramref name="step"/> steps; 0 for a new run.</summary>
    /// <exception cref="UserException">The log cannot be written.</exception>
    public TrainingLog(RunFolder run, long step)
    {
        try
        {
            Directory.CreateDirectory(run.Root);
            if (File.Exists(run.Log))
                Forget(run.Log, step);
            file = new FileStream(run.Log, FileMode.Append, FileAccess.Write, FileShare.Read);
            board = new TensorBoard(run.Root, step);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw AtomicFile.Failed(run.Log, e);
        }
    }

    /// <summary>Adds a line. Names must differ, also from step, samples and seconds.</summary>
    /// <exception cref="UserException">The disk is full.</exception>
    public void Write(LogLine line)
    {
        var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteNumber("step", line.Step);
            json.WriteNumber("samples", line.Samples);
            Number(json, "seconds", line.Seconds);
            var names = new HashSet<string> { "step", "samples", "seconds" };
            foreach (var (name, value) in line.Scalars)
                if (names.Add(name))
                    Number(json, name, value);
                else
                    throw new ArgumentException($"the log line of step {line.Step} has '{name}' twice", nameof(line));
            json.WriteEndObject();
        }
        bytes.WriteByte((byte)'\n');
        Guarded(() =>
        {
            file.Write(bytes.GetBuffer(), 0, (int)bytes.Length);
            file.Flush();
            board.Scalars(line.Step, line.Scalars);
        });
    }

    /// <summary>
    /// Adds a sentence, a line of its own with the members step and note, which has no figures. It is never forgotten.
    /// </summary>
    /// <exception cref="UserException">The disk is full.</exception>
    public void Note(long step, string text)
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["step"] = step, [NoteMember] = text });
        Guarded(() =>
        {
            file.Write([.. line, (byte)'\n']);
            file.Flush();
        });
    }

    /// <summary>
    /// The lines of a log, for charts; a last line that was cut off is left out. The log may be in use.
    /// </summary>
    public static IEnumerable<LogLine> Read(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } text)
            if (Parse(text) is { } line)
                yield return line;
    }

    /// <summary>Closes the log.</summary>
    public void Dispose()
    {
        file.Dispose();
        board.Dispose();
    }

    private void Guarded(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            throw AtomicFile.Failed(file.Name, e);
        }
    }

    private static void Forget(string path, long step)
    {
        var lines = File.ReadAllLines(path);
        string[] kept = [.. lines.Where(l => IsNote(l) || Parse(l) is { } line && line.Step <= step)];
        if (kept.Length == lines.Length && EndsWhole(path))
            return;
        AtomicFile.Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
            foreach (var line in kept)
                writer.WriteLine(line);
        });
    }

    private static bool IsNote(string text)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject line && line.ContainsKey(NoteMember);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static bool EndsWhole(string path)
    {
        using var stream = File.OpenRead(path);
        if (stream.Length == 0)
            return true;
        stream.Seek(-1, SeekOrigin.End);
        return stream.ReadByte() == '\n';
    }

    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
        else
            json.WriteString(
                name,
                double.IsNaN(value) ? "NaN"
                    : value > 0 ? "Infinity"
                    : "-Infinity"
            );
    }

    private static LogLine? Parse(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            var scalars = new List<(string, double)>();
            var (step, samples, seconds) = (-1L, 0L, 0.0);
            foreach (var member in json.RootElement.EnumerateObject())
                if (member.Name == "step")
                    step = member.Value.GetInt64();
                else if (member.Name == "samples")
                    samples = member.Value.GetInt64();
                else if (member.Name == "seconds")
                    seconds = Double(member.Value);
                else
                    scalars.Add((member.Name, Double(member.Value)));
            return step < 0 ? null : new(step, samples, seconds, scalars);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    private static double Double(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? double.Parse(value.GetString()!) : value.GetDouble();
}
