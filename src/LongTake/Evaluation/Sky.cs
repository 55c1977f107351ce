using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>The time of day of each second, read off the sky, and how calm the sky is.</summary>
internal static class Sky
{
    private const int Rows = 5,
        Phases = 401;

    private static readonly Day[] Days = [.. Enumerable.Range(0, Phases).Select(i => new Day(i / (Phases - 1.0)))];

    /// <summary>The day of each second: the phase whose sky is nearest to the medians of the rows 0..4.</summary>
    public static Day[] Read(MeasuredVideo video) =>
        [
            .. Enumerable
                .Range(0, video.Seconds)
                .Select(s =>
                {
                    var rows = Enumerable
                        .Range(0, Rows)
                        .Select(y => video.Median(s, 0, Traveller.Side - 1, y, y))
                        .ToArray();
                    return Days.MinBy(day => Enumerable.Range(0, Rows).Sum(y => Square(day.Sky(y) - rows[y])));
                }),
        ];

    /// <summary>
    /// Distance in the middle of second s to the schedule of the day (s + 1/2) / 61; after the minute it stays night.
    /// </summary>
    public static double Off(in Day day, int s) => Math.Abs(day.Phase - Math.Min(1, (s + .5) / 61));

    /// <summary>Share of the steps of one second in which the day does not run back by more than .01.</summary>
    public static double Order(Day[] days) =>
        days.Length < 2 ? 1 : days.Zip(days.Skip(1)).Average(d => d.Second.Phase >= d.First.Phase - .01 ? 1.0 : 0);

    /// <summary>Mean change of the rows 0..4 in 1/8 second, RGB units.</summary>
    public static double Flicker(MeasuredVideo video)
    {
        var lag = Math.Max(1, 2 / video.Stride);
        var (sum, row) = (0.0, Rows * Traveller.Side * 3);
        for (var f = lag; f < video.Frames; f++)
        {
            var (now, before) = (f * Traveller.FrameBytes, (f - lag) * Traveller.FrameBytes);
            for (var i = 0; i < row; i++)
                sum += Math.Abs(video.Rgb[now + i] - video.Rgb[before + i]);
        }
        return video.Frames <= lag ? 0 : sum / row / (video.Frames - lag);
    }

    private static double Square(Rgb v) => v.Dot(v);
}
