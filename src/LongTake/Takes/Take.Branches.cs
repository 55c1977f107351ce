namespace LongTake.Takes;

/// <summary>What is done with a take without its model.</summary>
public sealed partial class Take
{
    /// <summary>
    /// Copies a take: as a single file, or into a new folder when the path ends in .take. Only what operations need
    /// goes along.
    /// </summary>
    /// <exception cref="UserException">It cannot be written, or such a folder is there.</exception>
    public void CopyTo(string path)
    {
        if (!path.EndsWith(".take", StringComparison.Ordinal))
        {
            OutputPlace.RequireFile(path, Files.Sum(f => new FileInfo(f).Length));
            TakeZip.Pack(this, path);
            return;
        }
        using var other = FileLock.Output(path);
        if (System.IO.Path.Exists(path))
            throw new UserException($"{path}: is there already; give another name", usage: true);
        OutputPlace.RequireFolder(path);
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        var fresh =
            $"{System.IO.Path.GetDirectoryName(full)}/.{System.IO.Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp";
        foreach (
            var file in Files.Append(Preview).Append(System.IO.Path.Combine(Path, DocumentFile)).Where(File.Exists)
        )
        {
            var to = System.IO.Path.Combine(fresh, System.IO.Path.GetRelativePath(Path, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        Directory.Move(fresh, full);
    }

    /// <summary>
    /// Names the last operation of a branch, or another one, as a branch of its own, and goes over to it.
    /// </summary>
    /// <exception cref="UserException">There is a branch of that name, or it cannot be one.</exception>
    public void AddBranch(string name, string? from = null, int? operation = null)
    {
        var parent = Document.BranchNamed(from);
        if (!TakeProblems.IsName(name))
            throw new UserException($"branch '{name}': letters, digits, dots, hyphens, 64 at most", usage: true);
        if (Document.Branches.Any(b => b.Name == name))
            throw new UserException($"branch '{name}' is there already; give another name", usage: true);
        if (operation is { } id && (id < 1 || id > Document.Operations.Count))
            throw new UserException($"operation {id}: the take has 1 to {Document.Operations.Count}", usage: true);
        Save(
            Document with
            {
                Branch = name,
                Branches = [.. Document.Branches, new(name, parent.Name, operation ?? parent.Operation)],
            }
        );
    }

    /// <summary>Goes over to a branch.</summary>
    /// <exception cref="UserException">There is none of that name.</exception>
    public void GoTo(string branch) => Save(Document with { Branch = Document.BranchNamed(branch).Name });

    /// <summary>Measures by the second of what an operation leads to.</summary>
    public IReadOnlyList<SecondMeasure> Seconds(int operation)
    {
        var all = new SortedDictionary<int, SecondMeasure>();
        foreach (var second in Document.LeadingTo(operation).SelectMany(o => o.Seconds))
            all[second.Second] = second;
        return [.. all.Values];
    }

    /// <summary>Hashes every file of latents; what is missing, damaged or not what the document says, a sentence
    /// each.</summary>
    public IReadOnlyList<string> Damage(IProgress<ProgressReport>? progress = null, CancellationToken cancel = default)
    {
        var segments = Document.Operations.SelectMany(o => o.Segments).DistinctBy(s => s.Sha256).ToList();
        var damage = new List<string>();
        foreach (var (i, segment) in segments.Index())
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = torch.NewDisposeScope();
            try
            {
                Latents(segment);
            }
            catch (UserException e)
            {
                damage.Add(e.Message);
            }
            progress?.Report(new(i + 1, segments.Count, "files", "hashing"));
        }
        return damage;
    }
}
