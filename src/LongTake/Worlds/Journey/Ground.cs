namespace LongTake.Worlds.Journey;

/// <summary>Verge and road, which pass at full speed: a tile of 16 columns for each biome, again and again.</summary>
internal static class Ground
{
    /// <summary>Pixels after which the pattern comes again.</summary>
    public const int Period = 16;

    /// <summary>Rows that neither the traveller's nor an animal's feet reach.</summary>
    public const int FreeTop = 59;

    private const int Side = Scene.Side,
        Rows = Side - Scene.GroundTop,
        Ragged = 4; // columns over which the border of two biomes wavers from row to row
    private const string Letters = "vdlrkpx";

    // v verge, d its dark, l its light; r road, k its dark, p its light; x leaves, or a kerb.
    private static readonly Rgb[][] Colours =
    [
        [
            (104, 178, 72),
            (64, 136, 56),
            (148, 210, 92),
            (204, 168, 112),
            (166, 128, 80),
            (224, 194, 142),
            (252, 216, 84),
        ],
        [(62, 122, 60), (34, 84, 50), (88, 146, 70), (136, 102, 72), (100, 72, 54), (158, 124, 88), (214, 126, 52)],
        [
            (166, 164, 172),
            (128, 126, 138),
            (192, 190, 196),
            (92, 92, 106),
            (68, 68, 84),
            (238, 228, 186),
            (204, 202, 204),
        ],
        [
            (242, 206, 142),
            (214, 168, 106),
            (252, 224, 168),
            (232, 190, 126),
            (196, 148, 92),
            (246, 214, 156),
            (252, 232, 190),
        ],
    ];

    // The dark marks of the rows that nothing covers stand at the same columns in all biomes: their phase tells how far
    // the ground has moved, whatever the biome.
    private static readonly byte[][] Tiles =
    [
        Tile(
            """
            llllllllllllllll
            vvvvvvvvvlvvvvvv
            vdvvvvvvvvldvvvv
            vvvvvvdvvvvvvvvd
            dpppddppppdddppp
            pppppppppppppppp
            rrrrrrrrrrrrrrrr
            rrkkrrrrrrrkrrrr
            rrrrrrrrrrrrrrrr
            rrrrrrrppprrrrrr
            rrrrrrrrrrrrrrrr
            rrrrrkkrrrrrrrrr
            rrkkkkkkrrrrrrrr
            kkkkkkkkkkrrkkkk
            vvddddddvvvvlvvv
            vvvdddddvvvvvlvv
            vvddddddvxvvvvvv
            """
        ),
        Tile(
            """
            llllvlllllvlllll
            vvvdvvvvvvvvdvvv
            vdvvvvlvvvvvvvdv
            vvvvvdvvvvvvvvvv
            kkkkkdkkkkkkkdkk
            rrrrrrrrrrrrrrrr
            rrxxrrrrrrrrrxrr
            rrrrrrrkkrrrrrrr
            rrrrrrrrrrrrrrrr
            rrrrrrrrrxxrrrrr
            rrrrxrrrrrrrrrrk
            rrrrrrrrrrrrrrrr
            rrkkkkkkrrrrxrrr
            kkkkkkkkkrrkkkkk
            vvddddddvvvlvvvv
            vvdldddvvvvvvvlv
            vvdddddvvvvvvvvv
            """
        ),
        Tile(
            """
            llllllllllllllll
            vvvvvvvdvvvvvvvd
            vvvvvvvdvvvvvvvd
            dddddddddddddddd
            xxxxxxxxxxxxxxxx
            rrrrrrrrrrrrrrrr
            rrrrrrrrrrrrrrrr
            rrrrrrrrrrrrrrrr
            rrrrrrrrpppppppp
            rrrrrrrrpppppppp
            rrrrrrrrrrrrrrrr
            rrrrrrrrrrrrrrrr
            rrkkkkkkrrrrrrrr
            xxxxxxxxxxxxxxxx
            vvddddddvvvvvvvv
            vvddddddvvvvvvvv
            vvddddddvvvvvvvv
            """
        ),
        Tile(
            """
            llllllllllllllll
            vvvvvvvvvvvvvvvv
            vvddvvvvvvvvddvv
            vvvvvvddvvvvvvvv
            pppppppppppppppp
            rrrrrrrrrrrrrrrr
            rkkrrrrrrkkrrrrr
            rrrkkrrrrrrkkrrr
            rrrrrrrrrrrrrrrr
            rrrrrrkkrrrrrrkk
            rrrrrrrrrrrrrrrr
            rrrrrrrrrrrppprr
            rrkkkkkkrrrrrrrr
            vvvvvvvvllllvvvv
            vvddddddvvvvvvvv
            vvvddddddvvvvvvv
            vvddddddvvvvvvvv
            """
        ),
    ];

    /// <summary>Mean colour of each biome's rows that nothing covers, in full light.</summary>
    public static readonly Rgb[] Means = [.. Enumerable.Range(0, 4).Select(Mean)];

    public static void Paint(Span<Pixel> canvas, in Light light, JourneyTake take, int position)
    {
        Span<Pixel> paints = stackalloc Pixel[4 * 8];
        for (var i = 0; i < 4 * Letters.Length; i++)
            paints[i / Letters.Length * 8 + i % Letters.Length] =
                Colours[i / Letters.Length][i % Letters.Length] * light.Tint;
        var left = Layer.Left(position, 1);
        Span<int> biomes = stackalloc int[Side + Ragged];
        for (var x = 0; x < biomes.Length; x++)
            biomes[x] = take.BiomeAt(left + x);
        for (var y = 0; y < Rows; y++)
        {
            var border = 7 * y % (Ragged + 1);
            for (var x = 0; x < Side; x++)
            {
                var (biome, column) = (biomes[x + border], (left + x + take.Seed) & (Period - 1));
                canvas[(Scene.GroundTop + y) * Side + x] = paints[8 * biome + Tiles[biome][y * Period + column]];
            }
        }
    }

    private static byte[] Tile(string art) =>
        [.. art.Where(c => c != '\n').Select(c => (byte)Letters.IndexOf(c, StringComparison.Ordinal))];

    private static Rgb Mean(int biome)
    {
        Rgb sum = default;
        var free = Tiles[biome].AsSpan((FreeTop - Scene.GroundTop) * Period);
        foreach (var paint in free)
            sum += Colours[biome][paint];
        return sum * (1.0 / free.Length);
    }
}
