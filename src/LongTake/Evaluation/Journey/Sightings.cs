using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>A landmark that was seen for a while: where it stands, what it is in most frames.</summary>
internal readonly record struct Sighting(double Place, int Kind, int Colour);

/// <summary>The landmarks of a video on the way there and on the way back.</summary>
internal static class Sightings
{
    private const int Step = 4, // frames from one look to the next
        Least = 4; // looks that make a sighting
    private const double Certain = .42,
        SamePlace = 14;

    // The lower part of the windmill, which its sails leave free for most of the time.
    private static readonly Stencil[] stencils =
    [
        .. LandmarkArt.Sprites.Select((sprite, kind) => Stencil.Of(sprite, skip: kind == 1 ? 9 : 0)),
    ];

    /// <summary>The landmarks between two frames, in their order.</summary>
    public static List<Sighting> Between(JourneyVideo video, Walk walk, Light[] lights, int from, int to)
    {
        List<List<Sighting>> open = [];
        var (second, drawings) = (-1, Array.Empty<Drawing>());
        for (var f = (from + Step - 1) / Step * Step; f < to; f += Step)
        {
            if (video.SecondOf(f) != second)
                drawings = Drawings(lights[second = video.SecondOf(f)]);
            if (Look(video.Soft(f), drawings) is not { } seen)
                continue;
            var at = seen with { Place = seen.Place + walk.Position(f) / (double)Hills.Speed };
            var same = open.FindIndex(o => Math.Abs(o.Average(s => s.Place) - at.Place) < SamePlace);
            if (same < 0)
                open.Add([at]);
            else
                open[same].Add(at);
        }
        return [.. open.Where(o => o.Count >= Least).Select(Most)];
    }

    /// <summary>The sightings on the way back with those at the same place on the way there.</summary>
    public static List<(Sighting There, Sighting Back)> Pairs(List<Sighting> there, List<Sighting> back) =>
        [
            .. from a in there
            let near = back.Where(b => Math.Abs(b.Place - a.Place) < SamePlace).ToList()
            where near.Count > 0
            select (a, near.MinBy(b => Math.Abs(b.Place - a.Place))),
        ];

    private static Sighting Most(List<Sighting> looks)
    {
        var most = looks.GroupBy(s => (s.Kind, s.Colour)).MaxBy(g => g.Count())!.Key;
        return new(looks.Average(s => s.Place), most.Kind, most.Colour);
    }

    // A landmark as it looks in a light.
    private readonly record struct Drawing(int Kind, int Colour, Rgb[] Colours, Rgb Main);

    private static Drawing[] Drawings(Light light) =>
        [
            .. from colour in Enumerable.Range(0, LandmarkArt.Colours.Length)
            let paints = Stencil.Paints(light, LandmarkArt.Colours[colour])
            from kind in Enumerable.Range(0, stencils.Length)
            select new Drawing(kind, colour, stencils[kind].Colours(paints), paints[1]),
        ];

    /// <summary>The landmark that is whole in one frame; its place is that of its middle in the picture.</summary>
    private static Sighting? Look(ReadOnlySpan<Pixel> frame, Drawing[] drawings)
    {
        var (best, found) = (Certain, (Sighting?)null);
        foreach (var d in drawings)
        {
            var (stencil, top) = (stencils[d.Kind], LandmarkArt.Top(d.Kind));
            for (var left = 0; left + stencil.Width <= Scene.Side; left++)
                if (stencil.Likeness(frame, d.Colours, left, top, true, d.Main) is var likeness && likeness > best)
                    (best, found) = (likeness, new Sighting(left + stencil.Width / 2, d.Kind, d.Colour));
        }
        return found;
    }
}
