using System.Buffers.Binary;
using System.Diagnostics;
using System.Text.Json;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Worlds;

public class TravellerTests(ITestOutputHelper output)
{
    [SkippableFact]
    public void Frames_equal_the_golden_ones()
    {
        var folder = Fixtures.Require();
        using var world = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "world.json")));
        var tensors = ReadTensors(Path.Combine(folder, "world.safetensors"));
        var (wrong, slipped, all) = (0, 0, 0);
        Span<byte> ours = new byte[Traveller.FrameBytes];
        foreach (
            var entry in (JsonElement[])[world.RootElement.GetProperty("takes"), world.RootElement.GetProperty("clips")]
        )
        foreach (var video in entry.EnumerateObject())
        {
            var take = ReadTake(video.Value.GetProperty("parameters"));
            var (before, golden, i) = (wrong, tensors["outputs/" + video.Name], 0);
            foreach (var frame in video.Value.GetProperty("frame_indices").EnumerateArray())
            {
                Traveller.Render(take, frame.GetInt32(), ours);
                var theirs = golden.AsSpan(i++ * Traveller.FrameBytes, Traveller.FrameBytes);
                for (var p = 0; p < Traveller.FrameBytes; p += 3)
                    if (!ours.Slice(p, 3).SequenceEqual(theirs.Slice(p, 3)))
                        wrong++;
                Traveller.Render(take, frame.GetInt32() + 1, ours);
                if (!ours.SequenceEqual(theirs))
                    slipped++;
                all += Traveller.FrameBytes / 3;
            }
            output.WriteLine($"{video.Name}: {wrong - before} pixels differ");
        }
        Assert.True(all > 500_000, "the fixture has lost its frames");
        Assert.True(slipped * Traveller.FrameBytes / 3 == all, "a slip of one frame would go unseen");
        Assert.True(wrong <= .002 * all, $"{wrong} of {all} pixels differ");
    }

    [Fact]
    public void A_frame_depends_on_nothing_but_take_and_number()
    {
        var take = TravellerTake.Long(new Rng(7), 2, 1);
        var forward = Traveller.Video(take, 0, 200, 4);
        var frame = new byte[Traveller.FrameBytes];
        for (var i = 199; i >= 0; i -= 3)
        {
            Array.Fill(frame, (byte)i);
            Traveller.Render(take with { }, 4 * i, frame);
            Assert.Equal(forward.AsSpan(i * Traveller.FrameBytes, Traveller.FrameBytes).ToArray(), frame);
        }
    }

    [Fact]
    public void A_wrong_buffer_is_refused() =>
        Assert.Throws<ArgumentException>(() => Traveller.Render(TravellerTake.Clip(new Rng(1)), 0, new byte[10]));

    [Fact]
    public void Rendering_is_fast()
    {
        var take = TravellerTake.Long(new Rng(3), 1, 2);
        Traveller.Video(take, 0, 977, 1);
        var best = Enumerable
            .Range(0, 5)
            .Max(_ =>
            {
                var clock = Stopwatch.StartNew();
                Traveller.Video(take, 0, 977, 1);
                return 977 / clock.Elapsed.TotalSeconds;
            });
        output.WriteLine($"{best:F0} frames a second");
        Assert.True(best > 2000, $"only {best:F0} frames a second");
    }

    private static Dictionary<string, byte[]> ReadTensors(string path)
    {
        var file = File.ReadAllBytes(path);
        var header = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        using var names = JsonDocument.Parse(file.AsMemory(8, header));
        return names
            .RootElement.EnumerateObject()
            .Where(t => t.Name != "__metadata__")
            .ToDictionary(
                t => t.Name,
                t =>
                {
                    var offsets = t.Value.GetProperty("data_offsets");
                    return file[(8 + header + offsets[0].GetInt32())..(8 + header + offsets[1].GetInt32())];
                }
            );
    }

    private static TravellerTake ReadTake(JsonElement p)
    {
        double Real(string name) => p.GetProperty(name).GetDouble();
        int Whole(string name) => p.GetProperty(name).GetInt32();
        double[] Reals(string name) => [.. p.GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];
        return new()
        {
            Coat = Whole("coat"),
            Hat = Whole("hat"),
            LighthouseColour = Whole("lm"),
            CoatBrightness = Real("kap"),
            ScarfHue = Real("scarf"),
            FarOffset = Real("offf"),
            MidOffset = Real("offm"),
            GroundOffset = Whole("offg"),
            GaitPhase = Real("phi"),
            SkylineSeed = Real("seed"),
            Dawn = Real("p0"),
            DayRate = Real("rate"),
            Biomes = [.. Reals("biomes").Select(b => (int)b)],
            Boundaries = Reals("bf"),
            Lighthouses = Reals("lmf"),
            Frames = Whole("n"),
        };
    }
}
