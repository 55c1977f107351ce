using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

/// <summary>
/// The causal transformer as its references describe it: a list of places for frames, keys turned one complex number at
/// a time, attention as a softmax over a product. Texts are read anew in every call.
/// </summary>
internal sealed class SlowCausalWan(Weights w, WanConfig c, int capacity, int sink, CachePositions positions)
    : IDisposable
{
    private readonly List<Tensor> kept = [];
    private readonly WanModel model = new(c);
    private readonly Dictionary<int, (Tensor?[] K, Tensor?[] V)> places = [];
    private int end,
        held;

    public bool Cut { get; set; }

    public Tensor Forward(Tensor x, Tensor t, Tensor text, int start)
    {
        var frames = (int)x.size(2);
        var texts = text.expand(x.size(0), text.size(1), text.size(2)).contiguous();
        var evicted = start + frames > end ? Math.Max(0, held + frames - capacity) : 0;
        var to = start < end ? held : held + frames - evicted;
        var state = model.Embedding(w, ScalarType.Float32).Forward(x, t, texts);
        for (var i = 0; i < c.Layers; i++)
        {
            var layer = i;
            state = model
                .Block(w / "blocks" / i)
                .Forward(state, (q, k, v) => Attend(layer, q, k, v, start, frames, evicted, to, x));
        }
        (end, held) = (Math.Max(end, start + frames), to);
        return model.Output(w / "head").Forward(state, x, t);
    }

    public void Flush()
    {
        foreach (var (k, v) in places.Values)
        foreach (var one in (Tensor?[][])[k, v])
            (one[1], one[2]) = (one[capacity - 2], one[capacity - 1]);
        held = 3;
    }

    private Tensor Attend(int layer, Tensor q, Tensor k, Tensor v, int start, int frames, int evicted, int to, Tensor x)
    {
        var (height, width) = ((int)x.size(3) / c.PatchSize[1], (int)x.size(4) / c.PatchSize[2]);
        var tokens = height * width;
        if (!places.TryGetValue(layer, out var memory))
            places[layer] = memory = (new Tensor?[capacity], new Tensor?[capacity]);
        var from = to - frames;
        if (evicted > 0)
            foreach (var one in (Tensor?[][])[memory.K, memory.V])
                for (var i = sink; i < from; i++)
                    one[i] = one[i + evicted];
        for (var i = 0; i < frames; i++)
        {
            var key = k.narrow(1, i * tokens, tokens).clone();
            memory.K[from + i] = Keep(positions == CachePositions.Video ? Turned(key, start + i, height, width) : key);
            memory.V[from + i] = Keep(v.narrow(1, i * tokens, tokens).clone());
        }
        var (keys, values, queries) = (new List<Tensor>(), new List<Tensor>(), new List<Tensor>());
        int Time(int place) => Cut && place >= from ? KvCache.CutTime + place - from : place;
        for (var i = 0; i < to; i++)
        {
            var key = memory.K[i] ?? torch.zeros_like(k.narrow(1, 0, tokens));
            if (positions == CachePositions.Window)
                key = Turned(key, i, height, width);
            else if (positions == CachePositions.Pinned && i > 0)
                key = Turned(key, Time(i), height, width);
            else if (positions == CachePositions.Pinned && evicted == 0 && from == 0)
                // Infinity-RoPE turns the key in the first place when it is written, and never where it is used.
                key = memory.K[0] = Keep(Turned(key, 0, height, width));
            keys.Add(key);
            values.Add(memory.V[i] ?? torch.zeros_like(key));
        }
        for (var i = 0; i < frames; i++)
            queries.Add(
                Turned(
                    q.narrow(1, i * tokens, tokens),
                    positions switch
                    {
                        CachePositions.Video => start + i,
                        CachePositions.Window => from + i,
                        _ when Cut => KvCache.CutTime + i,
                        _ => Math.Min(start, capacity - frames) + i,
                    },
                    height,
                    width
                )
            );
        Tensor Heads(List<Tensor> list) => torch.cat([.. list], 1).transpose(1, 2); // [B, heads, N, d]
        var scores = Heads(queries).matmul(Heads(keys).transpose(2, 3)) / Math.Sqrt(c.HeadDim);
        return scores.softmax(-1).matmul(Heads(values)).transpose(1, 2).contiguous();
    }

    private Tensor Keep(Tensor x)
    {
        kept.Add(x.DetachFromDisposeScope());
        return x;
    }

    public void Dispose() => kept.ForEach(x => x.Dispose());

    private Tensor Turned(Tensor x, int time, int height, int width)
    {
        var (half, d) = (c.HeadDim / 2, c.HeadDim);
        var space = half / 3;
        var numbers = x.contiguous().ToArray<float>();
        var rows = numbers.Length / d;
        for (var row = 0; row < rows; row++)
        {
            var token = row / c.Heads % (height * width);
            for (var i = 0; i < half; i++)
            {
                var (place, index, count) =
                    i < half - 2 * space ? (time, i, half - 2 * space)
                    : i < half - space ? (token / width, i - (half - 2 * space), space)
                    : (token % width, i - (half - space), space);
                var angle = place * Math.Pow(10000, -(double)index / count);
                var (a, b) = (numbers[row * d + 2 * i], numbers[row * d + 2 * i + 1]);
                numbers[row * d + 2 * i] = (float)(a * Math.Cos(angle) - b * Math.Sin(angle));
                numbers[row * d + 2 * i + 1] = (float)(a * Math.Sin(angle) + b * Math.Cos(angle));
            }
        }
        return Tensor.From<float>(numbers, x.shape);
    }
}
