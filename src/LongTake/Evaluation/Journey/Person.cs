using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Who walks in a video: coat, scarf, hat and legs.</summary>
internal static class Person
{
    private const int Phases = 48;

    /// <summary>Coat colour of each second as it would look in full light.</summary>
    public static Rgb[] Coats(JourneyVideo video, Light[] lights) =>
        [.. lights.Select((light, s) => video.Median(s, 29, 34, 42, 47) / light.Near)];

    /// <summary>Colour of the scarf in full light; a second is two steps: bobbing averages out.</summary>
    public static Rgb[] Scarves(JourneyVideo video, Light[] lights) =>
        [.. lights.Select((light, s) => video.MeanOfSecond(s, 30, 33, 38, 40) / light.Near)];

    /// <summary>Nearest coat of the palette by direction, because its brightness varies from video to video.</summary>
    public static int NearestCoat(Rgb seen) =>
        Enumerable
            .Range(0, Hiker.Coats.Length)
            .MaxBy(c => seen.Dot(Hiker.Coats[c]) / Math.Sqrt(Hiker.Coats[c].Dot(Hiker.Coats[c])));

    private static readonly double[] facings = [1, -1];

    // Each hat, both ways, low and high.
    private static readonly Stencil[][] hats =
    [
        .. Enumerable
            .Range(0, 4)
            .Select(hat =>
                (Stencil[])
                    [
                        .. from facing in facings
                        from angle in (double[])[0, Math.PI / 2]
                        select Stencil.Of((canvas, paints) => Hiker.Hat(canvas, paints, hat, angle, facing)),
                    ]
            ),
    ];

    /// <summary>Hat of each second.</summary>
    public static int[] Hats(JourneyVideo video, Light[] lights) =>
        [
            .. lights.Select(
                (light, s) =>
                {
                    var paints = Stencil.Paints(light, default);
                    return Enumerable
                        .Range(0, hats.Length)
                        .MaxBy(hat =>
                            Enumerable
                                .Range(0, JourneyVideo.Rate / 2)
                                .Sum(i =>
                                    hats[hat]
                                        .Max(h =>
                                            h.Likeness(
                                                video.Frame(s * JourneyVideo.Rate + 2 * i),
                                                h.Colours(paints),
                                                0,
                                                0
                                            )
                                        )
                                )
                        );
                }
            ),
        ];

    // The legs at every phase of the step, to the right and to the left.
    private static readonly Stencil[][] legs =
    [
        .. facings.Select(facing =>
            (Stencil[])
                [
                    .. Enumerable
                        .Range(0, Phases)
                        .Select(i =>
                            Stencil.Of((canvas, paints) => Hiker.Legs(canvas, paints, 2 * Math.PI * i / Phases, facing))
                        ),
                ]
        ),
    ];

    /// <summary>
    /// Swing of the near foot in each frame, -1..1, forward being the direction of the walk; how much the legs look
    /// like legs.
    /// </summary>
    public static (double[] Feet, double Legs) Feet(JourneyVideo video, Walk walk, Light[] lights)
    {
        var (feet, like) = (new double[video.Frames], 0.0);
        for (var f = 0; f < video.Frames; f++)
        {
            var paints = Stencil.Paints(lights[video.SecondOf(f)], default);
            var (best, phase) = (double.NegativeInfinity, 0);
            var drawings = legs[walk.Directions[f] > 0 ? 0 : 1];
            for (var i = 0; i < Phases; i++)
                if (
                    drawings[i].Likeness(video.Frame(f), drawings[i].Colours(paints), 0, 0) is var likeness
                    && likeness > best
                )
                    (best, phase) = (likeness, i);
            feet[f] = Math.Sin(2 * Math.PI * phase / Phases);
            like += best / video.Frames;
        }
        return (feet, like);
    }
}
