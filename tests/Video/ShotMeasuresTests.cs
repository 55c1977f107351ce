using LongTake.Video;

namespace LongTake.Tests.Video;

/// <summary>Videos made up frame by frame, in which each measure has a known value.</summary>
public class ShotMeasuresTests
{
    const int W = SmallFrame.FineWidth,
        H = SmallFrame.FineHeight;
    const double Fps = 25;
    static readonly VideoInfo info = new("", 0, Fps, false, 0, W, H, 1, 0, "", "", 1, 0);
    static readonly byte[] world = World(4000, 7);

    [Fact]
    public void ACameraThatMovesAndOneThatDoesNot()
    {
        var pan = Measure(200, (_, t) => Pan(t));
        Assert.True(pan.CameraMotion > 0.9, $"{pan.CameraMotion}");
        Assert.True(pan.Motion > 5);
        // A thing passes, the camera rests.
        var rest = Measure(200, (_, t) => Box(Pan(0), t % 100, 20, 25, 30, 230));
        Assert.Equal(0, rest.CameraMotion);
        Assert.True(rest.Motion > 1);
        Assert.Null(rest.Overlay);
        Assert.Empty(pan.Frozen);
        Assert.Empty(pan.Looped);
        Assert.Empty(pan.Black);
        Assert.Equal((0.0, 0.0), (pan.Overlay, pan.Subtitles));
    }

    [Fact]
    public void FrozenAndBlackStretches()
    {
        var shot = Measure(250, (_, t) => t switch
            {
                >= 50 and < 100 => Pan(50),
                >= 150 and < 175 => new byte[W * H],
                _ => Pan(t),
            });
        Assert.Equal([new(2, 4), new(6, 7)], shot.Frozen.Select(Rounded));
        Assert.Equal([new(6, 7)], shot.Black.Select(Rounded));
    }

    [Fact]
    public void ALoopIsWhatComesAgain()
    {
        // Two rounds of two seconds, then on.
        var shot = Measure(200, (_, t) => Pan(
                t < 50 ? t
                : t < 100 ? t - 50
                : t - 50
            ));
        var loop = Assert.Single(shot.Looped);
        Assert.InRange(loop.Start, 1.9, 2.1);
        Assert.InRange(loop.End, 3.9, 4.1);
        Assert.Empty(Measure(200, (_, _) => Pan(0)).Looped); // a picture that stands is frozen, not looped
    }

    [Fact]
    public void LogosAndSubtitlesStandStillWhileAllElseMoves()
    {
        var logo = Measure(200, (_, t) => Letters(Pan(t), 4, 4, 16, 10));
        Assert.InRange(logo.Overlay!.Value, 0.003, 0.05);
        Assert.Equal(0, logo.Subtitles);
        // Three seconds of text, two without.
        var text = Measure(250, (_, t) => t % 125 < 75 ? Letters(Pan(t), 24, 58, 80, 8) : Pan(t));
        Assert.InRange(text.Subtitles!.Value, 0.25, 0.75);
        Assert.InRange(text.Overlay!.Value, 0, 0.003);
        // Black bars have edges that stand still as well.
        Assert.Equal(0, Measure(200, (_, t) => Barred(Pan(t), 9)).Subtitles);
    }

    [Fact]
    public void ExposureLeavesBarsOut()
    {
        var half = Measure(50, (_, t) => [.. Pan(t).Select((v, i) => i % W < W / 2 ? (byte)255 : v)]);
        Assert.InRange(half.Over, 0.49, 0.52);
        var dark = Measure(
            50,
            (_, t) => Barred([.. Pan(t).Select((v, i) => i % W < W / 4 ? (byte)0 : v)], 9),
            _ => new(0, 9, W, H - 18)
        );
        Assert.InRange(dark.Under, 0.23, 0.27);
        Assert.Equal(new(0, 9, W, H - 18), dark.Crop);
    }

    [Fact]
    public void BarsAreWhereThePictureEndsInAlmostEveryFrame()
    {
        // Three dark frames in a hundred show less; one flash beyond the bars shows more.
        var shot = Measure(
            100,
            (_, t) => Pan(t),
            t =>
                t is 10 or 20 or 30 ? new(40, 30, 20, 20)
                : t == 50 ? new(0, 0, W, H)
                : new(0, 9, W, 54)
        );
        Assert.Equal(new(0, 9, W, 54), shot.Crop);
    }

