using LongTake.Data;
using LongTake.Evaluation;
using LongTake.Models;
using LongTake.Worlds;

namespace LongTake.Tests.Worlds;

public class WorldTests
{
    private static ModelConfig Model(World world, int latents) =>
        new()
        {
            Fps = 16,
            Width = world.Side,
            Height = world.Side,
            ClipLatents = 21,
            VideoLatents = latents,
        };

    private static readonly World[] worlds = [World.Traveller, World.Journey];

    [Fact]
    public void The_size_of_the_pictures_says_which_world()
    {
        Assert.All(worlds, w => Assert.Same(w, World.Of(w.Side, w.Side)));
        var e = Assert.Throws<UserException>(() => World.Of(832, 480));
        Assert.Contains("832x480", e.Message);
        Assert.Contains("64x64", e.Message);
    }

    [Theory]
    [InlineData(16, 1)]
    [InlineData(8, 2)]
    [InlineData(1, 16)]
    public void A_model_sees_every_frame_or_every_second_one(double fps, int stride) =>
        Assert.Equal(stride, World.Stride(fps));

    [Theory]
    [InlineData(5)]
    [InlineData(24)]
    [InlineData(0)]
    [InlineData(double.NaN)]
    public void A_rate_that_does_not_divide_the_worlds_is_refused(double fps) =>
        Assert.Contains("fps", Assert.Throws<UserException>(() => World.Stride(fps)).Message);

    [Fact]
    public void Training_data_is_what_it_is_called_and_draws_the_same_each_time()
    {
        foreach (var world in worlds)
        {
            var config = new WorldDataConfig
            {
                Clips = 3,
                Takes = 2,
                HeldOutClips = 1,
                HeldOutTakes = 1,
            };
            var items = WorldData.Items(Model(world, 245), config).ToList();
            Assert.Equal(["take", "take", "take", "clip", "clip", "clip", "clip"], items.Select(i => i.Item.Role));
            Assert.Equal([2, 6], items.Index().Where(i => i.Item.Item.HeldOut).Select(i => i.Index));
            Assert.All(items, i => Assert.Contains(i.Item.Caption, world.Captions));
            Assert.Equal(81 * world.FrameBytes, items[^1].Frames().Length);
            Assert.Equal(items[4].Frames(), WorldData.Items(Model(world, 245), config).ElementAt(4).Frames());
        }
    }

    [Fact]
    public void The_gap_is_of_takes_alone()
    {
        byte[][] Frames(double gap, string role) =>
            [
                .. WorldData
                    .Items(
                        Model(World.Journey, 2) with
                        {
                            ClipLatents = 2,
                        },
                        new()
                        {
                            Clips = 2,
                            Takes = 2,
                            Gap = gap,
                        }
                    )
                    .Where(i => i.Item.Role == role)
                    .Take(2)
                    .Select(i => i.Frames()),
            ];
        Assert.Equal(Frames(0, "clip"), Frames(1, "clip"));
        Assert.NotEqual(Frames(0, "take"), Frames(1, "take"));
        var e = Assert.Throws<UserException>(() => World.Traveller.Take(new Rng(1), 0, gap: .7));
        Assert.Contains("gap", e.Message);
        Assert.NotEmpty(new WorldDataConfig { Gap = 1.5 }.Problems());
    }

    [Fact]
    public void The_sets_of_an_evaluation_ask_for_all_coats_and_hats_and_never_for_the_same()
    {
        foreach (var world in worlds)
        {
            string[] Captions(bool final) =>
                [.. Enumerable.Range(0, 48).Select(n => world.Wanted(new Rng(n, final ? 1 : 2), final, n).Caption)];
            var (tune, final) = (Captions(false), Captions(true));
            Assert.Equal(24, tune.Select(c => c.Split(" walks")[0]).Distinct().Count());
            Assert.DoesNotContain(true, tune.Zip(final, (a, b) => a == b));
        }
    }

    [Fact]
    public void A_real_take_is_like_the_prompt()
    {
        const string asked = "someone in a teal jacket and a cap, through desert, city, meadow and forest, and back";
        var take = World.Journey.Like(new Rng(3), asked);
        Assert.Equal(
            "a traveller in a teal coat and a cap walks through desert, city, meadow and forest, and back",
            take.Caption
        );
        Assert.Contains("teal", World.Traveller.Like(new Rng(3), "a teal coat").Caption);
    }

    [Fact]
    public void Videos_of_either_world_have_the_metrics_of_it()
    {
        var take = World.Journey.Wanted(new Rng(1), final: false, 1);
        var journey = VideoMeasure.Of(take.Frames(0, 97, 1), World.Journey, 1, take.Caption);
        Assert.Contains("return", Metric.All.Select(m => m.Name));
        Assert.Contains("skyline", Metric.All.Select(m => m.Name));
        Assert.DoesNotContain("story", journey.Values.Keys);
        Assert.Contains("gait", journey.Values.Keys);
        Assert.Equal(6, journey.Curves["gait"].Length);
        Assert.Equal(Metric.All.Count, Metric.All.Select(m => m.Name).Distinct().Count());
        var e = Assert.Throws<UserException>(() =>
            VideoMeasure.Of(take.Frames(0, 97, 2), World.Journey, 2, take.Caption)
        );
        Assert.Contains("8 frames a second", e.Message);
    }
}
