using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models;

/// <summary>Which rotary time a cached frame gets.</summary>
public enum CachePositions
{
    /// <summary>Its place in the video, for good: keys are cached rotated (CausVid, Self-Forcing, LongLive).</summary>
    Video,

    /// <summary>Its place in the cache, at every use anew: keys are cached unrotated (LongLive, endless).</summary>
    Window,

    /// <summary>
    /// As <see cref="Window"/>, but queries stand at their place in the video until that is beyond the window
    /// (Infinity-RoPE).
    /// </summary>
    Pinned,
}

/// <summary>
/// Keys and values of the latent frames a causal transformer has seen, for all its blocks. A buffer of <c>capacity</c>
/// frames: when it is full and rolling, the oldest frames after the first <c>sink</c> ones make room. A pass over
/// frames that are already the last ones replaces them, which is how a block's denoising steps write the same place.
/// Reference: Self-Forcing, LongLive and Infinity-RoPE, wan/modules/causal_model*.py.
/// </summary>
public sealed class KvCache(
    int capacity,
    int sink = 0,
    CachePositions positions = CachePositions.Video,
    bool rolling = true
) : IDisposable
{
    /// <summary>Rotary time of the first frame after a scene cut.</summary>
    public const int CutTime = 45;

    private readonly TensorStore stored = new(),
        tables = new(),
        graphs = new();
    private readonly Dictionary<(int, char), List<long>> graphsAt = [];
    private readonly Dictionary<string, string> tableOf = [];
    private bool firstIsBare; // the key in the first place is never rotated

    /// <summary>Frames of the video passed so far, evicted ones included.</summary>
    public int End { get; private set; }

    /// <summary>Frames in the cache.</summary>
    public int Held { get; private set; }

    /// <summary>
    /// While true (with <see cref="CachePositions.Pinned"/>), the block at hand is a new scene: far from all before it
    /// in rotary time.
    /// </summary>
    public bool Cut { get; set; }

    /// <summary>
    /// While true, a pass keeps its keys and values with their graph, and gradients of later such passes go there,
    /// though the values they read are those written last. So does Self-Forcing's training: the clean pass over a block
    /// overwrites the numbers in place and leaves the graph of the exit step. While false, no gradient crosses from
    /// block to block.
    /// </summary>
    public bool Connected { get; set; }

    /// <summary>Bytes of the buffers.</summary>
    public long Bytes => stored.Bytes;

    /// <summary>
    /// The buffers of a block, each [B, capacity * tokens of a frame, heads, d]; null before its first pass.
    /// </summary>
    public (Tensor? K, Tensor? V) Buffers(int block) => (stored[(block, 'k')], stored[(block, 'v')]);

    /// <summary>
    /// A new prompt without a new video (Infinity-RoPE's KV flush): the first frame stays, the last two of the buffer
    /// follow it, empty ones too if it was not full; all others go.
    /// </summary>
    public void Flush()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        if (capacity < 3)
            throw new UserException($"a cache of {capacity} frames cannot be flushed: three stay", usage: true);
        for (var block = 0; stored[(block, 'k')] is { } k; block++)
            foreach (var buffer in (Tensor[])[k, stored[(block, 'v')]!])
            {
                var tokens = buffer.size(1) / capacity;
                buffer
                    .narrow(1, tokens, 2 * tokens)
                    .copy_(buffer.narrow(1, (capacity - 2) * tokens, 2 * tokens).clone());
            }
        Held = Math.Min(3, capacity);
    }

    /// <summary>
    /// Opens a pass over <paramref name="frames"/> frames of [height, width] tokens from frame <paramref name="start"/>
    /// of the video.
    /// </summary>
    internal Pass Begin(
        int start,
        int frames,
        int height,
        int width,
        AttentionPattern pattern,
        torch.Device? device = null
    )
    {
        var end = start + frames;
        if (start > End)
            throw new UserException(
                $"frames from {start} on cannot follow {End} cached ones: none may be left out",
                usage: true
            );
        var evicted = 0;
        if (end > End && Held + frames > capacity)
        {
            evicted = Held + frames - capacity;
            if (Connected)
                throw new UserException(
                    $"{Held + frames} latent frames do not fit a cache of {capacity} whose gradients are "
                        + $"kept; roll out fewer",
                    usage: true
                );
            if (!rolling)
                throw new UserException(
                    $"{Held + frames} latent frames do not fit a cache of {capacity} without a window; make "
                        + $"fewer, or give a window",
                    usage: true
                );
            if (Held - evicted < sink)
                throw new UserException(
                    $"a window of {capacity} latent frames cannot hold a sink of {sink} and a block of {frames}",
                    usage: true
                );
        }
        var to = Held + end - End - evicted;
        if (to < frames)
            throw new UserException(
                $"{frames} frames up to {end} cannot be replaced: the cache holds {Held}",
                usage: true
            );
        var from = to - frames;

        int[] Times(int at, int count) => [.. Enumerable.Range(at, count)];
        var (query, keys) = positions switch
        {
            CachePositions.Video => (Times(start, frames), null),
            CachePositions.Window => (Times(from, frames), Times(0, to)),
            _ when Cut => (
                Times(CutTime, frames),
                (int[])[.. Enumerable.Range(0, to).Select(i => i == 0 || i < from ? i : CutTime + i - from)]
            ),
            _ => (Times(Math.Min(start, capacity - frames), frames), Times(0, to)),
        };
        // Infinity-RoPE rotates a video's first frame when it is written, and never again what lies in its place. With
        // a sink that is this frame, always at time 0; without one it is another frame, which stays unrotated.
        var bare = positions == CachePositions.Pinned && (evicted > 0 ? sink == 0 : from > 0 && firstIsBare);
        return new Pass(
            this,
            pattern,
            evicted,
            from,
            to,
            end,
            bare,
            Table("query", query, bare: false),
            keys is null ? null : Table("keys", keys, bare)
        );

        // All steps of a block, and in a full endless cache all blocks, ask for the same tables.
        (Tensor, Tensor) Table(string role, int[] times, bool bare)
        {
            var wanted = $"{string.Join(' ', times)}, {height} x {width}, {device}, {bare}";
            if (tableOf.GetValueOrDefault(role) != wanted)
            {
                using var scope = torch.NewDisposeScope();
                var (cos, sin) = pattern.Table(times, height, width, device ?? torch.CPU);
                if (bare)
                {
                    cos.narrow(1, 0, height * width).fill_(1);
                    sin.narrow(1, 0, height * width).fill_(0);
                }
                tables[(role, "cos")] = cos;
                tables[(role, "sin")] = sin;
                tableOf[role] = wanted;
            }
            return (tables[(role, "cos")]!, tables[(role, "sin")]!);
        }
    }

    /// <summary>Frees the buffers.</summary>
    public void Dispose()
    {
        stored.Dispose();
        tables.Dispose();
        graphs.Dispose();
        graphsAt.Clear();
        tableOf.Clear();
    }

    /// <summary>One forward over some frames: reads and writes every block's buffers once.</summary>
    internal sealed class Pass(
        KvCache cache,
        AttentionPattern pattern,
        int evicted,
        int from,
        int to,
        int end,
        bool bare,
        (Tensor Cos, Tensor Sin) query,
        (Tensor Cos, Tensor Sin)? keys
    )
    {
        /// <summary>
        /// The frames' self-attention in a block: q, k (both unrotated) and v [B, N, heads, d] -> [B, N, heads, d].
        /// </summary>
        public Tensor Attend(int block, Tensor q, Tensor k, Tensor v)
        {
            var tokens = k.size(1) / (to - from);
            static Tensor Rotated(Tensor x, (Tensor Cos, Tensor Sin) table) => Rotary.Apply(x, table.Cos, table.Sin);

            var allKeys = Join((block, 'k'), keys is null ? Rotated(k, query) : k, tokens);
            var allValues = Join((block, 'v'), v, tokens);
            if (keys is { } table)
                allKeys = Rotated(allKeys, table);
            return pattern.AttendCached(Rotated(q, query), allKeys, allValues, to - from, to);
        }

        /// <summary>
        /// Makes room, joins what stays with what is new, stores the new. The join is a copy, so gradients reach the
        /// new part.
        /// </summary>
        private Tensor Join((int, char) name, Tensor made, long tokens)
        {
            var buffer = cache.stored[name];
            if (buffer is null)
            {
                long[] shape = [.. made.shape];
                shape[1] = cache.Capacity * tokens;
                cache.stored[name] = buffer = torch.zeros(shape, made.dtype).to(made.device);
            }
            if (evicted > 0)
                using (torch.no_grad())
                    buffer
                        .narrow(1, cache.Sink * tokens, (from - cache.Sink) * tokens)
                        .copy_(buffer.narrow(1, (cache.Sink + evicted) * tokens, (from - cache.Sink) * tokens).clone());
            var past = cache.Connected ? cache.Past(name, buffer, from * tokens) : buffer.narrow(1, 0, from * tokens);
            var all = torch.cat([past, made], 1);
            if (cache.Connected)
                cache.Remember(name, from * tokens, made);
            using (torch.no_grad())
                buffer.narrow(1, from * tokens, (to - from) * tokens).copy_(made);
            return all;
        }

        /// <summary>Ends the pass: its frames count as seen.</summary>
        public void Commit() => (cache.End, cache.Held, cache.firstIsBare) = (Math.Max(cache.End, end), to, bare);
    }

    private void Remember((int, char) name, long at, Tensor made)
    {
        if (!graphsAt.TryGetValue(name, out var places))
            graphsAt[name] = places = [];
        if (!places.Contains(at))
            places.Add(at);
        graphs[(name, at)] = made.narrow(1, 0, made.size(1));
    }

    /// <summary>
    /// The first tokens of a buffer: its numbers, and the gradient paths of what was written there with a graph.
    /// </summary>
    private Tensor Past((int, char) name, Tensor buffer, long count)
    {
        var (parts, end) = (new List<Tensor>(), 0L);
        foreach (var at in graphsAt.GetValueOrDefault(name, []).Where(at => at < count).Order())
        {
            var made = graphs[(name, at)]!;
            if (at > end)
                parts.Add(buffer.narrow(1, end, at - end));
            end = at + made.size(1);
            parts.Add(buffer.narrow(1, at, made.size(1)).detach() + (made - made.detach()));
        }
        if (end < count)
            parts.Add(buffer.narrow(1, end, count - end));
        return parts.Count == 0 ? buffer.narrow(1, 0, count) : torch.cat([.. parts], 1);
    }

    private int Capacity => capacity;
    private int Sink => sink;
}
