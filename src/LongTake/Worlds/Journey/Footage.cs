using System.Numerics;
using System.Runtime.InteropServices;

namespace LongTake.Worlds.Journey;

/// <summary>
/// What makes long footage worse than short clips, as a function of the take and the frame: a hand that shakes, soft
/// focus, little contrast, a channel's mark in a corner and the noise of coding. Each grows with the gap.
/// </summary>
internal static class Footage
{
    /// <summary>Colours lose contrast towards it.</summary>
    public const int Grey = 122;

    private const int Side = Scene.Side,
        Row = 3 * Side,
        MarkLeft = 52,
        MarkTop = 3,
        Block = 8,
        Blocks = Side / Block,
        Group = 8;

    private static readonly string[] mark = ["####.#...#", ".##..#...#", ".##...#.#.", ".##...#.#.", ".##....#.."];

    public static void Spoil(Span<Pixel> canvas, JourneyTake take, int frame)
    {
        var gap = take.Gap;
        var bytes = MemoryMarshal.AsBytes(canvas);
        Shake(bytes, take, frame);
        Blur(bytes, Math.Min(1, 2 * gap));
        Blur(bytes, Math.Max(0, 2 * gap - 1));
        Fade(bytes, 1 - .25 * gap);
        for (var y = 0; y < mark.Length; y++)
        for (var x = 0; x < mark[y].Length; x++)
            if (mark[y][x] == '#')
            {
                ref var p = ref canvas[(MarkTop + y) * Side + MarkLeft + x];
                p = Rgb.Lerp(p, (255, 255, 255), .8 * gap);
            }
        Code(canvas, take, frame);
    }

    // A pixel up or down, three times a second, for a share of the time.
    private static void Shake(Span<byte> canvas, JourneyTake take, int frame)
    {
        var hand = Math.Sin(2 * Math.PI * (3.0 * frame / JourneyTake.FramesPerSecond + Noise.Unit(1, take.Seed)));
        if (Math.Abs(hand) <= 1 - take.Gap)
            return;
        if (hand > 0)
            canvas[..^Row].CopyTo(canvas[Row..]);
        else
            canvas[Row..].CopyTo(canvas);
    }

    /// <summary>1 2 1 in both directions, or as much of it as the strength says.</summary>
    public static void Blur(Span<byte> canvas, double strength)
    {
        var side = (ushort)Math.Round(64 * strength);
        if (side == 0)
            return;
        Span<byte> across = stackalloc byte[Row * Side],
            wide = stackalloc byte[3 + Row + 3];
        for (var y = 0; y < Side; y++)
        {
            var row = canvas.Slice(y * Row, Row);
            row[..3].CopyTo(wide);
            row.CopyTo(wide[3..]);
            row[^3..].CopyTo(wide[^3..]);
            Mix(wide[..Row], row, wide[6..], across.Slice(y * Row, Row), side);
        }
        for (var y = 0; y < Side; y++)
            Mix(
                across.Slice(Math.Max(y - 1, 0) * Row, Row),
                across.Slice(y * Row, Row),
                across.Slice(Math.Min(y + 1, Side - 1) * Row, Row),
                canvas.Slice(y * Row, Row),
                side
            );
    }

    // side parts of 256 of a and of c, the rest of b. All sums stay below 65,536.
    private static void Mix(
        ReadOnlySpan<byte> a,
        ReadOnlySpan<byte> b,
        ReadOnlySpan<byte> c,
        Span<byte> to,
        ushort side
    )
    {
        var (outer, inner, half) = (
            new Vector<ushort>(side),
            new Vector<ushort>((ushort)(256 - 2 * side)),
            new Vector<ushort>(128)
        );
        for (var i = 0; i < Row; i += Vector<byte>.Count)
        {
            Vector.Widen(new Vector<byte>(a[i..]), out var a0, out var a1);
            Vector.Widen(new Vector<byte>(b[i..]), out var b0, out var b1);
            Vector.Widen(new Vector<byte>(c[i..]), out var c0, out var c1);
            var low = (outer * (a0 + c0) + inner * b0 + half) >>> 8;
            var high = (outer * (a1 + c1) + inner * b1 + half) >>> 8;
            Vector.Narrow(low, high).CopyTo(to[i..]);
        }
    }

    private static void Fade(Span<byte> canvas, double contrast)
    {
        Span<byte> faded = stackalloc byte[256];
        for (var v = 0; v < 256; v++)
            faded[v] = (byte)Math.Round(Grey + contrast * (v - Grey));
        foreach (ref var v in canvas)
            v = faded[v];
    }

    // Blocks that are a little too light or too dark, anew in each group of pictures, and a grain of each picture.
    private static void Code(Span<Pixel> canvas, JourneyTake take, int frame)
    {
        var (grain, block) = ((int)(8 * take.Gap * 256), 14 * take.Gap);
        Span<int> offs = stackalloc int[Blocks * Blocks];
        for (var i = 0; i < offs.Length; i++)
            offs[i] = (int)(block * (Noise.Unit(i + offs.Length * (frame / Group), take.Seed + 51) - .5) * 65536);
        for (var i = 0; i < canvas.Length; i += 4)
        {
            var hash = Noise.Hash(i + canvas.Length * frame, take.Seed + 52);
            var off = offs[i / (Side * Block) * Blocks + i % Side / Block];
            for (var k = 0; k < 4; k++, hash >>= 8)
            {
                var more = (off + grain * ((int)(hash & 255) - 128)) >> 16;
                ref var p = ref canvas[i + k];
                p = new(Clamp(p.R + more), Clamp(p.G + more), Clamp(p.B + more));
            }
        }
    }

    private static byte Clamp(int v) => (byte)Math.Clamp(v, 0, 255);
}
