using System.Runtime.Intrinsics;

namespace LongTake.Video;

/// <summary>
/// Follows blocks and edges at four samples a second: whether the camera moves, and what stands still when all else
/// moves.
/// </summary>
sealed class MotionMeter
{
    const double Gap = 0.25;
    const int W = SmallFrame.FineWidth,
        H = SmallFrame.FineHeight;

    // Blocks of the thumbnail, how far they are sought (over half a second), and the contrast that makes one worth
    // following.
    const int BlockWidth = 16,
        BlockHeight = 12,
        ReachX = 8,
        ReachY = 6;
    const double Texture = 6;

    // An edge: at least this step between neighbours two pixels apart. It stands still while no pixel of it changes by
    // more than Same.
    const int Edge = 40,
        Same = 8,
        Held = 4;

    // A sample tells of overlays when the camera moves, at least so many pixels are edges, and at most this share of
    // them stands still.
    const int Edges = W * H / 100;
    const double Standing = 0.5;
    const double Always = 0.8;

    // Subtitles: edges that stand still in the lower part, this share of the picture at least, over this share of its
    // width.
    const double Lower = 0.6,
        Text = 0.004,
        Wide = 0.12;

    readonly byte[] stood = new byte[W * H];
    readonly ushort[] always = new ushort[W * H];
    SmallFrame? before,
        longBefore;
    int samples,
        moving,
        telling,
        pairs,
        texts;
    double motion;

    public double Motion => pairs > 0 ? motion / pairs : 0;
    public double Camera => samples > 0 ? (double)moving / samples : 0;

    public void Add(SmallFrame frame)
    {
        if (before is not null && frame.Time - before.Time < Gap - 1e-6)
            return;
        var moves = longBefore is null ? null : Moves(longBefore.Fine, frame.Fine);
        if (longBefore is not null)
        {
            motion += SmallFrame.Change(longBefore, frame);
            pairs++;
            samples += moves is null ? 0 : 1;
            moving += moves is true ? 1 : 0;
        }
        if (before is not null)
            Stand(before.Fine, frame.Fine, moves is true);
        (longBefore, before) = (before, frame);
    }

    /// <summary>Shares of overlays and subtitles; null when too little of the picture moved to tell.</summary>
    public (double? Overlay, double? Subtitles) Overlays()
    {
        if (telling < 8)
            return (null, null);
        var overlay = always.Count(n => n >= Always * telling);
        return ((double)overlay / (W * H), (double)texts / telling);
    }

    // Pixels whose edge has stood for about a second, in samples in which the camera moves and most edges have not.
    void Stand(byte[] a, byte[] b, bool moves)
    {
        int edges = 0,
            standing = 0;
        for (var y = 1; y < H - 1; y++)
        for (var x = 1; x < W - 1; x++)
        {
            var i = y * W + x;
            var edge = Math.Max(Math.Abs(b[i + 1] - b[i - 1]), Math.Abs(b[i + W] - b[i - W])) >= Edge;
            stood[i] =
                edge
                && Math.Abs(a[i] - b[i]) <= Same
                && Math.Abs(a[i + 1] - b[i + 1]) <= Same
                && Math.Abs(a[i + W] - b[i + W]) <= Same
                    ? (byte)Math.Min(stood[i] + 1, 255)
                    : (byte)0;
            if (!edge)
                continue;
            edges++;
            if (stood[i] >= Held)
                standing++;
        }
        if (!moves || edges < Edges || standing > Standing * edges)
            return;
        telling++;
        var text = 0;
        Span<bool> columns = stackalloc bool[W];
        for (var i = 0; i < W * H; i++)
        {
            if (stood[i] < Held)
                continue;
            always[i]++;
            if (i < Lower * W * H || always[i] > Always * telling && telling > 16)
                continue;
            // Strokes of letters go down; the edge of a bar does not.
            if (Math.Abs(b[i + 1] - b[i - 1]) < Edge)
                continue;
            text++;
            columns[i % W] = true;
        }
        var wide = 0;
        foreach (var c in columns)
            wide += c ? 1 : 0;
        if (text >= Text * W * H && wide >= Wide * W)
            texts++;
    }

    // True when most of the blocks that have texture are found elsewhere; null when there are none.
    static bool? Moves(byte[] a, byte[] b)
    {
        int textured = 0,
            moved = 0;
        for (var y = 0; y < H; y += BlockHeight)
        for (var x = 0; x < W; x += BlockWidth)
        {
            if (Deviation(b, x, y) < Texture)
                continue;
            textured++;
            var still = Sum(a, b, x, y, 0, 0, int.MaxValue);
            // Noise and a little change of light are no motion: another place must be clearly better.
            var limit = (int)(0.7 * still);
            if (still <= 2 * BlockWidth * BlockHeight)
                continue;
            var best = still;
            for (var dy = -ReachY; dy <= ReachY; dy++)
            for (var dx = -ReachX; dx <= ReachX; dx++)
                if (x + dx >= 0 && x + dx + BlockWidth <= W && y + dy >= 0 && y + dy + BlockHeight <= H)
                    best = Math.Min(best, Sum(a, b, x, y, dx, dy, best));
            if (best < limit || still > 20 * BlockWidth * BlockHeight)
                moved++;
        }
        return textured < 4 ? null : moved > 0.5 * textured;
    }

    static int Sum(byte[] a, byte[] b, int x, int y, int dx, int dy, int enough)
    {
        var sum = 0;
        for (var r = 0; r < BlockHeight && sum < enough; r++)
        {
            // A row is one vector.
            var p = Vector128.Create(a.AsSpan((y + dy + r) * W + x + dx, BlockWidth));
            var q = Vector128.Create(b.AsSpan((y + r) * W + x, BlockWidth));
            var (low, high) = Vector128.Widen(Vector128.Max(p, q) - Vector128.Min(p, q));
            sum += Vector128.Sum(low + high);
        }
        return sum;
    }

    static double Deviation(byte[] plane, int x, int y)
    {
        int sum = 0,
            squares = 0;
        for (var r = 0; r < BlockHeight; r++)
            foreach (var v in plane.AsSpan((y + r) * W + x, BlockWidth))
            {
                sum += v;
                squares += v * v;
            }
        var mean = (double)sum / (BlockWidth * BlockHeight);
        return Math.Sqrt(Math.Max(0, (double)squares / (BlockWidth * BlockHeight) - mean * mean));
    }
}
