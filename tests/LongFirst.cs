using LongTake.Tests;
using LongTake.Tests.Cli;
using Xunit.Abstractions;

[assembly: TestCollectionOrderer("LongTake.Tests." + nameof(LongFirst), "LongTake.Tests")]

namespace LongTake.Tests;

/// <summary>The classes that take longest begin: one that came last would leave the other cores idle.</summary>
public sealed class LongFirst : ITestCollectionOrderer
{
    private static readonly Type[] longest = [typeof(KillTests), typeof(ReproduceTests), typeof(PlanTests)];

    /// <inheritdoc/>
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderByDescending(c => longest.Any(l => c.DisplayName.EndsWith(l.FullName!)));
}
