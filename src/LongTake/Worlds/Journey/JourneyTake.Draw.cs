namespace LongTake.Worlds.Journey;

public sealed partial record JourneyTake
{
    // A landmark is 19 pixels wide in a layer of half speed. It is whole for 5 s if it stands this far from where the
    // walk begins or ends, leaves the picture for 5 s if it stands this far from the turn, and never is whole in the
    // same picture with another one at this distance.
    private const int FromEnd = 36,
        FromTurn = 124,
        Apart = 108;

    // Mean length of a stretch of the road: he turns after four of them, about.
    private const double Stretch = LongFrames / 8.0;

    /// <summary>
    /// A minute there and back: the four biomes in any order, three landmarks, any hours, any company. The gap takes no
    /// part in the draw: with a gap of 0 the same numbers give the clean take.
    /// </summary>
    public static JourneyTake Long(Rng rng, int coat, int hat, double gap = DefaultGap)
    {
        var turn = (int)Math.Round(rng.Uniform(.45, .55) * LongFrames);
        int[] biomes = [0, 1, 2, 3];
        for (var i = 3; i > 0; i--)
        {
            var j = rng.Int(i + 1);
            (biomes[i], biomes[j]) = (biomes[j], biomes[i]);
        }
        return new()
        {
            Coat = coat,
            Hat = hat,
            RoadNamed = rng.Uniform() < .5,
            CoatBrightness = rng.Uniform(.85, 1.15),
            ScarfHue = rng.Uniform(),
            GaitPhase = rng.Uniform(0, 2 * Math.PI),
            Company = rng.Int(4),
            CompanyColour = rng.Int(4),
            Hour = rng.Uniform(),
            HourRate = rng.Uniform(-1.2, 1.2) / (60 * FramesPerSecond),
            Seed = rng.Int(1 << 30),
            Biomes = biomes,
            Boundaries = [.. Enumerable.Range(1, 3).Select(i => Stretch * (i + rng.Uniform(-.1, .1)))],
            Landmarks = DrawLandmarks(rng, turn),
            Turn = turn,
            Gap = gap,
        };
    }

    /// <summary>
    /// Five seconds somewhere along such a road, to the right or to the left, at hours of its own. In .15 of them he
    /// turns round, and no landmark is near, so that no clip shows anything come back after 5 s.
    /// </summary>
    public static JourneyTake Clip(Rng rng)
    {
        var take = Long(rng, rng.Int(JourneyCaptions.Coats.Length), rng.Int(JourneyCaptions.Hats.Length), 0);
        var (direction, turns) = (2 * rng.Int(2) - 1, rng.Uniform() < .15);
        var from = rng.Int(take.Turn!.Value - ClipFrames + 1);
        return take with
        {
            Start = direction > 0 ? from : from + ClipFrames - 1,
            Direction = direction,
            Turn = turns ? TurnFrames / 2 + rng.Int(ClipFrames - TurnFrames) : null,
            Landmarks = turns ? [] : take.Landmarks,
            Frames = ClipFrames,
        };
    }

    // Uniform, but for the distances that keep them in view for long enough, out of view at the turn, and apart.
    private static Landmark[] DrawLandmarks(Rng rng, int turn)
    {
        var first = FromEnd + Math.Max(0, 2 * turn - LongFrames);
        var free = turn - FromTurn - first - 2 * Apart;
        double[] shifts = [.. Enumerable.Range(0, 3).Select(_ => rng.Uniform(0, free)).Order()];
        return
        [
            .. shifts.Select((s, i) => new Landmark(rng.Int(4), rng.Int(4), 2 * (int)((first + s) / 2) + i * Apart)),
        ];
    }
}
