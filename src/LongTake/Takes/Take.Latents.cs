using System.Security.Cryptography;

namespace LongTake.Takes;

/// <summary>The latents of a take.</summary>
public sealed partial class Take
{
    private const string Tensor = "latents";

    private readonly HashSet<string> whole = [];

    /// <summary>Keeps latents [1, C, T, h, w] in a file named by its hash.</summary>
    internal string Keep(Tensor latents)
    {
        var folder = System.IO.Path.Combine(Path, LatentFolder);
        Directory.CreateDirectory(folder);
        var made = System.IO.Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            TensorFiles.Write(made, [KeyValuePair.Create(Tensor, latents)], dtype: ScalarType.Float32);
            var hash = HashOf(made);
            File.Move(made, FileOf(hash), overwrite: true);
            return hash;
        }
        catch (IOException e)
        {
            throw AtomicFile.Failed(made, e);
        }
        finally
        {
            AtomicFile.Delete(made);
        }
    }

    /// <summary>The hash that latents would be kept under.</summary>
    internal static string HashOf(Tensor latents)
    {
        var file = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"{Guid.NewGuid():N}.safetensors");
        try
        {
            TensorFiles.Write(file, [KeyValuePair.Create(Tensor, latents)], dtype: ScalarType.Float32);
            return HashOf(file);
        }
        finally
        {
            AtomicFile.Delete(file);
        }
    }

    /// <summary>Some latents of a segment, or all of them, in the current scope.</summary>
    /// <exception cref="UserException">Its file is missing, damaged, or does not hold what the document
    /// says.</exception>
    public Tensor Latents(TakeSegment segment, int from = 0, int? count = null)
    {
        var file = FileOf(segment.Sha256);
        if (!File.Exists(file))
            throw new UserException($"{file}: the latents of this take are missing; put the file back, or remake them");
        if (new FileInfo(file).LinkTarget is not null)
            throw new UserException($"{file}: a link; a take holds its latents itself");
        if (!whole.Contains(segment.Sha256) && HashOf(file) != segment.Sha256)
            throw new UserException($"{file}: damaged: its bytes are not those of its name");
        whole.Add(segment.Sha256);
        using var opened = SafetensorsSet.Open(file);
        if (
            !opened.Contains(Tensor)
            || opened.Entry(Tensor) is not { Dtype: "F32", Shape: [1, _, var latents, _, _] }
            || latents != segment.Latents
        )
            throw new UserException($"{file}: not the {segment.Latents} latents that the take names");
        return opened.View(Tensor).narrow(2, from, count ?? segment.Latents).clone();
    }

    /// <summary>Which segment holds each latent after an operation.</summary>
    public TakeSegment[] Timeline(int operation, IEnumerable<TakeSegment>? further = null)
    {
        var at = new List<TakeSegment>();
        foreach (var s in Document.LeadingTo(operation).SelectMany(o => o.Segments).Concat(further ?? []))
            for (var i = 0; i < s.Latents; i++)
                if (s.From + i < at.Count)
                    at[s.From + i] = s;
                else
                    at.Add(s);
        return [.. at];
    }

    /// <summary>Latents from one to before another of a timeline, [1, C, T, h, w], in the current scope.</summary>
    public Tensor Latents(TakeSegment[] timeline, int from, int to)
    {
        using var scope = torch.NewDisposeScope();
        var parts = new List<Tensor>();
        for (var at = from; at < to; )
        {
            var (segment, end) = (timeline[at], at + 1);
            while (end < to && timeline[end] == segment)
                end++;
            parts.Add(Latents(segment, at - segment.From, end - at));
            if (parts[^1].shape is [_, var c, _, var h, var w] && (c, h, w) != Size(parts[0]))
                throw new UserException($"{FileOf(segment.Sha256)}: latents of another size than those before them");
            at = end;
        }
        return torch.cat([.. parts], 2).MoveToOuterDisposeScope();
    }

    /// <summary>Whether the latents of a segment are there and whole.</summary>
    internal bool Holds(TakeSegment segment)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            Latents(segment);
            return true;
        }
        catch (UserException)
        {
            return false;
        }
    }

    private static (long, long, long) Size(Tensor x) => (x.size(1), x.size(3), x.size(4));

    internal string FileOf(string hash) => System.IO.Path.Combine(Path, LatentFolder, hash + ".safetensors");

    internal static string HashOf(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
