using LongTake.Evaluation;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Evaluation;

public class VideoReadingTests(ITestOutputHelper output)
{
    private const int Row = 3 * Traveller.Side;

    private static TravellerTake Take(int i) => TravellerTake.Long(new Rng(21, i), i % 6, i % 4);

    private static byte[] Video(TravellerTake take, int stride = 2) =>
        Traveller.Video(take, 0, 976 / stride + 1, stride);

    private static readonly Lazy<RealTakes> real = new(() =>
        new RealTakes([
            .. Enumerable
                .Range(0, 6)
                .Select(i => TravellerTake.Long(new Rng(61, i), i % 6, i % 4))
                .Select(t => Measure(Video(t), t)),
        ])
    );

    private static VideoMeasure Measure(byte[] video, TravellerTake take, int stride = 2) =>
        VideoMeasure.Of(video, World.Traveller, stride, Captions.Describe(take));

    private static Dictionary<string, double> Score(byte[] video, TravellerTake take, int stride = 2) =>
        Score(Measure(video, take, stride));

    private static Dictionary<string, double> Score(VideoMeasure video) =>
        Metric
            .All.Select(m => (m.Name, Value: real.Value.Value(m, video)))
            .Where(m => m.Value is not null)
            .ToDictionary(m => m.Name, m => m.Value!.Value);

