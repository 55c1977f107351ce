using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Who comes along in each second of a video.</summary>
internal static class Company
{
    private const double Certain = .44;
    private const int Step = 4;

    // [company - 1][mirrored][drawing]
    private static readonly Stencil[][][] stencils =
    [
        .. Enumerable
            .Range(1, 3)
            .Select(company =>
                (Stencil[][])
                    [
                        .. new[] { false, true }.Select(mirrored =>
                            (Stencil[])[.. Companion.Drawings(company).Select(d => Stencil.Of(d, mirrored))]
                        ),
                    ]
            ),
    ];

    /// <summary>
    /// Kind and colour of the company around each second: 0 for nobody, 1 + 4 (kind - 1) + colour. The most frequent
    /// one of five seconds, for clouds and landmarks may look like somebody for a while.
    /// </summary>
    public static int[] Read(JourneyVideo video, Walk walk, Light[] lights)
    {
        var seen = Look(video, walk, lights);
        return
        [
            .. seen.Select(
                (_, s) =>
                    seen[Math.Max(0, s - 2)..Math.Min(seen.Length, s + 3)].GroupBy(c => c).MaxBy(g => g.Count())!.Key
            ),
        ];
    }

    private static int[] Look(JourneyVideo video, Walk walk, Light[] lights) =>
        [
            .. lights.Select(
                (light, s) =>
                {
                    var (best, found) = (Certain, 0);
                    var heavens = JourneyVideo.Soft(Heavens.Of(light));
                    for (var colour = 0; colour < Companion.Colours.Length; colour++)
                    {
                        var paints = Stencil.Paints(light, Companion.Colours[colour]);
                        for (var company = 1; company <= 3; company++)
                        {
                            // The sun and the moon may look like a balloon or a white bird.
                            var likeness = 0.0;
                            if (Likeness(heavens, paints, company, Direction(walk, s)) is var alike and > .25)
                                likeness -= JourneyVideo.Rate * alike;
                            for (var f = s * JourneyVideo.Rate; f < (s + 1) * JourneyVideo.Rate; f += Step)
                                likeness += Likeness(video.Soft(f), paints, company, walk.Directions[f]) * Step;
                            if (likeness / JourneyVideo.Rate > best)
                                (best, found) = (likeness / JourneyVideo.Rate, 4 * company - 3 + colour);
                        }
                    }
                    return found;
                }
            ),
        ];

    private static int Direction(Walk walk, int second) => walk.Directions[second * JourneyVideo.Rate];

    // The best of all drawings at all heights to which it sways.
    private static double Likeness(ReadOnlySpan<Pixel> frame, Rgb[] paints, int company, int direction)
    {
        var best = 0.0;
        var (left, top, _) = Companion.Stand(company, 0, direction);
        foreach (var drawing in stencils[company - 1][direction > 0 ? 0 : 1])
        {
            var colours = drawing.Colours(paints);
            for (var sway = company == 1 ? 0 : -1; sway <= (company == 1 ? 0 : 1); sway++)
                best = Math.Max(best, drawing.Likeness(frame, colours, left, top + sway, false, paints[1]));
        }
        return best;
    }
}