    [Fact]
    public void HashesKnowCopiesAndTellOthersApart()
    {
        var video = Measure(250, (_, t) => Pan(t));
        var random = new Random(2);
        var copy = Measure(200, (_, t) =>
            [.. Pan(t + 50).Select(v => (byte)Math.Clamp(v * 0.9 + 8 + random.Next(-4, 5), 0, 255))]
        );
        var other = World(4000, 8);
        var stranger = Measure(250, (_, t) => Window(other, t));
        Assert.Equal(20, video.Hashes.Count);
        Assert.True(
            PerceptualHash.Distance(video.Hashes, copy.Hashes) < 6,
            $"{PerceptualHash.Distance(video.Hashes, copy.Hashes)}"
        );
        Assert.True(
            PerceptualHash.Distance(video.Hashes, stranger.Hashes) > 16,
            $"{PerceptualHash.Distance(video.Hashes, stranger.Hashes)}"
        );
        Assert.Equal(64, PerceptualHash.Distance(video.Hashes, []));
        // The slow reference: every shift, counted bit by bit.
        var slow = Enumerable
            .Range(-8, 21)
            .Where(s => Math.Min(20, 16 + s) - Math.Max(0, s) >= 8)
            .Min(s =>
                Enumerable
                    .Range(Math.Max(0, s), Math.Min(20, 16 + s) - Math.Max(0, s))
                    .Average(i =>
                        Enumerable.Range(0, 64).Count(b => (video.Hashes[i] >> b & 1) != (copy.Hashes[i - s] >> b & 1))
                    )
            );
        Assert.Equal(slow, PerceptualHash.Distance(video.Hashes, copy.Hashes), 9);
    }

    [Fact]
    public void EachShotIsMeasuredByItself()
    {
        var measurer = new ShotMeasurer(info);
        for (var t = 0; t < 100; t++)
            measurer.Add(Frame(Pan(t), t), null);
        measurer.Settle([new(TransitionKind.Cut, 20, 20, 0.8, 0.8, 1)], 30);
        measurer.Settle([new(TransitionKind.Dissolve, 50, 59, 2, 2.36, 1)], 100);
        Assert.Equal([(0, 19), (20, 49), (60, 99)], measurer.Finish().Select(s => (s.Shot.Frame, s.Shot.EndFrame)));
    }

    static Stretch Rounded(Stretch s) => new(Math.Round(s.Start, 1), Math.Round(s.End, 1));

    static ShotMeasures Measure(int frames, Func<int, int, byte[]> picture, Func<int, Rectangle>? edges = null) =>
        Sum(frames, picture, edges ?? (_ => new(0, 0, W, H)));

    static ShotMeasures Sum(int frames, Func<int, int, byte[]> picture, Func<int, Rectangle> edges)
    {
        var sums = new ShotSums(info, Frame(picture(0, 0), 0));
        for (var t = 0; t < frames; t++)
            sums.Add(Frame(picture(t, t), t), edges(t));
        return sums.Result();
    }

    static SmallFrame Frame(byte[] luma, int t) =>
        new([.. luma, .. Enumerable.Repeat((byte)128, 2 * SmallFrame.Pixels)], t, t / Fps);

    // A wide picture of smooth and sharp structure, and the part of it that a camera sees which pans by half a pixel a
    // frame.
    static byte[] World(int width, int seed)
    {
        var random = new Random(seed);
        var coarse = Enumerable.Range(0, (width / 12 + 2) * 8).Select(_ => 40 + random.NextDouble() * 160).ToArray();
        return
        [
            .. Enumerable
                .Range(0, width * H)
                .Select(i => (byte)(coarse[i / width / 10 * (width / 12 + 2) + i % width / 12])),
        ];
    }

    static byte[] Pan(int t) => Window(world, t);

    static byte[] Window(byte[] world, int t)
    {
        var frame = new byte[W * H];
        for (var i = 0; i < frame.Length; i++)
        {
            var at = i / W * 4000 + i % W + t / 2;
            frame[i] = t % 2 == 0 ? world[at] : (byte)((world[at] + world[at + 1]) / 2);
        }
        return frame;
    }

    static byte[] Box(byte[] frame, int x, int y, int w, int h, byte level) =>
        [.. frame.Select((v, i) => i % W >= x && i % W < x + w && i / W >= y && i / W < y + h ? level : v)];

    static byte[] Letters(byte[] frame, int x, int y, int w, int h) =>
        [
            .. frame.Select(
                (v, i) =>
                    i % W >= x && i % W < x + w && i / W >= y && i / W < y + h
                        ? (i % W / 2 + i / W / 4) % 2 == 0
                            ? (byte)250
                            : (byte)5
                        : v
            ),
        ];

    static byte[] Barred(byte[] frame, int rows) =>
        [.. frame.Select((v, i) => i / W < rows || i / W >= H - rows ? (byte)0 : v)];
}
