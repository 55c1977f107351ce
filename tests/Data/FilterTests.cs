using System.Globalization;
using System.Text;
using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Video;
using LongTake.Video;

namespace LongTake.Tests.Data;

public class FilterTests
{
    private static readonly Geometry geometry = Geometry.Of(new(), new ModelConfig());

    private static VideoInfo Info(string path, int width = 640, int height = 360) =>
        new(path, 100, 25, false, 2500, width, height, 1, 0, "h264", "yuv420p", 1, 0)
        {
            FirstStamp = 2000,
            TimeBase = new(1, 1000),
        };

    private static ShotMeasures Shot(double start, double end) =>
        new()
        {
            Shot = new((int)(start * 25), (int)(end * 25) - 1, start, end),
            Crop = new(0, 0, 640, 360),
            MostContrast = 50,
            MostChange = 40,
            Motion = 5,
            CameraMotion = 1,
            Overlay = 0,
            Subtitles = 0,
            Hashes =
            [
                .. Enumerable
                    .Range(0, (int)((end - start) * 2))
                    .Select(i => new Rng((long)start, i).Seed() is var s ? (ulong)s * 0x9E3779B97F4A7C15 : 0),
            ],
        };

    private static IReadOnlyList<Decision> Decide(DataRecipe recipe, params ShotMeasures[] shots) =>
        Decide(recipe, shots, "a");

    private static IReadOnlyList<Decision> Decide(DataRecipe recipe, ShotMeasures[] shots, params string[] videos) =>
        Filter.Decide(
            videos.Select(f =>
                (
                    new SourceFile(f, f, "it", "", []),
                    new Look(1, f, 1, default, f, "", "", false, new(Info(f), 2500, 100, [], shots, 0, "", 0))
                )
            ),
            [],
            recipe,
            geometry
        );

    [Fact]
    public void EachRuleTakesWhatItShould()
    {
        var good = Shot(0, 20);
        void Is(string rule, ShotMeasures shot, Func<FilterRules, FilterRules>? rules = null) =>
            Assert.Equal(rule, Decide(new() { Filter = (rules ?? (r => r))(new()) }, shot).Single().Rule);
        Is("kept", good);
        Is("length", Shot(0, 4));
        Is("picture", good with { MostContrast = 3 });
        Is("moving", good with { Motion = 0.1 });
        Is("kept", good with { CameraMotion = 0 });
        Is("camera", good with { CameraMotion = 0.2 }, r => r with { MinCameraMotion = 0.3 });
        Is("loop", good with { Looped = [new(5, 11)] });
        Is("overlay", good with { Overlay = 0.1 });
        Is("kept", good with { Overlay = 0.1, CameraMotion = 0.1 });
        Is("overlay", good with { Subtitles = 0.5 });
        Is("exposure", good with { Over = 0.5 });
        Is("exposure", good with { Under = 0.8 });
        Is("kept", good with { Crop = new(0, 60, 640, 240) });
        Is("bars", good with { Crop = new(0, 60, 640, 240) }, r => r with { CropBars = false });
        Is("size", good with { Crop = new(0, 60, 640, 30) });
        Is("kept", good with { Crop = new(0, 60, 640, 30) }, r => r with { MinScale = 0.5 });
    }

    [Fact]
    public void FrozenAndBlackStretchesAreCutOutAndAllOfAVideoIsAccountedFor()
    {
        var shot = Shot(0, 40) with { Frozen = [new(12, 16), new(20, 21)], Black = [new(30, 31)] };
        var all = Decide(new(), shot);
        Assert.Equal(
            [("kept", 0, 12), ("moving", 12, 16), ("kept", 16, 30), ("picture", 30, 31), ("kept", 31, 40)],
            all.Select(d => (d.Rule, (int)d.Start, (int)d.End))
        );
        Assert.Equal(["take", "", "take", "", "clip"], all.Select(d => d.Role));
        Assert.Equal(40, all.Sum(d => d.Seconds), 6);
        Assert.Null(all[0].Footage!.Start);
        Assert.Equal(2 + 16 - 0.01, all[2].Footage!.Start!.Value, 6); // a quarter of a frame before the stamp
        Assert.Equal((8 * (12 - 1.0 / 25) + 1) / 4 * 4 - 3, all[0].Footage!.Frames, 4.0);
    }

