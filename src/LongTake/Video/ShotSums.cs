namespace LongTake.Video;

/// <summary>
/// Sums over the frames of one shot; memory does not depend on its length, hashes excepted: 16 bytes a second.
/// </summary>
sealed class ShotSums(VideoInfo info, SmallFrame first)
{
    // Pixels at most this bright are black to the eye, or bars; these are lost to under- and over-exposure.
    const int BlackLevel = 26,
        Lost = 8,
        Burnt = 247;
    const double BlackShare = 0.98;

    // Frozen: no block of 8x8 (of 128x72) changes by more than this on average since the stretch began.
    const double Still = 1.5;
    const int Block = 8;

    const double FrozenSeconds = 0.5,
        BlackSeconds = 0.25,
        HalfSecond = 0.5;

    readonly Bars bars = new();
    readonly StretchFinder frozen = new(FrozenSeconds),
        black = new(BlackSeconds),
        looped = new(0);
    readonly LoopFinder loops = new();
    readonly MotionMeter motion = new();
    readonly List<ulong> hashes = [];
    SmallFrame? last,
        still;
    int frames;
    double brightness,
        brightest,
        contrast,
        change,
        dark,
        burnt;

    public void Add(SmallFrame frame, Rectangle? picture)
    {
        var gap = last is null ? 1 / info.Fps : frame.Time - last.Time;
        last = frame;
        frames++;
        bars.Add(picture);
        brightness += frame.Mean;
        brightest = Math.Max(brightest, frame.Mean);
        contrast = Math.Max(contrast, frame.Contrast);
        change = Math.Max(change, SmallFrame.Change(first, frame));
        var (blacks, lost, white) = Count(frame.Fine);
        dark += lost;
        burnt += white;
        black.Add(blacks >= BlackShare, frame.Time, gap);
        var same = still is not null && Unchanged(still, frame);
        if (!same)
            still = frame;
        frozen.Add(same, frame.Time, gap, alsoBefore: true);
        // as long as no frame comes, the last one stands
        if (!same && gap >= Math.Max(FrozenSeconds, 4 / info.Fps))
            frozen.Add(frame.Time - gap, frame.Time);
        loops.Add(frame, looped, gap);
        motion.Add(frame);
        if (frame.Time - first.Time >= hashes.Count * PerceptualHash.Seconds - 1e-6)
            hashes.Add(PerceptualHash.Of(frame));
    }

    public ShotMeasures Result()
    {
        var crop = bars.Picture(info.Width, info.Height);
        var barShare = 1 - (double)crop.Width * crop.Height / ((double)info.Width * info.Height);
        var (overlay, subtitles) = motion.Overlays();
        return new()
        {
            Shot = new(first.Index, last!.Index, first.Time, last.Time + 1 / info.Fps),
            Crop = crop,
            Brightness = brightness / frames,
            Brightest = brightest,
            MostContrast = contrast,
            MostChange = change,
            Motion = motion.Motion,
            CameraMotion = motion.Camera,
            Under = barShare < 1 ? Math.Clamp((dark / frames - barShare) / (1 - barShare), 0, 1) : 1,
            Over = barShare < 1 ? Math.Clamp(burnt / frames / (1 - barShare), 0, 1) : 0,
            Frozen = frozen.Result(),
            Black = black.Result(),
            Looped = looped.Result(),
            Overlay = overlay,
            Subtitles = subtitles,
            Hashes = hashes,
        };
    }

    static (double Black, double Lost, double Burnt) Count(byte[] fine)
    {
        int black = 0,
            lost = 0,
            white = 0;
        foreach (var v in fine)
        {
            black += v <= BlackLevel ? 1 : 0;
            lost += v <= Lost ? 1 : 0;
            white += v >= Burnt ? 1 : 0;
        }
        return ((double)black / fine.Length, (double)lost / fine.Length, (double)white / fine.Length);
    }

    static bool Unchanged(SmallFrame a, SmallFrame b)
    {
        for (var y = 0; y < SmallFrame.FineHeight; y += Block)
        for (var x = 0; x < SmallFrame.FineWidth; x += Block)
        {
            var sum = 0;
            for (var i = 0; i < Block * Block; i++)
            {
                var at = (y + i / Block) * SmallFrame.FineWidth + x + i % Block;
                sum += Math.Abs(a.Fine[at] - b.Fine[at]);
            }
            if (sum > Still * Block * Block)
                return false;
        }
        return true;
    }
}

/// <summary>Stretches in which something holds, of a least length.</summary>
sealed class StretchFinder(double least)
{
    readonly List<Stretch> found = [];
    double from = double.NaN,
        to,
        before;

    /// <summary>
    /// Takes a frame of a length; with `alsoBefore` the frame before the first that holds belongs to the stretch.
    /// </summary>
    public void Add(bool holds, double time, double gap, bool alsoBefore = false)
    {
        if (holds)
        {
            if (double.IsNaN(from))
                from = alsoBefore ? before : time;
            to = time + gap;
        }
        else
            Close();
        before = time;
    }

    /// <summary>Begins a stretch earlier than now, or makes the one that runs longer.</summary>
    public void Add(double start, double end)
    {
        if (found.Count > 0 && start <= found[^1].End)
            found[^1] = new(Math.Min(found[^1].Start, start), Math.Max(found[^1].End, end));
        else
            found.Add(new(start, end));
    }

    public IReadOnlyList<Stretch> Result()
    {
        Close();
        return found;
    }

    void Close()
    {
        if (!double.IsNaN(from) && to - from >= least)
            found.Add(new(from, to));
        from = double.NaN;
    }
}

/// <summary>Where the picture ends and black bars begin, over all frames.</summary>
sealed class Bars
{
    // So much of the frames may have the picture farther in, because they are dark there.
    const double Outermost = 0.05;
    readonly SortedDictionary<int, int>[] edges = [new(), new(), new(), new()];
    int count;

    public void Add(Rectangle? picture)
    {
        if (picture is not { } p)
            return;
        count++;
        int[] at = [p.X, p.Y, -(p.X + p.Width), -(p.Y + p.Height)]; // outermost is least
        for (var i = 0; i < 4; i++)
            edges[i][at[i]] = edges[i].GetValueOrDefault(at[i]) + 1;
    }

    public Rectangle Picture(int width, int height)
    {
        if (count == 0)
            return new(0, 0, width, height);
        int[] e =
        [
            .. edges.Select(side =>
            {
                var seen = 0;
                foreach (var (at, n) in side)
                    if ((seen += n) > Outermost * count)
                        return at;
                return side.Last().Key;
            }),
        ];
        return new(e[0], e[1], -e[2] - e[0], -e[3] - e[1]);
    }
}
