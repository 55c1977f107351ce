using System.Diagnostics;
using LongTake.Data;

namespace LongTake.Tests.Data;

public sealed class ClaimsTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-claims-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void OneOwnerAtATime()
    {
        using Claims a = new(root),
            b = new(root);
        Assert.True(a.Take("x"));
        Assert.False(a.Take("x"));
        Assert.False(b.Take("x"));
        Assert.True(b.Take("y"));
        a.Release("x");
        Assert.True(b.Take("x"));
        b.Dispose();
        Assert.Empty(Directory.GetFiles(root));
    }

    [Fact]
    public void OfManyWhoWantAStaleClaimOneGetsIt()
    {
        // A process of this machine that has ended: its number is free, or another's with another start.
        using var self = new Claims(root);
        self.Take("mine");
        var owner = File.ReadAllText(Path.Combine(root, "mine.1")).Split('\t');
        File.WriteAllText(Path.Combine(root, "x.1"), $"{owner[0]}\t{owner[1]}\t1");
        Claims[] all = [.. Enumerable.Range(0, 8).Select(_ => new Claims(root))];
        Assert.Equal(1, all.AsParallel().WithDegreeOfParallelism(8).Count(c => c.Take("x")));
        foreach (var c in all)
            c.Dispose();
        Assert.Equal(["mine.1"], Directory.GetFiles(root).Select(f => Path.GetFileName(f)));
    }

    [Fact]
    public void AClaimOfAnotherMachineIsStaleWhenItIsNoLongerTouched()
    {
        var path = Path.Combine(root, "x.1");
        File.WriteAllText(path, "elsewhere\t1\t1");
        using var claims = new Claims(root, TimeSpan.FromMilliseconds(300));
        for (var clock = Stopwatch.StartNew(); clock.ElapsedMilliseconds < 700; Thread.Sleep(50))
        {
            // its clock is wrong, but it lives
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-5).AddMilliseconds(clock.ElapsedMilliseconds));
            Assert.False(claims.Take("x"));
        }
        Thread.Sleep(400);
        Assert.True(claims.Take("x"));
        Assert.True(File.Exists(Path.Combine(root, "x.2")));
    }

    [Fact]
    public async Task SharedWorkIsDoneOnceAndAFailureStopsNobodyElse()
    {
        var done = new System.Collections.Concurrent.ConcurrentDictionary<int, int>();
        int[] items = [.. Enumerable.Range(0, 60)];
        void Work()
        {
            using var claims = new Claims(root);
            SharedWork.Run(
                items,
                i => $"{i}",
                done.ContainsKey,
                i =>
                {
                    Thread.Sleep(1);
                    done.AddOrUpdate(i, 1, (_, n) => n + 1);
                },
                claims,
                3,
                (_, _) => { },
                default
            );
        }
        await Task.WhenAll(Task.Run(Work), Task.Run(Work));
        Assert.Equal(items.Length, done.Count);
        Assert.All(done.Values, n => Assert.Equal(1, n));

        var seen = 0;
        using var own = new Claims(root);
        var error = Assert.Throws<UserException>(() =>
            SharedWork.Run(
                items,
                i => $"{i}",
                _ => false,
                i =>
                {
                    Interlocked.Increment(ref seen);
                    if (i % 20 == 7)
                        throw new UserException($"item {i} is bad");
                },
                own,
                1,
                (_, _) => { },
                default
            )
        );
        Assert.Equal(60, seen);
        Assert.Equal("3 of 60 failed; the first: item 7 is bad", error.Message);
    }
}
