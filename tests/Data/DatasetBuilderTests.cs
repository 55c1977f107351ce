using System.Text.Json;
using LongTake.Data;
using LongTake.Models.Text;
using LongTake.Tests.Cli;
using LongTake.Tests.Video;

namespace LongTake.Tests.Data;

/// <summary>The whole way from a folder of videos to a set, at the command line.</summary>
public sealed class DatasetBuilderTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    private JsonElement Ingest(params string[] more)
    {
        var ran = program.Run([
            "data",
            "ingest",
            "videos",
            "-o",
            "set",
            "--model",
            "model",
            "--jobs",
            "1",
            "--json",
            .. more,
        ]);
        Assert.True(ran.Code == 0, ran.Error);
        return JsonDocument.Parse(ran.Out).RootElement;
    }

    private List<string> Rows() =>
        [
            .. JsonDocument
                .Parse(File.ReadAllText(program["set/report.json"]))
                .RootElement.GetProperty("rows")
                .EnumerateArray()
                .Select(r =>
                    $"{r.GetProperty("name").GetString()} {r.GetProperty("role").GetString()} "
                    + $"{r.GetProperty("rule").GetString()}"
                ),
        ];

    [SkippableFact]
    public void VideosBecomeASetWithLatentsAndAReport()
    {
        Videos.Folder(program, takes: 3);
        var model = Videos.Model(program["model"]);
        var json = Ingest();
        Assert.Equal((2, 1), (json.GetProperty("takes").GetInt32(), json.GetProperty("heldOutTakes").GetInt32()));
        Assert.Equal(
            [
                "brief.mp4 clip kept",
                "still.mp4  moving",
                "take0.mp4 take kept",
                "take1.mp4 take kept",
                "take2.mp4 take kept",
            ],
            Rows()
        );

        var set = VideoSet.Read(program["set"]);
        Assert.Contains(set.Items, i => i.Item is { Role: "take", Caption: "a lone walker" });
        using (var latents = VideoSet.Latents(program["set"], model, program["cache"], null, default))
        {
            Assert.Equal(json.GetProperty("latents").GetString(), Path.GetRelativePath(program.Folder, latents.Folder));
            Assert.Equal(2, latents.Takes.Count);
            Assert.All(latents.Clips, c => Assert.Equal(5, c.Latents));
            using var scope = torch.NewDisposeScope();
            Assert.Equal([1, 4, 24, 8, 8], latents.Latents(latents.Takes[0]).shape); // 12 s: 93 frames
            // What is held out is so as a whole and in pieces.
            var held = latents.Info.Items.Single(i => i.HeldOut && i.Role == "take");
            Assert.All(latents.Info.Items.Where(i => i.Name.StartsWith(held.Name, StringComparison.Ordinal)), i =>
                Assert.True(i.HeldOut)
            );
            Assert.All(latents.Clips, c => Assert.DoesNotContain(held.Name, c.Name, StringComparison.Ordinal));
            // The plain way: all frames at once, one pass without a cache.
            var (vae, weights) = model.LoadVae();
            using var owned = weights;
            using var off = torch.no_grad();
            var video = set.Videos.Single(v =>
                v.Id == set.Items.Single(i => i.Item.Name == latents.Takes[0].Name).Video
            );
            using var reader = VideoSet.Open(video, video.Frames, default);
            var all = reader.Frames().SelectMany(f => f).ToArray();
            Near.Equal(
                vae.Encode(Pixels.ToTensor(all, 32, 32), chunk: 0),
                latents.Latents(latents.Takes[0]),
                2e-2,
                2e-2
            );
        }
        Assert.False(Directory.Exists(program["cache"]));
        var (kept, read) = (
            VideoSet.Stretches(program["set"], model.Config),
            VideoSet.Stretches(program["set"], model.Config, new DecodedVideos(room: 0))
        );
        for (var n = 0; n < 4; n++)
        {
            Assert.Equal(17 * 32 * 32 * 3, kept(new Rng(n), 17).Length);
            Assert.Equal(read(new Rng(n), 17), kept(new Rng(n), 17));
        }
        Assert.Throws<UserException>(() =>
            VideoSet.Require(program["set"], model.Config with { Fps = 16 }, takes: true)
        );
        VideoSet.Require(program["set"], model.Config, takes: true);
        Assert.Contains("take held out: items 1", program.Run("inspect", "set").Out);
        var page = File.ReadAllText(program["set/report.html"]);
        Assert.Contains("data:image/jpeg;base64,", page);
        Assert.DoesNotContain("src=", page, StringComparison.Ordinal); // it asks nobody for anything

        // Again: the same set, and nothing is looked at or encoded twice.
        var before = Directory
            .EnumerateFiles(program["set"], "*", SearchOption.AllDirectories)
            .Where(f => f.Contains("/looked/") || f.EndsWith(".safetensors", StringComparison.Ordinal))
            .ToDictionary(f => f, File.GetLastWriteTimeUtc);
        Assert.Equal(5 + 5 + 4, before.Count);
        Assert.Equal(json.GetProperty("hash").GetString(), Ingest().GetProperty("hash").GetString());
        Assert.All(before, f => Assert.Equal(f.Value, File.GetLastWriteTimeUtc(f.Key)));

        // Somebody is at work by the recipe as it is: another one is refused, and the set stays.
        using (
            new RecipeHold(
                program["set"],
                Recipe.Read(DatasetBuilder.RecipeFile(program["set"]), [], DataRecipeJson.Default.DataRecipe)
            )
        )
        {
            var other = program.Run("data", "filter", "set", "--set", "filter.clipSeconds=0");
            Assert.Equal(2, other.Code);
            Assert.Contains("by another recipe (filter.clipSeconds 5 there, 0 here)", other.Error);
        }
        Assert.Contains("brief.mp4 clip kept", Rows());

        // Other rules, the same looks; verify finds what was changed and makes it anew.
        Assert.Equal(0, program.Run("data", "filter", "set", "--set", "filter.clipSeconds=0").Code);
        Assert.Contains("brief.mp4  length", Rows());
        Assert.Equal(0, program.Run("data", "filter", "set", "--set", "filter.clipSeconds=5").Code);
        Assert.Contains("; 0 shards were broken", Encode());
        var shard = before.Keys.First(f => f.EndsWith(".safetensors", StringComparison.Ordinal));
        var whole = File.ReadAllBytes(shard);
        File.WriteAllBytes(shard, [.. whole[..^9], (byte)(whole[^9] ^ 4), .. whole[^8..]]);
        Assert.Contains("1 shards were broken and are made anew", Encode());
        Assert.Equal(whole, File.ReadAllBytes(shard));
    }

    private string Encode()
    {
        var ran = program.Run("data", "encode", "set", "--verify");
        Assert.True(ran.Code == 0, ran.Error);
        return ran.Out;
    }

    [SkippableFact]
    public void LongTakesAreThinnedOrCutAndTheOnlyTakeIsShared()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Directory.CreateDirectory(program["videos"]);
        Videos.Write(program["videos/long.mp4"], 24, t => t);
        Videos.Model(program["model"]);
        Assert.Equal(
            0,
            program
                .Run(
                    "data",
                    "ingest",
                    "videos",
                    "-o",
                    "set",
                    "--model",
                    "model",
                    "--set",
                    "geometry.maxSeconds=12",
                    "--jobs",
                    "1"
                )
                .Code
        );
        var thinned = VideoSet.Read(program["set"]);
        Assert.Equal((4, 93), (thinned.Videos.Single().Fps, thinned.Videos.Single().Frames));
        Assert.Equal(
            [("", 61, false), ("-end", 29, true)],
            thinned.Items.Where(i => i.Item.Role == "take").Select(i => (i.Item.Name[17..], i.Frames, i.Item.HeldOut))
        );
        Assert.All(thinned.Items, i => Assert.Equal(1, i.Frames % 4));
        var judged = program.Run("data", "filter", "set", "--set", "geometry.longTakes=Cut");
        Assert.Equal(0, judged.Code);
        Assert.Contains("Latents of 2 stretches are missing and are made by", judged.Out);
        var cut = VideoSet.Read(program["set"]);
        Assert.Equal([8.0, 8.0], cut.Videos.Select(v => v.Fps));
        // The second part begins where the first ends, on the very frame.
        using var whole = VideoSet.Open(cut.Videos[0], 0, default);
        using var second = VideoSet.Open(cut.Videos[1], 1, default);
        var first = second.Frames().Single();
        Assert.Equal(96, whole.Frames().ToList().FindIndex(f => f.SequenceEqual(first)));
    }

    [SkippableFact]
    public void NothingKeptIsAnErrorThatNamesTheRule()
    {
        Videos.Folder(program, takes: 0);
        File.Delete(program["videos/brief.mp4"]);
        var absent = program.Run("data", "ingest", "videos", "gone.mp4", "-o", "set");
        Assert.Equal(2, absent.Code);
        Assert.Contains("gone.mp4: no such file or folder", absent.Error);
        Assert.False(Directory.Exists(program["set"]));
        var ran = program.Run("data", "ingest", "videos", "-o", "set");
        Assert.Equal(1, ran.Code);
        Assert.Matches("none of [12] stretches of video could be kept; the rule that took most is", ran.Error);
        Assert.False(VideoSet.Exists(program["set"]));
        Assert.True(File.Exists(program["set/report.html"]));
        Assert.Equal(2, program.Run("data", "ingest", "videos", "-o", "videos/set").Code);
    }
}
