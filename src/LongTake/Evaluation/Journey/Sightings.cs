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
    private const double Certain = .5,
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
        for (var f = (from + Step - 1) / Step * Step; f < to; f += Step)
        {
            if (Look(video.Frame(f), lights[video.SecondOf(f)]) is not { } seen)
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

    /// <summary>The landmark that is whole in one frame; its place is that of its middle in the picture.</summary>
    private static Sighting? Look(ReadOnlySpan<Pixel> frame, in Light light)
    {
        var (best, found) = (Certain, (Sighting?)null);
        for (var colour = 0; colour < LandmarkArt.Colours.Length; colour++)
        {
            var paints = Stencil.Paints(light, LandmarkArt.Colours[colour]);
            for (var kind = 0; kind < stencils.Length; kind++)
            for (var left = 0; left + stencils[kind].Width <= Scene.Side; left++)
            {
                var likeness = stencils[kind].Likeness(frame, paints, left, LandmarkArt.Top(kind), hidden: true);
                if (likeness > best)
                    (best, found) = (likeness, new Sighting(left + stencils[kind].Width / 2, kind, colour));
            }
        }
        return found;
    }
}
