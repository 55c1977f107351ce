using System.Security.Cryptography;
using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Tests.Worlds.Journey;

public class SceneTests
{
    private static JourneyTake Take(int i) =>
        JourneyTake.Long(new Rng(41, i), i % 6, i % 4, 0) with
        {
            HourRate = 0,
            Company = 0,
        };

    private static Pixel[] Frame(JourneyTake take, int frame)
    {
        var rgb = new byte[Scene.FrameBytes];
        Scene.Render(take, frame, rgb);
        return [.. rgb.Chunk(3).Select(p => new Pixel(p[0], p[1], p[2]))];
    }

    private static bool Hidden(int i) => i % 64 is >= 20 and < 44 && i / 64 is >= 24 and < 59;

    [Fact]
    public void The_way_back_shows_what_the_way_there_showed()
    {
        for (var n = 0; n < 6; n++)
        {
            var (take, turn) = (Take(n), Take(n).Turn!.Value);
            for (var ago = 1; ago < Math.Min(turn, take.Frames - turn); ago += 23)
            {
                var (there, back) = (Frame(take, turn - ago), Frame(take, turn + ago));
                Assert.All(there.Index().Where(p => !Hidden(p.Index)), p => Assert.Equal(p.Item, back[p.Index]));
            }
        }
    }

    [Fact]
    public void Another_seed_is_another_land()
    {
        var there = Frame(Take(1), 200);
        Assert.InRange(Frame(Take(1) with { Seed = 5 }, 200).Zip(there).Count(p => p.First != p.Second), 300, 4000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Layers_move_at_their_speeds(int speed)
    {
        var take = Take(2);
        Pixel[] Layer(int position)
        {
            var canvas = new Pixel[64 * 64];
            if (speed == 1)
                Ground.Paint(canvas, new(.5), take, position);
            else if (speed == 2)
                Hills.Paint(canvas, new(.5), take, position);
            else
                Skyline.Paint(canvas, new(.5), take, position);
            return canvas;
        }
        for (var position = -40; position < 520; position += 8)
        {
            var (now, next) = (Layer(position), Layer(position + speed));
            for (var i = 0; i < now.Length; i++)
                if (i % 64 < 63)
                    Assert.Equal(now[i + 1], next[i]);
            Assert.Equal(now, Layer(position + speed - 1));
        }
    }

    [Fact]
    public void A_frame_depends_on_nothing_but_take_and_number()
    {
        var take = JourneyTake.Long(new Rng(7), 2, 1);
        var forward = Scene.Video(take, 400, 100);
        var frame = new byte[Scene.FrameBytes];
        for (var i = 99; i >= 0; i -= 3)
        {
            Array.Fill(frame, (byte)i);
            Scene.Render(take with { }, 400 + i, frame);
            Assert.Equal(forward.AsSpan(i * Scene.FrameBytes, Scene.FrameBytes).ToArray(), frame);
        }
    }

    [Fact]
    public void A_wrong_buffer_is_refused() =>
        Assert.Throws<ArgumentException>(() => Scene.Render(JourneyTake.Clip(new Rng(1)), 0, new byte[10]));

    [Fact]
    public void Any_clip_can_be_drawn()
    {
        for (var i = 0; i < 300; i++)
            Scene.Video(JourneyTake.Clip(new Rng(8, i)), i % 80, 1);
    }

    [Fact]
    public void The_larger_the_gap_the_softer_and_paler()
    {
        double[] gaps = [0, .35, .7, 1];
        var (edges, range) = (new List<double>(), new List<int>());
        foreach (var gap in gaps)
        {
            var frame = Frame(Take(3) with { Gap = gap, Hour = .5 }, 120).Where((_, i) => i / 64 > 20).ToArray();
            edges.Add(frame.Zip(frame.Skip(1)).Average(p => Math.Pow(((Rgb)p.First - p.Second).Luma, 2)));
            range.Add(frame.Max(p => p.G) - frame.Min(p => p.G));
        }
        for (var i = 1; i < gaps.Length; i++)
        {
            Assert.True(edges[i] < .85 * edges[i - 1], string.Join(" ", edges));
            Assert.True(range[i] < range[i - 1], string.Join(" ", range));
        }
    }

    [Fact]
    public void Footage_with_a_gap_shakes_and_bears_a_mark()
    {
        var take = Take(3) with { Gap = 1 };
        // Nothing but the hand moves where nobody stands.
        var still = Enumerable.Range(0, 16).Select(f => Frame(take with { Start = 60, Direction = 0 }, f)).ToArray();
        int[] shifts = [.. still.Select(frame => Enumerable.Range(-3, 7).MinBy(by => Off(still[0], frame, by)))];
        Assert.InRange(shifts.Max() - shifts.Min(), 1, 2);
        var (clean, marked) = (Frame(Take(3), 0), Frame(take, 0));
        Assert.True(Luma(marked, 52, 3) - Luma(marked, 45, 3) > 25 + Luma(clean, 52, 3) - Luma(clean, 45, 3));

        static double Off(Pixel[] a, Pixel[] b, int by) =>
            Enumerable
                .Range(30, 28)
                .Sum(y => Enumerable.Range(0, 16).Sum(x => Math.Pow(Luma(a, x, y) - Luma(b, x, y + by), 2)));
        static double Luma(Pixel[] frame, int x, int y) => ((Rgb)frame[y * 64 + x]).Luma;
    }

    [Fact]
    public void Frames_are_the_frozen_ones()
    {
        var lines =
            from i in Enumerable.Range(0, 8)
            let take = JourneyTake.Long(new Rng(51, i), i % 6, i % 4, i < 6 ? 0 : .7)
            let frame = 60 + 110 * i
            select $"take {i}, frame {frame}: {Convert.ToHexStringLower(SHA256.HashData(Scene.Video(take, frame, 1)))}\n";
        Expectation.Same("worlds/journey.txt", string.Concat(lines));
    }
}
