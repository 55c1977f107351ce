using System.Text.Json;
using LongTake.Data;
using LongTake.Tests.Video;
using LongTake.Video;

namespace LongTake.Tests.Cli;

public sealed class InspectTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    private JsonElement Look(string path)
    {
        var ran = program.Run("inspect", path, "--json");
        Assert.True(ran.Code is 0 or 1 && ran.Error.Length == 0, ran.Error);
        return JsonDocument.Parse(ran.Out).RootElement;
    }

    [SkippableFact]
    public void ARunOnADataSet()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using (var writer = new VideoWriter(program["noise.mp4"], 32, 32, 8))
        {
            for (var t = 0; t < 41; t++)
                writer.Write(Frames.Drifting(t, 32, 32));
            writer.Complete();
        }
        VideoSet.Write(
            program["set"],
            new(
                8,
                [],
                [new("v", program["noise.mp4"], "", 0, null, 8, 41, 32, 32, null)],
                [new(new("take-0000", "take", 11, "noise"), "v", 0, 41)]
            )
        );
        program.Put(
            "recipe.json",
            """
            { "out": "run", "data": "set", "threads": 1,
              "model": { "vae": { "dim": 4, "zDim": 16, "dimMult": [1, 1, 1], "resBlocks": 1, "temporalDownsample": [true, true], "mean": [], "std": [] } },
              "stages": [{ "method": "Autoencoder", "loop": { "steps": 2, "logEvery": 1 }, "autoencoder": { "batch": 1, "frames": 5 } }, { "method": "Teacher" }] }
            """
        );
        Assert.Equal(
            0,
            program
                .Run(
                    "train",
                    "recipe.json",
                    "--set",
                    """stages=[{"method":"Autoencoder","loop":{"steps":2},"autoencoder":{"batch":1,"frames":5}}]"""
                )
                .Code
        );
        var facts = Look("run").GetProperty("facts");
        Assert.Equal(
            ("done", "2 of 2"),
            (
                facts.GetProperty("autoencoder").GetProperty("state").GetString(),
                facts.GetProperty("autoencoder").GetProperty("steps").GetString()
            )
        );
        Assert.True(
            facts.GetProperty("autoencoder").GetProperty("last figures").GetProperty("vae loss").GetDouble() > 0
        );
        Assert.Equal("run (one stage)", Look("run/autoencoder").GetProperty("kind").GetString());
        var model = Look("run/autoencoder/model");
        Assert.Equal(
            "Wan causal autoencoder",
            model.GetProperty("facts").GetProperty("parts").GetProperty("vae").GetProperty("family").GetString()
        );
        Assert.Contains("nothing here can make a video", model.GetProperty("problems").ToString());
        Assert.Equal(
            1,
            Look("set").GetProperty("facts").GetProperty("roles").GetProperty("take").GetProperty("items").GetInt32()
        );
        Assert.Equal("recipe", Look("recipe.json").GetProperty("kind").GetString());

        var checkpoint = Directory.GetDirectories(program["run/autoencoder/checkpoints"]).Single();
        File.Delete(Path.Combine(checkpoint, "counters.txt"));
        Assert.Contains("counters.txt is missing", Look("run").GetProperty("problems").ToString());
    }

    [Fact]
    public void ShardsAndStrangeNames()
    {
        (string, string, long[], Action<Stream>) Tensor(string name) =>
            (name, "F32", [2, 2], s => s.Write(new byte[16]));
        SafetensorsWriter.WriteSharded(
            program["w.safetensors"],
            [Tensor("blocks.0.lora_A"), Tensor("blocks.0.lora_B\u001b[31m")],
            16
        );
        var facts = Look("w.safetensors.index.json").GetProperty("facts");
        Assert.Equal(
            ("LoRA", 2, 8),
            (
                facts.GetProperty("family").GetString(),
                facts.GetProperty("shards").GetInt32(),
                facts.GetProperty("parameters").GetInt32()
            )
        );
        Assert.DoesNotContain("\u001b", program.Run("inspect", "w.safetensors.index.json").Out);
    }

    [SkippableFact]
    public void AVideoSaysWhatItWasMadeOf()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        var options = new WriteOptions
        {
            Metadata = new Dictionary<string, string>
            {
                ["prompt"] = "a fox = a fox",
                ["seed"] = "7",
                ["model"] = "0123",
            },
        };
        using (var writer = new VideoWriter(program["a.mp4"], 32, 32, 8, options))
        {
            for (var t = 0; t < 16; t++)
                writer.Write(Frames.Drifting(t, 32, 32));
            writer.Complete();
        }
        var facts = Look("a.mp4").GetProperty("facts");
        Assert.Equal(16, facts.GetProperty("frames").GetInt32());
        Assert.Equal("a fox = a fox", facts.GetProperty("says of itself").GetProperty("prompt").GetString());
        Assert.Equal("7", facts.GetProperty("says of itself").GetProperty("seed").GetString());
    }
}