    [Fact]
    public void DuplicatesAreFoundAtAnyShiftAndStillCamerasAreNotEachOther()
    {
        var one = Shot(0, 20);
        Assert.Equal(["kept", "duplicate"], Decide(new(), [one], "a", "b").Select(d => d.Rule));
        Assert.Equal(
            ["kept", "kept"],
            Decide(new() { Filter = new() { DuplicateBits = -1 } }, [one], "a", "b").Select(d => d.Rule)
        );
        var shifted = Filter.Decide(
            [Looked("a", one), Looked("b", one with { Hashes = [.. one.Hashes.Skip(6)] }), Looked("c", Shot(60, 80))],
            [],
            new(),
            geometry
        );
        Assert.Equal(["kept", "duplicate", "kept"], shifted.Select(d => d.Rule));
        // The same view at another time: nearly the same hashes all along, in themselves too.
        ShotMeasures Still(int seed) =>
            one with
            {
                Hashes =
                [
                    .. Enumerable
                        .Range(0, 40)
                        .Select(i =>
                            0xF0F0_AAAA_1234_5678UL
                            ^ 1UL << new Rng(seed, i).Int(64)
                            ^ 1UL << new Rng(seed, i, 1).Int(64)
                        ),
                ],
            };
        Assert.Equal(
            ["kept", "kept"],
            Filter.Decide([Looked("a", Still(1)), Looked("b", Still(2))], [], new(), geometry).Select(d => d.Rule)
        );
    }

    private static (SourceFile, Look) Looked(string name, ShotMeasures shot) =>
        (
            new(name, name, "", "", []),
            new(1, name, 1, default, name, "", "", false, new(Info(name), 2500, 100, [], [shot], 0, "", 0))
        );

    [Fact]
    public void ASetThatGrowsKeepsItsNamesAndWhoIsHeldOut()
    {
        VideoSetInfo Plan(int videos) =>
            SetPlan.Of(
                Filter.Decide(Enumerable.Range(0, videos).Select(n => Named(n)), [], new(), geometry),
                new(),
                geometry,
                new ModelConfig()
            );
        (SourceFile, Look) Named(int n)
        {
            var (file, look) = Looked($"f{n:D2}", Shot(n * 100, n * 100 + 20));
            return (
                file,
                look with
                {
                    Content = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([(byte)n])),
                }
            );
        }
        var (small, large) = (Plan(30), Plan(40));
        var held = large.Items.ToDictionary(i => i.Item.Name, i => i.Item.HeldOut);
        Assert.All(small.Items, i => Assert.Equal(i.Item.HeldOut, held[i.Item.Name]));
        Assert.InRange(small.Items.Where(i => i.Item.HeldOut).Select(i => i.Video).Distinct().Count(), 1, 8);
        Assert.Equal(small.Items.Count, small.Items.Select(i => i.Item.Name).Distinct().Count());
    }

    [Theory]
    [InlineData(1920, 1080, "832x480")]
    [InlineData(1080, 1920, "480x832")]
    [InlineData(1000, 1000, "624x624")]
    [InlineData(640, 360, "832x480")]
    public void TheBucketOfTheNearestShape(int width, int height, string bucket)
    {
        var wan = Geometry.Of(
            new()
            {
                Filter = new() { MinSeconds = 10 },
                Geometry = new() { Buckets = ["832x480", "480x832", "624x624"] },
            },
            new ModelConfig
            {
                Fps = 16,
                Width = 832,
                Height = 480,
                ClipLatents = 21,
                VideoLatents = 245,
                Vae = new(),
            }
        );
        Assert.Equal(bucket, $"{wan.Bucket(width, height).Width}x{wan.Bucket(width, height).Height}");
        Assert.Equal(1 + 4 * 40, wan.Frames(10, 16));
    }

    [SkippableFact]
    public void EveryFileOfTheSharedMediaIsKeptOrNamedWithItsReason()
    {
        var text = new StringBuilder();
        foreach (var d in SharedLooks.Decisions)
            text.AppendLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Path.GetFileName(d.Path)} {d.Start:0.0}-{d.End:0.0} "
                        + $"{d.Role}{(d.Kept ? $" {d.Footage!.Frames} frames" : $"{d.Rule}: {Stable(d.Reason)}")}"
                )
            );
        Expectation.Same("footage/shared-media.txt", text.Replace("\r", "").ToString());
    }

    // What ffmpeg says of damaged bytes, and in how many lines, changes from version to version, and from run to run of
    // its threads.
    private static string Stable(string reason) =>
        reason.Contains(" complaints", StringComparison.Ordinal)
            ? reason.Split(", with ")[0].Split("damaged: ")[^1]
            : reason;
}
