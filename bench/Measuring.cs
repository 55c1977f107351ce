using LongTake.Checkpoints;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Worlds;

namespace LongTake.Bench;

/// <summary>
/// Everything that 'longtake reproduce' measures on a minute of video, beside making that minute in four steps.
/// </summary>
internal static class Measuring
{
    public static IEnumerable<Row> Rows()
    {
        using var files = ModelFiles.Open(Video.Traveller);
        using var scope = torch.NewDisposeScope();
        var request = Video.Request(files.Config, files.Config.VideoLatents);
        using var model = new VideoGenerator(files, request);
        using var teacher = new TeacherFeatures(ModelFolder.Open(Video.Traveller));
        var take = TravellerTake.Long(new Rng(1), 0, 0);
        var rgb = Traveller.Video(take, 0, TravellerTake.LongFrames, 1);
        var s = Turns.Run(
            5,
            Turns.Of(() => VideoMeasure.Of(rgb, Worlds.World.Traveller, 1, Captions.Describe(take), teacher)),
            Turns.Of(() => model.Sample(request))
        );
        yield return Row.Seconds("measure.video", s[0], s[1], "sampling it in 4 steps") with
        {
            Least = .5,
            Note =
                $"{TravellerTake.LongFrames} frames: world, curves, both feature spaces; 48 videos: "
                + $"{48 * Turns.Median(s[0]):0} s",
        };
    }
}
