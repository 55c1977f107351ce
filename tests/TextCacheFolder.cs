using System.Runtime.CompilerServices;

namespace LongTake.Tests;

/// <summary>Texts that tests encode are kept in a folder of this run, not in the person's own.</summary>
internal static class TextCacheFolder
{
    [ModuleInitializer]
    internal static void Set()
    {
        var folder = Directory.CreateTempSubdirectory("longtake-cache-").FullName;
        Environment.SetEnvironmentVariable("LONGTAKE_CACHE", folder);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
    }
}
