using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>The pixels of a drawing, to be found again in a frame; and those around it, which must differ.</summary>
internal sealed class Stencil
{
    private const double Reach = 80 * 80;
    private readonly (int X, int Y, (int Paint, int Weight)[] Mix)[] inside;
    private readonly (int X, int Y)[] around;

    private Stencil((int X, int Y, (int Paint, int Weight)[] Mix)[] inside, (int X, int Y)[] around, int width) =>
        (this.inside, this.around, Width) = (inside, around, width);

    public int Width { get; }

    /// <summary>
    /// A sprite from its row <paramref name="skip"/> on, in the soft focus that <see cref="JourneyVideo"/> makes, with
    /// the pixels two away from it.
    /// </summary>
    public static Stencil Of(Sprite sprite, bool mirrored = false, int skip = 0)
    {
        int Paint(int x, int y) =>
            x < 0 || y < skip || x >= sprite.Width || y >= sprite.Height
                ? 0
                : sprite.At(mirrored ? sprite.Width - 1 - x : x, y);
        int[] sides = [-1, 0, 1];
        (int, int)[] Mix(int x, int y) =>
            [
                .. from dy in sides
                from dx in sides
                where Paint(x + dx, y + dy) != 0
                select (Paint(x + dx, y + dy), (2 - Math.Abs(dx)) * (2 - Math.Abs(dy))),
            ];
        bool Near(int x, int y, int reach) =>
            Enumerable
                .Range(-reach, 2 * reach + 1)
                .Any(dy => Enumerable.Range(-reach, 2 * reach + 1).Any(dx => Paint(x + dx, y + dy) != 0));
        var box =
            from y in Enumerable.Range(skip - 2, sprite.Height - skip + 4)
            from x in Enumerable.Range(-2, sprite.Width + 4)
            select (x, y);
        return new(
            [.. box.Where(p => Paint(p.x, p.y) != 0).Select(p => (p.x, p.y, Mix(p.x, p.y)))],
            [.. box.Where(p => Near(p.x, p.y, 2) && !Near(p.x, p.y, 1))],
            sprite.Width
        );
    }

    /// <summary>What a drawing paints onto a picture, each paint a colour of its own.</summary>
    public delegate void Drawing(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette);

    /// <summary>Whatever a function draws, in sharp focus, at the place where it draws it.</summary>
    public static Stencil Of(Drawing draw)
    {
        var canvas = new Pixel[Scene.Side * Scene.Side];
        Pixel[] palette = [.. Enumerable.Range(0, Palette.Size).Select(i => new Pixel((byte)i, 0, 0))];
        draw(canvas, palette);
        return new(
            [
                .. canvas
                    .Index()
                    .Where(p => p.Item.R != 0)
                    .Select(p => (p.Index % Scene.Side, p.Index / Scene.Side, new[] { ((int)p.Item.R, 1) })),
            ],
            [],
            Scene.Side
        );
    }

    /// <summary>Colours of its pixels, made of those of the paints.</summary>
    public Rgb[] Colours(Rgb[] paints) => Array.ConvertAll(inside, pixel =>
        {
            var (sum, weights) = (default(Rgb), 0);
            foreach (var (paint, weight) in pixel.Mix)
                (sum, weights) = (sum + paints[paint] * weight, weights + weight);
            return sum * (1.0 / weights);
        });

    /// <summary>
    /// How much a frame looks like the drawing at a place, up to 1: the share of its pixels that have their colours,
    /// less the share of the pixels around it that have its main colour. What the traveller may hide does not
    /// count.
    /// </summary>
    public double Likeness(
        ReadOnlySpan<Pixel> frame,
        Rgb[] colours,
        int left,
        int top,
        bool hidden = false,
        Rgb main = default
    )
    {
        var (like, seen) = (0.0, 0);
        for (var i = 0; i < inside.Length; i++)
            if ((left + inside[i].X, top + inside[i].Y) is var (x, y) && Visible(x, y, hidden))
                (like, seen) = (like + Match(frame[y * Scene.Side + x], colours[i]), seen + 1);
        if (2 * seen < inside.Length)
            return 0;
        var (outside, count) = (0.0, 0);
        foreach (var (x, y) in around)
            if (Visible(left + x, top + y, hidden))
                (outside, count) = (outside + Match(frame[(top + y) * Scene.Side + left + x], main), count + 1);
        return like / seen - (count == 0 ? 0 : outside / count);
    }

    private static bool Visible(int x, int y, bool hidden) =>
        x is >= 0 and < Scene.Side
        && y is >= 0 and < Scene.Side
        && !(hidden && y > 24 && x is >= Scene.Centre - 7 and < Scene.Centre + 7);

    private static double Match(Pixel seen, Rgb expected)
    {
        var (r, g, b) = (seen.R - expected.R, seen.G - expected.G, seen.B - expected.B);
        return Math.Max(0, 1 - (r * r + g * g + b * b) / Reach);
    }

    /// <summary>The world's paints in a light, with the colour that varies.</summary>
    public static Rgb[] Paints(in Light light, Rgb colour)
    {
        Span<Pixel> palette = stackalloc Pixel[Palette.Size];
        Palette.Fill(palette, light.Near, light.Dark);
        Palette.Set(palette, colour, light.Near);
        var paints = new Rgb[palette.Length];
        for (var i = 0; i < paints.Length; i++)
            paints[i] = palette[i];
        return paints;
    }
}
