using System.Text.Json;

namespace LongTake.Tests;

/// <summary>Golden files outside the repository: LONGTAKE_FIXTURES, else shared/fixtures beside the checkout.</summary>
internal static class Fixtures
{
    /// <summary>The folder, or null where there is none.</summary>
    public static string? Directory { get; } = Find();

    /// <summary>The folder; skips the test where there is none.</summary>
    public static string Require()
    {
        Skip.If(Directory is null, "golden fixtures not found: set LONGTAKE_FIXTURES, or ../shared/fixtures");
        return Directory!;
    }

    /// <summary>One file of the folder; skips the test where there is none.</summary>
    public static string File(string name) => Path.Combine(Require(), name);

    /// <summary>What a fixture's JSON says: config, cases, tolerances.</summary>
    public static JsonElement Json(string name) =>
        JsonDocument.Parse(System.IO.File.ReadAllText(File(name + ".json"))).RootElement;

    /// <summary>The tensors of a safetensors file, in the current scope.</summary>
    public static Dictionary<string, Tensor> Read(string name)
    {
        using var file = SafetensorsSet.Open(File(name + ".safetensors"));
        return file.Names.ToDictionary(n => n, file.Tensor);
    }

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("LONGTAKE_FIXTURES") is { Length: > 0 } given)
            return System.IO.Directory.Exists(given) ? given : null;
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            var beside = Path.Combine(at.FullName, "shared", "fixtures");
            if (System.IO.Directory.Exists(beside))
                return beside;
        }
        return null;
    }
}
