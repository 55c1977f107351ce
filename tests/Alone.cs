namespace LongTake.Tests;

/// <summary>
/// Tests that run while no other test does, for what they count or set (live tensors, threads, peak memory) belongs to
/// the whole process.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
