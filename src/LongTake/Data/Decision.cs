using LongTake.Video;

namespace LongTake.Data;

/// <summary>What became of a stretch of a video, or of a whole one.</summary>
/// <param name="Path">The video.</param>
/// <param name="Name">Its path within its source.</param>
/// <param name="Rule">The rule that decided: "kept", or what was not met.</param>
/// <param name="Reason">A sentence about it, with the numbers.</param>
public sealed record Decision(string Path, string Name, string Rule, string Reason)
{
    /// <summary>Row of its thumbnails on the video's sheet; -1 when it has none.</summary>
    public int Shot { get; init; } = -1;

    /// <summary>Seconds from the video's first frame; both 0 where nothing was decoded.</summary>
    public double Start { get; init; }
    public double End { get; init; }

    /// <summary>"take", "clip", "" when dropped.</summary>
    public string Role { get; init; } = "";

    /// <summary>What the rule measured, null where it measures nothing, and what that was compared with.</summary>
    public double? Value { get; init; }
    public double? Limit { get; init; }

    /// <summary>How it is prepared, when kept.</summary>
    public Footage? Footage { get; init; }
    public string Caption { get; init; } = "";
    public string CaptionFrom { get; init; } = "";
    public IReadOnlyList<string> Windows { get; init; } = [];

    /// <summary>Facts of the video, and what the shot measures; null where it was not looked at.</summary>
    public VideoInfo? Info { get; init; }
    public ShotMeasures? Measures { get; init; }

    public bool Kept => Footage is not null;
    public double Seconds => End - Start;
}
