using LongTake.Worlds.Journey;

namespace LongTake.Worlds;

/// <summary>
/// A procedural world: videos of 16 frames a second and square pictures, whose every pixel is a function of a few
/// parameters. So whatever a network makes of it can be measured exactly.
/// </summary>
public abstract class World
{
    /// <summary>Frames a second, and frames in a minute-long take and in a short clip.</summary>
    public const int FramesPerSecond = 16,
        LongFrames = 977,
        ClipFrames = 81;

    /// <summary>One way, one day, 32x32.</summary>
    public static World Traveller { get; } = new TravellerWorld();

    /// <summary>"There and back": what was shown must come back, 64x64.</summary>
    public static World Journey { get; } = new JourneyWorld();

    /// <summary>The world whose pictures have this size.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public static World Of(int width, int height) =>
        ((World[])[Traveller, Journey]).FirstOrDefault(w => (w.Side, w.Side) == (width, height))
        ?? throw new UserException(
            $"a model of {width}x{height}: the procedural worlds have pictures of {Traveller.Side}x{Traveller.Side} "
                + $"and {Journey.Side}x{Journey.Side}"
        );

    /// <summary>World frames from one frame of a model to the next.</summary>
    /// <exception cref="UserException">The rate does not divide the world's.</exception>
    public static int Stride(double fps) =>
        fps > 0 && FramesPerSecond % fps == 0
            ? (int)(FramesPerSecond / fps)
            : throw new UserException(
                $"fps {fps}: a world of {FramesPerSecond} frames a second gives 16, 8, 4, 2 or 1"
            );

    /// <summary>Width and height of a picture.</summary>
    public abstract int Side { get; }

    /// <summary>Bytes of a picture, RGB.</summary>
    public int FrameBytes => Side * Side * 3;

    /// <summary>Everything the world can say of itself: the corpus of a tokenizer.</summary>
    public abstract IEnumerable<string> Captions { get; }

    /// <summary>Take number n of a training set, with the coat and hat of its turn.</summary>
    /// <param name="rng">Draws everything else.</param>
    /// <param name="n">Its number.</param>
    /// <param name="gap">How much worse it is than clips, 0 to 1; null for the world's own.</param>
    /// <exception cref="UserException">A gap, and this world has none.</exception>
    public abstract WorldVideo Take(Rng rng, int n, double? gap);

    /// <summary>A take with any coat and hat.</summary>
    public abstract WorldVideo AnyTake(Rng rng, double? gap);

    /// <summary>A clip of 5 s.</summary>
    public abstract WorldVideo Clip(Rng rng);

    /// <summary>
    /// A real take, as good as a clip, whose caption is what video number n of an evaluation is asked for.
    /// </summary>
    /// <param name="rng">Draws what the number does not say.</param>
    /// <param name="final">Whether it is of the final set, whose captions differ from those of the tune set.</param>
    /// <param name="n">Its number: all coats and hats in turn.</param>
    public abstract WorldVideo Wanted(Rng rng, bool final, int n);

    /// <summary>A real take, as good as a clip, that a prompt in a person's own words describes.</summary>
    public abstract WorldVideo Like(Rng rng, string prompt);
}
