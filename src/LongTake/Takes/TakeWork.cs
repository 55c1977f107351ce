using System.Security.Cryptography;
using System.Text.Json;
using LongTake.Generation;

namespace LongTake.Takes;

/// <summary>
/// What is finished of an operation that is being made: its segments, and the steps of the next one. It lies in the
/// take until the operation is in the document, so that after whatever happens the same command goes on.
/// </summary>
internal sealed class TakeWork : IStepStore
{
    private const string Plan = "plan.json",
        Tensor = "step";

    private TakeWork(string folder, TakeOperation operation) => (Folder, Operation) = (folder, operation);

    public string Folder { get; }

    /// <summary>The operation, with the segments that are made.</summary>
    public TakeOperation Operation { get; private set; }

    /// <summary>Goes on with an operation, or begins it.</summary>
    public static TakeWork Of(Take take, TakeOperation plan)
    {
        var folder = Path.Combine(take.Work, Key(plan));
        if (Read(folder) is { } work && Key(work.Operation) == Key(plan))
        {
            // what is damaged is made again
            work.Operation = work.Operation with { Segments = [.. work.Operation.Segments.TakeWhile(take.Holds)] };
            return work;
        }
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        work = new(folder, plan with { Segments = [], Seconds = [] });
        work.Save();
        return work;
    }

    /// <summary>All unfinished operations of a take.</summary>
    public static IEnumerable<TakeWork> All(Take take) =>
        Directory.Exists(take.Work)
            ? Directory.EnumerateDirectories(take.Work).Order().Select(Read).OfType<TakeWork>()
            : [];

    /// <summary>Adds a segment; its steps go.</summary>
    public void Add(TakeSegment segment)
    {
        var done = Operation.Segments.Count;
        Operation = Operation with { Segments = [.. Operation.Segments, segment] };
        Save();
        foreach (var step in Directory.EnumerateFiles(Folder, $"{done}-*.safetensors"))
            File.Delete(step);
    }

    /// <summary>
    /// Deletes it, its plan last: up to then a process that is killed is found to have gone on with it.
    /// </summary>
    public void Delete()
    {
        foreach (var file in Directory.EnumerateFiles(Folder).Where(f => Path.GetFileName(f) != Plan))
            File.Delete(file);
        File.Delete(Path.Combine(Folder, Plan));
        Directory.Delete(Folder, recursive: true);
        if (!Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(Folder)!).Any())
            Directory.Delete(Path.GetDirectoryName(Folder)!);
    }

    /// <summary>Whether it is of the operation that a plan describes.</summary>
    public bool IsOf(TakeOperation plan) => Path.GetFileName(Folder) == Key(plan);

    public Tensor? Read(int step)
    {
        if (!File.Exists(FileOf(step)))
            return null;
        try
        {
            using var file = SealedTensors.Open(FileOf(step));
            return file.Tensor(Tensor);
        }
        catch (UserException) // damaged: it is made again
        {
            return null;
        }
    }

    public void Write(int step, Tensor value) =>
        SealedTensors.Write(FileOf(step), [KeyValuePair.Create(Tensor, value.cpu())], ScalarType.Float32);

    // Steps of a segment that is done never count for the next.
    private string FileOf(int step) => Path.Combine(Folder, $"{Operation.Segments.Count}-{step}.safetensors");

    private void Save() => SealedJson.Write(Path.Combine(Folder, Plan), Operation, TakeJson.Default.TakeOperation);

    private static TakeWork? Read(string folder)
    {
        try
        {
            var file = Path.Combine(folder, Plan);
            if (!File.Exists(file))
                return null;
            var operation = SealedJson.Read(file, TakeJson.Default.TakeOperation);
            return TakeProblems.IsPart(operation) ? new(folder, operation) : null;
        }
        catch (UserException)
        {
            return null;
        }
    }

    private static string Key(TakeOperation plan) =>
        Convert.ToHexStringLower(
            SHA256.HashData(
                JsonSerializer.SerializeToUtf8Bytes(
                    plan with
                    {
                        Id = 0, // operations of other branches may come between
                        Segments = [],
                        Seconds = [],
                    },
                    TakeJson.Default.TakeOperation
                )
            )
        )[..16];
}
