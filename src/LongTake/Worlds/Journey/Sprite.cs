namespace LongTake.Worlds.Journey;

/// <summary>A small drawing of letters, each a paint of the <see cref="Palette"/>; a dot is see-through.</summary>
internal sealed class Sprite
{
    private readonly byte[] paints;

    /// <param name="art">Rows of equal length, top row first.</param>
    public Sprite(string art)
    {
        var rows = art.Split('\n');
        (Width, Height) = (rows[0].Length, rows.Length);
        paints =
        [
            .. rows.SelectMany(row => row).Select(c => (byte)Palette.Letters.IndexOf(c, StringComparison.Ordinal)),
        ];
        if (paints.Length != Width * Height || paints.Contains((byte)255))
            throw new ArgumentException($"not a drawing of {Width}x{Height} known letters:\n{art}");
    }

    public int Width { get; }
    public int Height { get; }

    /// <summary>The paint at a pixel, 0 for none.</summary>
    public int At(int x, int y) => paints[y * Width + x];

    /// <summary>Paints it with its upper left corner at (left, top), as much of it as lies in the picture.</summary>
    public void Paint(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette, int left, int top, bool mirrored = false)
    {
        var (from, to) = (Math.Max(0, -left), Math.Min(Width, Scene.Side - left));
        for (var y = Math.Max(0, -top); y < Height && top + y < Scene.Side; y++)
        for (var x = from; x < to; x++)
            if (paints[y * Width + (mirrored ? Width - 1 - x : x)] is var paint and not 0)
                canvas[(top + y) * Scene.Side + left + x] = palette[paint];
    }
}

/// <summary>The paints of the world, a letter each; C, c and L are a colour in three shades, V the scarf's.</summary>
internal static class Palette
{
    public const string Letters = ".CcLVWwSsDTtGgHPYROoUAFfEJIiK";

    /// <summary>How many paints there are.</summary>
    public static int Size => Letters.Length;

    private static readonly Rgb[] Colours =
    [
        default,
        default,
        default,
        default,
        default,
        (248, 246, 238), // W white
        (204, 206, 216), // w
        (160, 158, 170), // S stone
        (108, 106, 124), // s
        (46, 40, 56), // D dark
        (116, 74, 48), // T trunk
        (172, 122, 74), // t
        (70, 152, 66), // G leaf
        (34, 102, 62), // g
        (134, 200, 84), // H
        (248, 124, 172), // P petal
        (252, 216, 84), // Y
        (208, 64, 56), // R red
        (222, 150, 90), // O sandstone
        (176, 104, 66), // o
        (146, 78, 230), // U wizard's cloth
        (255, 146, 24), // A cap
        (242, 202, 164), // F skin
        (206, 156, 122), // f
        (36, 24, 30), // E eye
        (92, 56, 30), // J hair
        (240, 240, 250), // I near leg
        (126, 128, 164), // i far leg
        (124, 112, 92), // K lamp, unlit
    ];

    /// <summary>Every paint in a light; lamps shine by themselves when it is dark.</summary>
    public static void Fill(Span<Pixel> palette, Rgb light, double dark)
    {
        for (var i = 1; i < Colours.Length; i++)
            palette[i] = Colours[i] * light;
        palette[^1] = Rgb.Lerp(Colours[^1] * light, (255, 234, 148), dark);
    }

    /// <summary>Sets the three shades of the one colour that varies.</summary>
    public static void Set(Span<Pixel> palette, Rgb colour, Rgb light)
    {
        palette[1] = colour * light;
        palette[2] = colour * .66 * light;
        palette[3] = Rgb.Lerp(colour, (255, 255, 255), .35) * light;
    }

    /// <summary>Sets the scarf's colour.</summary>
    public static void SetScarf(Span<Pixel> palette, Rgb colour) => palette[4] = colour;
}
