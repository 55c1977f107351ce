using System.Text.Json.Serialization;

namespace LongTake.Video;

/// <summary>
/// How the numbers of a picture's pixels are meant, in ffmpeg's words; "" where the file does not say. Pictures are
/// read as BT.709: HDR (PQ, HLG) is tone-mapped, wide colours (BT.2020, P3) are brought into its gamut.
/// </summary>
/// <param name="Range">"tv" (black is 16, white 235) or "pc" (0 to 255).</param>
/// <param name="Matrix">How brightness and colour differences are made of red, green and blue: "bt709", "smpte170m"
/// (BT.601), "bt2020nc" ...</param>
/// <param name="Transfer">Numbers to light: "bt709", "smpte2084" (PQ), "arib-std-b67" (HLG) ...</param>
/// <param name="Primaries">Which red, green and blue: "bt709", "bt2020", "smpte432" (P3) ...</param>
public sealed record VideoColour(string Range, string Matrix, string Transfer, string Primaries)
{
    // White of BT.2408 in cd/m2, and the brightest that is told apart; up to Linear of white nothing is changed.
    private const int White = 203,
        Brightest = 1000;
    private const double Linear = 0.7;

    /// <summary>The transfer of Dolby Vision whose picture means nothing without the metadata of each frame.</summary>
    internal const string DolbyVision = "dolby-vision";

    /// <summary>Pictures that nothing is done to.</summary>
    public static VideoColour Plain { get; } = new("", "", "", "");

    /// <summary>Light beyond what BT.709 holds.</summary>
    [JsonIgnore]
    public bool IsHdr => Transfer is "smpte2084" or "arib-std-b67" or DolbyVision;

    /// <summary>Light or colours beyond what BT.709 holds.</summary>
    [JsonIgnore]
    public bool IsBeyond =>
        IsHdr || Primaries is "bt2020" or "smpte431" or "smpte432" || Matrix is "bt2020nc" or "bt2020c" or "ictcp";

    /// <summary>Whether all of it are words that ffmpeg can have said.</summary>
    [JsonIgnore]
    public bool IsKnown =>
        $"{Range}{Matrix}{Transfer}{Primaries}".All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    /// <summary>
    /// The colour to read a picture by: what a file leaves open is BT.2020 in HDR, BT.709 in high definition. <see
    /// cref="Plain"/> where ffmpeg does right by itself.
    /// </summary>
    public VideoColour Read(int width, int height) =>
        IsBeyond
            ? new(
                "tv", // the scaling before it makes that of any range
                Or(Matrix, Primaries is "smpte431" or "smpte432" ? "bt709" : "bt2020nc"),
                Or(Transfer, "bt709"),
                Or(Primaries, "bt2020")
            )
        : Matrix.Length == 0 && (width >= 1280 || height > 576) ? Plain with { Matrix = "bt709" }
        : Plain;

    /// <summary>In words, with what is done about it.</summary>
    public string Describe(int width, int height)
    {
        var matrix =
            Matrix.Length > 0 ? Name(Matrix)
            : Read(width, height).Matrix.Length > 0 ? $"matrix not stated, read as {Name(Read(width, height).Matrix)}"
            : "matrix not stated, read as BT.601";
        List<string> facts = [matrix];
        if (Transfer.Length > 0 && Name(Transfer) != matrix)
            facts.Add(Name(Transfer));
        if (Primaries.Length > 0 && Name(Primaries) != matrix)
            facts.Add($"primaries {Name(Primaries)}");
        facts.Add(Range == "pc" ? "full range" : $"limited range{(Range.Length > 0 ? "" : " (not stated)")}");
        return string.Join(", ", facts)
            + (
                IsHdr ? "; tone-mapped to BT.709"
                : IsBeyond ? "; brought to BT.709"
                : ""
            );
    }

    /// <summary>Filters before the picture is scaled, "" or with a comma at the end.</summary>
    internal string Before => !IsBeyond && Matrix.Length > 0 ? $"setparams=colorspace={Matrix}," : "";

    /// <summary>What the scaling must add, so that <see cref="After"/> knows the range.</summary>
    internal string Scaled => IsBeyond ? ":out_range=tv" : "";

    /// <summary>Filters after the picture is scaled, "" or with a comma at the end: they work on few pixels.</summary>
    internal string After
    {
        get
        {
            if (!IsBeyond)
                return "";
            var (pixels, range) = Matrix == "gbr" ? ("gbrp12le", "pc") : ("yuv444p12le", "tv");
            var given = $"format={pixels},zscale=tin={Transfer}:min={Matrix}:pin={Primaries}:rin={range}";
            const string made = "m=bt709:r=tv,format=yuv444p,";
            return IsHdr
                ? $"{given}:t=linear:npl={White},format=gbrpf32le,zscale=p=bt709,"
                    + $"tonemap=mobius:param={Linear}:peak={(double)Brightest / White:0.###}:desat=0,"
                    + $"zscale=t=bt709:{made}"
                : $"{given}:t=bt709:p=bt709:{made}";
        }
    }

    /// <summary>Why such pictures cannot be read, or with the ffmpeg that is there cannot, or "".</summary>
    internal string Problem() =>
        Transfer == DolbyVision
            ? "Dolby Vision without a picture that other players can show; give a version of it in HDR10, HLG or SDR"
        : !IsBeyond || (Ffmpeg.Has("zscale") && Ffmpeg.Has("tonemap")) ? ""
        : $"{Describe(0, 0).Split(';')[0]}: to bring that to BT.709 takes an ffmpeg with the filter zscale "
            + "(libzimg), which this one lacks";

    /// <inheritdoc/>
    public override string ToString() => $"{Range}/{Matrix}/{Transfer}/{Primaries}";

    private static string Or(string value, string other) => value.Length > 0 ? value : other;

    private static string Name(string value) =>
        value switch
        {
            "bt709" => "BT.709",
            "smpte170m" or "bt470bg" => "BT.601",
            "bt2020nc" or "bt2020c" or "bt2020" or "bt2020-10" or "bt2020-12" => "BT.2020",
            "smpte2084" => "PQ (HDR)",
            "arib-std-b67" => "HLG (HDR)",
            DolbyVision => "Dolby Vision (HDR)",
            "smpte431" or "smpte432" => "P3",
            "gbr" => "RGB",
            _ => value,
        };
}
