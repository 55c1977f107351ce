namespace LongTake.Methods;

/// <summary>The methods there are.</summary>
public static class Presets
{
    /// <summary>Every method that a stage of a recipe can name; one line makes another known.</summary>
    public static IReadOnlyList<MethodEntry> Methods { get; } =
    [
        Autoencoder.Entry,
        Teacher.Entry,
        LongSft.Entry,
        MixSft.Entry,
        OdeInit.Entry,
        CausVid.Entry,
        SelfForcing.Entry,
        Mmm.Entry,
    ];
}