    /// <summary>Whether metrics are what they are said to be: "gait > .9", "coat = 1", "coat = null".</summary>
    private static void Has(Dictionary<string, double> score, params string[] expected)
    {
        foreach (var one in expected)
        {
            var (name, sign, bound) = one.Split(' ') is [var n, var s, var b]
                ? (n, s, b)
                : throw new FormatException(one);
            var value = score.TryGetValue(name, out var v) ? v : double.NaN;
            var holds =
                bound == "null" ? double.IsNaN(value)
                : sign == "=" ? value == double.Parse(bound)
                : sign == "<" ? value < double.Parse(bound)
                : value > double.Parse(bound);
            Assert.True(holds, $"{name} is {value}, expected {sign} {bound}");
        }
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 12)]
    public void Real_takes_are_near_ideal(int stride, int count)
    {
        var scores = Enumerable.Range(0, count).Select(i => Score(Video(Take(i), stride), Take(i), stride)).ToArray();
        Mean("timeOfDay", 0, .012);
        Mean("dayOrder", 1, 1);
        Mean("biomes", 1, 1);
        Mean("lighthouse", 1, 1);
        Mean("lighthouseElse", 0, 0);
        Mean("lighthouseSame", 1, 1);
        Mean("lighthouseColour", 1, 1);
        Mean("coat", 1, 1);
        Mean("hat", .995, 1);
        Mean("coatDrift", 0, .5);
        Mean("scarfDrift", 0, .5);
        Mean("gait", .99, 1);
        Mean("gaitMinute", .99, 1);
        Mean("stepRate", 0, .001);
        Mean("legs", .85, 1);
        Mean("scroll", 0, .015);
        Mean("pattern", .97, 1.03);
        Mean("sharpness", .9, 1.1);
        Mean("flicker", 0, 1.1);

        void Mean(string name, double low, double high)
        {
            var mean = scores.Average(s => s[name]);
            output.WriteLine($"{name} {mean:F4}");
            Assert.True(mean >= low && mean <= high, $"{name} = {mean}");
        }
    }

    [Fact]
    public void A_soft_video_keeps_its_content_and_loses_its_sharpness()
    {
        for (var i = 0; i < 4; i++)
        {
            var s = Score(Blur(Video(Take(i))), Take(i));
            Has(s, "biomes = 1", "lighthouse = 1", "lighthouseElse = 0", "lighthouseSame = 1", "coat = 1", "hat > .9");
            Has(s, "gait > .97", "scroll < .08", "dayOrder > .98", "sharpness < .6", "pattern < .9", "timeOfDay < .03");
        }
    }

    [Fact]
    public void A_frozen_video_does_not_walk()
    {
        var video = Video(Take(0));
        for (var f = 1; f < video.Length / Traveller.FrameBytes; f++)
            video.AsSpan(0, Traveller.FrameBytes).CopyTo(video.AsSpan(f * Traveller.FrameBytes));
        var s = Score(video, Take(0));
        Has(
            s,
            "gait = 0",
            "gaitMinute = 0",
            "stepRate = 1",
            "flicker = 0",
            "timeOfDay > .3",
            "biomes < .4",
            "lighthouse = 0",
            "lighthouseSame = null"
        );
        Assert.Equal(1, s["scroll"], 6);
    }

    [Fact]
    public void Shuffled_seconds_spoil_the_day_but_not_the_walk()
    {
        const int second = 8 * Traveller.FrameBytes;
        var (video, mixed) = (Video(Take(1)), Video(Take(1)));
        for (var s = 0; s < 61; s++)
            video.AsSpan(s * 23 % 61 * second, second).CopyTo(mixed.AsSpan(s * second));
        var score = Score(mixed, Take(1));
        Has(score, "timeOfDay > .2", "dayOrder < .8", "biomes < .6", "lighthouseElse > .1", "gait > .98");
    }

    [Fact]
    public void Another_coat_or_hat_than_asked_for_is_seen()
    {
        var take = Take(4);
        var s = Score(Video(take with { Coat = 2, Hat = 1 }), take);
        Has(s, "coat = 0", "hat = 0", "coatDrift < 1");
        var half = Video(take);
        Video(take with { Coat = 2 }).AsSpan(half.Length / 2).CopyTo(half.AsSpan(half.Length / 2));
        s = Score(half, take);
        Has(s, "coat > .45", "coat < .55", "hat = 1", "coatDrift > 20");
    }

    [Fact]
    public void A_lighthouse_may_change_colour_be_missing_or_come_uncalled()
    {
        var (take, video) = (Take(2), Video(Take(2)));
        var other = Video(take with { LighthouseColour = (take.LighthouseColour + 1) % 3 });
        other.AsSpan(video.Length / 2).CopyTo(video.AsSpan(video.Length / 2));
        Has(Score(video, take), "lighthouse = 1", "lighthouseSame = 0", "lighthouseColour = .5");
        Has(
            Score(Video(take with { Lighthouses = [] }), take),
            "lighthouse = 0",
            "lighthouseElse = 0",
            "lighthouseSame = null",
            "lighthouseColour = null"
        );
        Has(Score(Video(take with { Lighthouses = [128, 330, 704] }), take), "lighthouse = 1", "lighthouseElse > .05");
    }

    [Fact]
    public void Biomes_in_another_order_are_seen() =>
        Assert.InRange(Score(Video(Take(3) with { Biomes = [0, 1, 3, 2] }), Take(3))["biomes"], .4, .6);

    [Fact]
    public void A_faster_ground_is_seen()
    {
        var (take, video) = (Take(5), Video(Take(5)));
        for (var f = 0; f < video.Length / Traveller.FrameBytes; f++)
        for (var y = 26; y < 32; y++)
        {
            var row = video.AsSpan(f * Traveller.FrameBytes + y * Row, Row);
            var turned = row.ToArray();
            for (var i = 0; i < Row; i++)
                row[i] = turned[(i + 3 * f) % Row];
        }
        Assert.Equal(.5, Score(video, take)["scroll"], .05);
    }

    [Fact]
    public void What_a_prompt_does_not_say_is_not_judged()
    {
        var s = Score(VideoMeasure.Of(Video(Take(0)), World.Traveller, 2, "someone in a red coat"));
        Has(s, "coat = 1", "hat = null", "lighthouseColour = null");
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => VideoMeasure.Of(new byte[100], World.Traveller, 2, ""));
        Assert.Throws<ArgumentException>(() => VideoMeasure.Of(new byte[Traveller.FrameBytes], World.Traveller, 2, ""));
        Assert.Throws<ArgumentException>(() => VideoMeasure.Of(Video(Take(0)), World.Traveller, 3, ""));
    }

    /// <summary>Slight blur, 1 4 1 in both directions.</summary>
    private static byte[] Blur(byte[] video)
    {
        var soft = new byte[video.Length];
        for (var i = 0; i < video.Length; i++)
        {
            var (x, y) = (i / 3 % Traveller.Side, i / Row % Traveller.Side);
            var (left, right) = (x > 0 ? -3 : 0, x < Traveller.Side - 1 ? 3 : 0);
            int Across(int at) => video[at + left] + 4 * video[at] + video[at + right];
            var (up, down) = (y > 0 ? -Row : 0, y < Traveller.Side - 1 ? Row : 0);
            soft[i] = (byte)((Across(i + up) + 4 * Across(i) + Across(i + down) + 18) / 36);
        }
        return soft;
    }
}
