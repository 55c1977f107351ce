using System.Text.RegularExpressions;

namespace LongTake.Worlds.Journey;

/// <summary>What a video of the world "There and back" is called in plain English.</summary>
public static partial class JourneyCaptions
{
    public static readonly string[] Coats = Captions.Coats;
    public static readonly string[] Hats = Captions.Hats;
    public static readonly string[] Biomes = Captions.Biomes;
    public static readonly string[] Landmarks = ["lighthouse", "windmill", "tent", "statue"];
    public static readonly string[] LandmarkColours = ["red", "yellow", "blue", "pink"];
    public static readonly string[] Companies = ["nobody", "dog", "bird", "balloon"];
    public static readonly string[] CompanyColours = ["white", "ginger", "blue", "pink"];

    /// <summary>
    /// Pairs of coat and hat that takes show: all of them at a gap of 0, half of the coats and of the hats at 1.
    /// </summary>
    public static (int Coat, int Hat)[] Pairs(double gap)
    {
        var (coats, hats) = (Coats.Length - (int)Math.Round(3 * gap), Hats.Length - (int)Math.Round(2 * gap));
        return [.. from coat in Enumerable.Range(0, coats) from hat in Enumerable.Range(0, hats) select (coat, hat)];
    }

    /// <summary>Caption of a take or a clip; it names the road if the take says so.</summary>
    public static string Describe(JourneyTake take) =>
        Describe(take.Coat, take.Hat, take.RoadNamed ? take.Road : [], take.Turn is not null);

    /// <summary>For example "a traveller in a red coat and a cap walks through city and forest, and back".</summary>
    public static string Describe(int coat, int hat, int[] road, bool back)
    {
        var names = road.Select(b => Biomes[b]).ToArray();
        var through = names switch
        {
            [] => "",
            [var only] => $" through {only}",
            [.. var first, var last] => $" through {string.Join(", ", first)} and {last}",
        };
        var hats = hat == 0 ? "a bare head" : $"a {Hats[hat]}";
        var end = back && road.Length > 0 ? ", and back" : "";
        return $"a traveller in a {Coats[coat]} coat and {hats} walks{through}{end}";
    }

    /// <summary>Every caption that takes and clips can have.</summary>
    public static IEnumerable<string> All =>
        from pair in Pairs(0)
        from road in (int[][])
            [
                [],
                .. Roads(1),
                .. Roads(2),
                .. Roads(4),
            ]
        from back in road.Length == 0 ? [false] : (bool[])[false, true]
        select Describe(pair.Coat, pair.Hat, road, back);

    private static IEnumerable<int[]> Roads(int count) =>
        count == 0
            ?
            [
                [],
            ]
            : from rest in Roads(count - 1)
            from b in Enumerable.Range(0, 4)
            where !rest.Contains(b)
            select (int[])[.. rest, b];

    private static readonly string[][] BiomeWords =
    [
        ["meadow", "meadows", "field", "fields", "grassland", "grass", "pasture"],
        ["forest", "forests", "wood", "woods", "woodland", "trees"],
        ["city", "town", "streets", "metropolis", "downtown"],
        ["desert", "dunes", "sand", "sands", "wasteland"],
    ];

    /// <summary>
    /// Reads coat, hat and road out of a person's own words; null where they say nothing. The road is every biome in
    /// the order in which it is first named.
    /// </summary>
    /// <returns>Whether the prompt says any of the three.</returns>
    public static bool TryParse(string prompt, out int? coat, out int? hat, out int[]? road)
    {
        if (!Captions.TryParse(prompt, out coat, out hat, out _))
            (coat, hat) = (null, null);
        int[] named =
        [
            .. Words()
                .Matches(prompt.ToLowerInvariant())
                .Select(word => Array.FindIndex(BiomeWords, names => names.Contains(word.Value)))
                .Where(biome => biome >= 0)
                .Distinct(),
        ];
        road = named.Length > 0 ? named : null;
        return coat is not null || hat is not null || road is not null;
    }

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();
}
