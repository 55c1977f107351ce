using System.Runtime.Intrinsics;

namespace LongTake.Video;

/// <summary>
/// Finds pictures that come again: a run of frames each equal to the one a fixed time before it, while what lies
/// between is different. The last <see cref="Reach"/> frames are kept as 16x9 thumbnails.
/// </summary>
sealed class LoopFinder
{
    // Mean grey levels: equal means below, different above. The shortest run, and the shortest time after which
    // something may come again.
    const double Equal = 0.8,
        Different = 4;
    const double ShortestSeconds = 0.5;
    const int Reach = 500,
        Size = 16 * 9;

    readonly byte[] ring = new byte[Reach * Size];
    readonly double[] times = new double[Reach];
    readonly int[] run = new int[Reach];
    int count;

    /// <summary>
    /// Takes a frame; a loop is reported once a whole round has come again, from its first repeated frame on.
    /// </summary>
    public void Add(SmallFrame frame, StretchFinder found, double gap)
    {
        var small = Small(frame);
        double most = 0;
        for (var lag = 1; lag <= Math.Min(count, Reach - 1); lag++)
        {
            var at = (count - lag) % Reach;
            var difference = Difference(small, ring.AsSpan(at * Size, Size));
            run[lag] = difference <= Equal && most >= Different ? run[lag] + 1 : 0;
            most = Math.Max(most, difference);
            if (run[lag] >= lag && frame.Time - times[at] >= ShortestSeconds)
                found.Add(times[(count - run[lag] + 1) % Reach], frame.Time + gap);
            if (run[lag] > lag)
                run[lag] = lag; // the stretch goes on; older stamps are no longer kept
        }
        small.CopyTo(ring, count % Reach * Size);
        times[count % Reach] = frame.Time;
        count++;
    }

    static double Difference(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        var sum = Vector128<ushort>.Zero;
        for (var i = 0; i < Size; i += 16)
        {
            var (x, y) = (Vector128.Create(a[i..]), Vector128.Create(b[i..]));
            var d = Vector128.Max(x, y) - Vector128.Min(x, y);
            sum += Vector128.WidenLower(d) + Vector128.WidenUpper(d);
        }
        return (double)Vector128.Sum(sum) / Size;
    }

    static byte[] Small(SmallFrame frame)
    {
        var small = new byte[Size];
        for (var i = 0; i < Size; i++)
        {
            var sum = 8;
            for (var j = 0; j < 16; j++)
                sum += frame.Luma[(i / 16 * 4 + j / 4) * SmallFrame.Width + i % 16 * 4 + j % 4];
            small[i] = (byte)(sum >> 4);
        }
        return small;
    }
}
