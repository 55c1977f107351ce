namespace LongTake.Evaluation.Journey;

/// <summary>The metrics of the world "There and back".</summary>
internal static class JourneyMetrics
{
    public static IReadOnlyList<Metric<JourneyReading>> All { get; } =
    [
        new("gait", Best.High, "share of the feet's motion that one step a second explains, in 5-s windows")
        {
            Headline = true,
            Video = v => v.MeanOfFeet(Walker.Explained),
            Second = (v, s) => Walker.Explained(v.FeetAround(s), JourneyVideo.Rate),
        },
        new("stepRate", Best.Low, "error of the frequency of the step, Hz")
        {
            Video = v => v.MeanOfFeet(Walker.FrequencyError),
        },
        new("legs", Best.High, "how much the legs look like the most similar drawing of legs") { Video = v => v.Legs },
        new("scroll", Best.Low, "error of the speed of the ground, pixels a frame")
        {
            Headline = true,
            Video = v => v.Walk.SpeedError(0, v.Video.Frames),
            Second = (v, s) => v.SpeedError(s),
        },
        new("pattern", Best.One, "contrast of the pattern of the ground, over that of real takes")
        {
            OverReal = true,
            Second = (v, s) => v.Contrast(s),
        },
        new("sharpness", Best.One, "energy of the edges, over that of real takes")
        {
            Headline = true,
            OverReal = true,
            Second = (v, s) => v.Video.Gradient(s, v.Lights[s].Tint),
        },
        new("motion", Best.One, "change from frame to frame, over that of real takes")
        {
            OverReal = true,
            Second = (v, s) => v.Video.Motion(s, v.Lights[s].Tint),
        },
        new("road", Best.High, "whether the way there is the road of the caption, or else four different biomes")
        {
            Minute = true,
            Headline = true,
            Chance = 0,
            Video = v => v.Road(),
        },
        new("return", Best.High, "share of the way back in the biome of the mirrored frame")
        {
            Minute = true,
            Headline = true,
            Chance = .25,
            Second = (v, s) => v.Return(s),
        },
        new("landmarks", Best.High, "landmarks that are recognisable on the way there, over the three of a real take")
        {
            Minute = true,
            Video = v => v.Landmarks(),
        },
        new("landmarksBack", Best.High, "share of them at whose place there is a landmark on the way back")
        {
            Minute = true,
            Video = v => v.LandmarksBack(),
        },
        new("landmarkKind", Best.High, "share of the landmarks seen both ways that are of the same kind")
        {
            Minute = true,
            Chance = .25,
            Video = v => v.Recall((a, b) => a.Kind == b.Kind),
        },
        new("landmarkColour", Best.High, "share of the landmarks seen both ways that have the same colour")
        {
            Minute = true,
            Chance = .25,
            Video = v => v.Recall((a, b) => a.Colour == b.Colour),
        },
        new("landmark", Best.High, "share of the landmarks seen both ways of the same kind and colour")
        {
            Minute = true,
            Headline = true,
            Chance = .0625,
            Video = v => v.Recall((a, b) => a.Kind == b.Kind && a.Colour == b.Colour),
        },
        new("skyline", Best.High, "correlation of the skyline with that at the mirrored frame, less with other takes'")
        {
            Minute = true,
            Chance = 0,
            Video = v => v.Skyline,
        },
        new("turn", Best.High, "whether the traveller turns round once and walks in step before and after")
        {
            Minute = true,
            Chance = 0,
            Video = v => v.TurnsOnce(),
        },
        new("hour", Best.Low, "distance of the hours from a day that runs at a constant rate, in days")
        {
            Minute = true,
            Video = v => v.HourOff,
        },
        new("hourSteady", Best.High, "share of the steps of 5 s in which the day does not run the other way")
        {
            Minute = true,
            Video = v => SkyClock.Steady(v.Hours, v.HourRate),
        },
        new("company", Best.High, "share of the seconds with the video's usual company")
        {
            Minute = true,
            Headline = true,
            Second = (v, s) => v.SameCompany(s),
        },
        new("gaitMinute", Best.High, "as gait, over the whole video: whether the walk keeps step")
        {
            Minute = true,
            Video = v => Walker.Explained(v.Feet, JourneyVideo.Rate),
        },
        new("coat", Best.High, "share of the seconds in the coat of the prompt")
        {
            Minute = true,
            Chance = 1.0 / 6,
            Second = (v, s) => v.Truth.Coat is { } coat ? (Person.NearestCoat(v.Coats[s]) == coat ? 1 : 0) : null,
        },
        new("hat", Best.High, "share of the seconds in the hat of the prompt")
        {
            Minute = true,
            Chance = .25,
            Second = (v, s) => v.Truth.Hat is { } hat ? (v.Hats[s] == hat ? 1 : 0) : null,
        },
        new("coatDrift", Best.Low, "std of the colour of the coat, RGB units")
        {
            Minute = true,
            Video = v => Walker.Drift(v.Coats),
        },
        new("scarfDrift", Best.Low, "std of the colour of the scarf, RGB units")
        {
            Minute = true,
            Video = v => Walker.Drift(v.Scarves),
        },
    ];
}
