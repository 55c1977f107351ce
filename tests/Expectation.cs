using System.Runtime.CompilerServices;

namespace LongTake.Tests;

/// <summary>
/// Texts under tests/assets that a test compares with; LONGTAKE_FREEZE=1 rewrites them, to be reviewed as a difference.
/// </summary>
internal static class Expectation
{
    public static void Same(string name, string text, [CallerFilePath] string file = "")
    {
        var folder = Path.GetDirectoryName(file)!;
        while (!File.Exists(Path.Combine(folder, "LongTake.Tests.csproj")))
            folder = Path.GetDirectoryName(folder)!;
        var path = Path.Combine(folder, "assets", name);
        if (Environment.GetEnvironmentVariable("LONGTAKE_FREEZE") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        Assert.True(File.Exists(path), $"{path} does not exist; make it with './dev freeze'. The text is:\n{text}");
        Assert.Equal(File.ReadAllText(path), text);
    }
}
