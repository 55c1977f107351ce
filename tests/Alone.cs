namespace LongTake.Tests;

/// <summary>Tests that run while no other test does, for they count the live tensors of all threads.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
