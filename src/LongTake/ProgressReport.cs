namespace LongTake;

/// <summary>
/// How far a long piece of work is, for whoever shows it: <paramref name="Done"/> of <paramref name="Total"/> (0 when
/// unknown) <paramref name="Unit"/>s ("samples", "frames"), and a short text such as the latest losses.
/// </summary>
public sealed record ProgressReport(long Done, long Total, string Unit, string Text = "");
