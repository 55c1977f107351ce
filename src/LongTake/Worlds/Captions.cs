using System.Text.RegularExpressions;

namespace LongTake.Worlds;

/// <summary>What a video of the Traveller world is called in plain English, and what a caption says about it.</summary>
public static partial class Captions
{
    public static readonly string[] Coats = ["red", "orange", "green", "teal", "blue", "purple"];
    public static readonly string[] Hats = ["bare head", "top hat", "wizard hat", "cap"];
    public static readonly string[] Lighthouses = ["red", "blue", "magenta"];
    public static readonly string[] Biomes = ["meadow", "forest", "city", "desert"];
    public static readonly string[] TimesOfDay = ["dawn", "morning", "noon", "afternoon", "dusk", "night"];

    // Day phases at which the times of day end: knots of the day table, but for nightfall, where the moon rises.
    private static readonly double[] Ends = [.12, .30, .50, .66, .80];

    /// <summary>Coat and hat pairs that no long take of the training set shows, and the 16 that they do show.</summary>
    public static readonly (int Coat, int Hat)[] HeldOut =
    [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 0),
        (4, 1),
        (5, 2),
        (0, 3),
        (3, 2),
    ];
    public static readonly (int Coat, int Hat)[] Seen =
    [
        .. from coat in Enumerable.Range(0, 6)
        from hat in Enumerable.Range(0, 4)
        where !HeldOut.Contains((coat, hat))
        select (coat, hat),
    ];

    /// <summary>Caption of a whole video; the lighthouse is named only if one comes by.</summary>
    public static string Describe(TravellerTake take) =>
        Describe(take.Coat, take.Hat, take.Lighthouses.Length > 0 ? take.LighthouseColour : null);

    public static string Describe(int coat, int hat, int? lighthouse)
    {
        var hats = hat == 0 ? "a bare head" : $"a {Hats[hat]}";
        var past = lighthouse is int colour ? $" past a {Lighthouses[colour]} lighthouse" : "";
        return $"a traveller in a {Coats[coat]} coat and {hats} walks{past}";
    }

    /// <summary>
    /// Caption of a short window by the biome and the time of day at its middle, for example "forest, noon".
    /// </summary>
    public static string Local(TravellerTake take, int worldFrame) =>
        $"{Biomes[take.Biome(worldFrame)]}, {TimesOfDay[TimeOfDay(take.Phase(worldFrame))]}";

    /// <summary>Index in <see cref="TimesOfDay"/> of a day phase.</summary>
    public static int TimeOfDay(double phase) => Ends.Count(end => phase >= end);

    /// <summary>Every caption that <see cref="Describe(TravellerTake)"/> and <see cref="Local"/> can give.</summary>
    public static IEnumerable<string> All =>
        [
            .. from coat in Enumerable.Range(0, 6)
            from hat in Enumerable.Range(0, 4)
            from colour in new int?[] { null, 0, 1, 2 }
            select Describe(coat, hat, colour),
            .. from biome in Biomes from time in TimesOfDay select $"{biome}, {time}",
        ];

    private static readonly Dictionary<string, int> CoatWords = new()
    {
        ["red"] = 0,
        ["scarlet"] = 0,
        ["crimson"] = 0,
        ["orange"] = 1,
        ["green"] = 2,
        ["teal"] = 3,
        ["cyan"] = 3,
        ["turquoise"] = 3,
        ["blue"] = 4,
        ["purple"] = 5,
        ["violet"] = 5,
    };
    private static readonly Dictionary<string, int> LighthouseWords = new()
    {
        ["red"] = 0,
        ["scarlet"] = 0,
        ["crimson"] = 0,
        ["blue"] = 1,
        ["magenta"] = 2,
        ["pink"] = 2,
    };
    private static readonly string[] HatNouns = ["hat", "cap", "head", "hair", "scarf"];
    private static readonly string[] CoatNouns =
    [
        "coat",
        "coated",
        "jacket",
        "cloak",
        "traveller",
        "traveler",
        "figure",
        "walker",
    ];
    private static readonly string[] LighthouseNouns = ["lighthouse", "tower", "landmark"];
    private static readonly string[] Nouns = [.. HatNouns, .. CoatNouns, .. LighthouseNouns];
    private static readonly string[] Breaks = [",", ";", ".", "and", "with", "past", "by", "near"];

    /// <summary>
    /// Reads coat, hat and lighthouse colour out of a person's own words, in any order; null where they say nothing.
    /// A colour belongs to the nearest thing of its clause: English puts it in front, so that side wins a tie.
    /// </summary>
    /// <returns>Whether the prompt says any of the three.</returns>
    public static bool TryParse(string prompt, out int? coat, out int? hat, out int? lm)
    {
        var words = Words().Matches(prompt.ToLowerInvariant()).Select(m => m.Value).ToArray();
        (coat, lm, hat) = (null, null, HatIn(words));
        for (var i = 0; i < words.Length; i++)
        {
            var thing = NearestThing(words, i);
            if (coat is null && CoatNouns.Contains(thing) && CoatWords.TryGetValue(words[i], out var c))
                coat = c;
            if (lm is null && LighthouseNouns.Contains(thing) && LighthouseWords.TryGetValue(words[i], out var l))
                lm = l;
        }
        return (coat ?? hat ?? lm) is not null;
    }

    private static int? HatIn(string[] words)
    {
        if (words.Intersect(["bare", "bareheaded", "hatless", "hair"]).Any())
            return 0;
        if (words.Zip(words.Skip(1)).Any(w => w is ("no", "hat") or ("without", "hat")))
            return 0;
        if (words.Intersect(["wizard", "wizard's", "witch", "pointed"]).Any())
            return 2;
        if (words.Intersect(["cap", "baseball"]).Any())
            return 3;
        return words.Intersect(["top", "tophat", "cylinder"]).Any() ? 1 : null;
    }

    private static string? NearestThing(string[] words, int at)
    {
        var (best, cost) = ((string?)null, double.PositiveInfinity);
        for (var i = 0; i < words.Length; i++)
        {
            if (!Nouns.Contains(words[i]))
                continue;
            var between = i > at ? words[at..i] : words[i..at];
            var distance = between.Length + (i < at ? .5 : 0) + 100 * between.Count(Breaks.Contains);
            if (distance < cost)
                (best, cost) = (words[i], distance);
        }
        return best;
    }

    [GeneratedRegex(@"[\w']+|[,;.]")]
    private static partial Regex Words();
}
