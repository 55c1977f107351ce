namespace LongTake.Tests;

/// <summary>The golden tensors of the reference implementations; a clone without them skips the tests that need them.</summary>
internal static class Fixtures
{
    public static string? Directory { get; } = Find();

    public static string Require()
    {
        Skip.If(Directory is null, "the golden fixtures are not here (set LONGTAKE_FIXTURES, or put shared/fixtures beside the checkout)");
        return Directory!;
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("LONGTAKE_FIXTURES") is { Length: > 0 } named) return named;
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var folder = Path.Combine(at.FullName, "shared", "fixtures");
            if (System.IO.Directory.Exists(folder)) return folder;
        }
        return null;
    }
}
