using System.Text.Json;
using LongTake.Video;

namespace LongTake.Tests.Video;

/// <summary>
/// The lists that PySceneDetect's documentation and tests give, as the truth of the shared videos quotes them.
/// </summary>
public class PublishedDetectorsTests
{
    [SkippableFact]
    public void ContentTimes()
    {
        var truth = Expected("goldeneye_vfr_drop3.mp4", "ContentDetector, times");
        var found = Detect("goldeneye_vfr_drop3.mp4", ShotMethod.Content);
        Assert.Equal(
            truth.EnumerateArray().Select(pair => pair[1].GetString()),
            found.Select(t =>
                $"{TimeSpan.FromSeconds(Math.Round(t.Start, 3, MidpointRounding.AwayFromZero)):hh\\:mm\\:ss\\.fff}"
            )
        );
    }

    [SkippableTheory]
    [InlineData("psd_testvideo.mp4", "ThresholdDetector default, frames 0-500, scene starts", 12, false, false)]
    [InlineData("psd_fades.mp4", "ThresholdDetector default", 12, false, false)]
    [InlineData("psd_fades.mp4", "floor, threshold 11, add_final_scene", 11, false, true)]
    [InlineData("psd_fades.mp4", "ceiling, threshold 243, add_final_scene", 243, true, true)]
    public void ThresholdFrames(string video, string name, double threshold, bool ceiling, bool final)
    {
        var found = Detect(
            video,
            ShotMethod.Threshold,
            new()
            {
                Threshold = threshold,
                Ceiling = ceiling,
                AddFinal = final,
            }
        );
        Assert.Equal(
            Expected(video, name).EnumerateArray().Select(f => f.GetInt32()),
            found.Select(t => t.Frame).Where(f => f <= 500).Prepend(0)
        );
    }

    [SkippableFact]
    public void AdaptiveFindsTheCutsOfAFastVideo() =>
        Assert.Equal([30, 76, 137, 187, 242], Detect("bikes.mp4", ShotMethod.Adaptive).Select(t => t.Frame));

    static IReadOnlyList<Transition> Detect(string video, ShotMethod method, PublishedSettings? settings = null) =>
        PublishedDetectors.Detect(Probe.Read(SharedMedia.Get("multishot/" + video)), method, settings).Transitions;

    static JsonElement Expected(string video, string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(SharedMedia.Get("multishot/truth.json")));
        return document
            .RootElement.GetProperty("clips")
            .GetProperty(video)
            .GetProperty("pyscenedetect_expected")
            .GetProperty(name)
            .Clone();
    }
}
