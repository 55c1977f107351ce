namespace LongTake.Evaluation;

/// <summary>The metrics of the Traveller world.</summary>
internal static class TravellerMetrics
{
    public static IReadOnlyList<Metric<VideoReading>> All { get; } =
    [
        new("gait", Best.High, "share of the feet's motion that one step a second explains, in 5-s windows")
        {
            Headline = true,
            Video = v => v.MeanOfFeet(Walker.Explained),
            Second = (v, s) => Walker.Explained(v.FeetAround(s), v.Video.Rate),
        },
        new("stepRate", Best.Low, "error of the frequency of the step, Hz")
        {
            Video = v => v.MeanOfFeet(Walker.FrequencyError),
        },
        new("legs", Best.High, "correlation of the legs with the most similar drawing of legs") { Video = v => v.Legs },
        new("scroll", Best.Low, "error of the speed of the ground, pixels a frame of the world")
        {
            Headline = true,
            Video = v => v.Ground.Scroll,
            Second = (v, s) => v.GroundOf[s].Scroll,
        },
        new("pattern", Best.One, "contrast of the pattern of the ground, over that of real takes")
        {
            OverReal = true,
            Video = v => v.Ground.Amplitude,
            Second = (v, s) => v.GroundOf[s].Amplitude,
        },
        new("sharpness", Best.One, "energy of the edges, over that of real takes")
        {
            Headline = true,
            OverReal = true,
            Second = (v, s) => v.Parts[s].Gradient(v.Days[s].Tint),
        },
        new("motion", Best.One, "change from frame to frame, over that of real takes")
        {
            OverReal = true,
            Second = (v, s) => v.Parts[s].Motion(v.Days[s].Tint),
        },
        new("flicker", Best.Low, "change of the sky in 1/8 s, RGB units") { Video = v => Sky.Flicker(v.Video) },
        new("story", Best.High, "share of the six events of the minute in place: four biomes, two visits")
        {
            Minute = true,
            Headline = true,
            Video = v => v.Story(),
        },
        new("timeOfDay", Best.Low, "distance of the time of day from the schedule, as a share of the day")
        {
            Minute = true,
            Headline = true,
            Second = (v, s) => Sky.Off(v.Days[s], s),
        },
        new("dayOrder", Best.High, "share of the seconds in which the day does not run back")
        {
            Minute = true,
            Video = v => Sky.Order(v.Days),
        },
        new("biomes", Best.High, "share of the seconds in the biome of the schedule")
        {
            Minute = true,
            Headline = true,
            Second = (v, s) => v.Biome(s),
        },
        new("lighthouse", Best.High, "share of the two visits of the lighthouse that take place")
        {
            Minute = true,
            Video = v => v.Visits.Average(visit => visit is null ? 0 : 1),
        },
        new("lighthouseElse", Best.Low, "share of the other seconds with a lighthouse")
        {
            Minute = true,
            Video = v => v.LighthouseElse(),
        },
        new("lighthouseSame", Best.High, "whether the lighthouse comes back in the same colour")
        {
            Minute = true,
            Video = v => v.Visits is [int a, int b] ? (a == b ? 1 : 0) : null,
        },
        new("lighthouseColour", Best.High, "share of the visits in the colour of the prompt")
        {
            Minute = true,
            Video = v => v.LighthouseColour(),
        },
        new("gaitMinute", Best.High, "as gait, over the whole video: whether the walk keeps step")
        {
            Minute = true,
            Video = v => Walker.Explained(v.Feet.AsSpan(0, v.Video.Second(v.Video.Seconds).Start), v.Video.Rate),
        },
        new("coat", Best.High, "share of the seconds in the coat of the prompt")
        {
            Minute = true,
            Second = (v, s) => v.Truth.Coat is { } coat ? (Walker.NearestCoat(v.Coats[s]) == coat ? 1 : 0) : null,
        },
        new("hat", Best.High, "share of the seconds in the hat of the prompt")
        {
            Minute = true,
            Second = (v, s) => v.Truth.Hat is { } hat ? (v.Hats[s] == hat ? 1 : 0) : null,
        },
        new(
            "coatDrift",
            Best.Low,
            "change of the colour of the coat, RGB units: std; by the second, from the first 5 s"
        )
        {
            Minute = true,
            Video = v => Walker.Drift(v.Coats),
            Second = (v, s) => v.CoatChange(s),
        },
        new("scarfDrift", Best.Low, "std of the colour of the scarf, RGB units")
        {
            Minute = true,
            Video = v => Walker.Drift(v.Scarves),
        },
    ];
}
