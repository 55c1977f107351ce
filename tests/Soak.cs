namespace LongTake.Tests;

/// <summary>
/// How often tests repeat what they do: a few times as a rule, their full counts under <c>./dev soak</c>
/// (LONGTAKE_SOAK=1).
/// </summary>
internal static class Soak
{
    /// <summary>True under <c>./dev soak</c>.</summary>
    public static bool Full { get; } = Environment.GetEnvironmentVariable("LONGTAKE_SOAK") == "1";

    /// <summary>One count or the other.</summary>
    public static int Of(int few, int full) => Full ? full : few;
}
