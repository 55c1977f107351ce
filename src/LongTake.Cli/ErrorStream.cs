using System.Text;

namespace LongTake.Cli;

/// <summary>
/// The error stream, which only tells a person how the work goes: when nobody can read it any more (the terminal was
/// closed, a disk is full) the work goes on without it.
/// </summary>
internal sealed class ErrorStream(TextWriter to) : TextWriter
{
    public override Encoding Encoding => to.Encoding;

    public override void Write(char value) => Try(() => to.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => to.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => to.Write(value));

    public override void WriteLine(string? value) => Try(() => to.WriteLine(value));

    public override void Flush() => Try(to.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException) { }
    }
}
