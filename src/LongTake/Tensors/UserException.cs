namespace LongTake.Tensors;

/// <summary>
/// A mistake a person can mend: the message names what was given, what is allowed and what to do. Front doors print it
/// without a stack trace. <see cref="Usage"/> is true for wrong arguments (exit code 2), false for failed work (1).
/// </summary>
public class UserException(string message, bool usage = false, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>True when the command line or the recipe is wrong, false when the work failed.</summary>
    public bool Usage { get; } = usage;

    /// <summary>A message without the path that it begins with, for where that is said already.</summary>
    public static string Without(string path, string message) =>
        message.StartsWith(path + ": ", StringComparison.Ordinal) ? message[(path.Length + 2)..] : message;
}
