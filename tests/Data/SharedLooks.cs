using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Video;

namespace LongTake.Tests.Data;

/// <summary>
/// The shared media corrupt, long and short, looked at once for all tests that ask what was seen: decoding them is most
/// of what those cost.
/// </summary>
internal static class SharedLooks
{
    private static readonly Lazy<(
        IReadOnlyList<(SourceFile File, Look Look)> Looked,
        IReadOnlyList<Decision> Decisions
    )> all = new(() =>
    {
        var set = Directory.CreateTempSubdirectory("longtake-shared-").FullName;
        try
        {
            using var builder = new DatasetBuilder(
                set,
                new() { Sources = [.. ((string[])["corrupt", "long", "short"]).Select(SharedMedia.Get)] },
                new ModelConfig()
            );
            var looked = builder.Look(out var refused, 2, null, default);
            return (looked, builder.Filter(looked, refused));
        }
        finally
        {
            Directory.Delete(set, recursive: true);
        }
    });

    /// <summary>What was decided of every file; skips the test when there are no shared media.</summary>
    public static IReadOnlyList<Decision> Decisions
    {
        get
        {
            SharedMedia.Get("");
            return all.Value.Decisions;
        }
    }

    /// <summary>What was seen in each file of a folder, in the order of their names.</summary>
    public static IEnumerable<Look> In(string folder)
    {
        var place = SharedMedia.Get(folder);
        return all.Value.Looked.Select(l => l.Look).Where(l => Path.GetDirectoryName(l.Path) == place);
    }
}
