namespace LongTake.Tensors;

/// <summary>
/// Weights larger than the device: places of a network take turns there. While one is computed with, a thread of its
/// own brings the next (it reads, converts and copies; on CUDA beside the computation, on a stream of its own); after
/// its turn a place is let go. Two are there at most.
/// </summary>
public static class WeightStream
{
    /// <summary>
    /// The index of each place, when its weights are there; those of places that are not streamed always are. An
    /// enumeration that ends early, or by an error, also lets all of them go.
    /// </summary>
    public static IEnumerable<int> InTurn(IReadOnlyList<Weights> places)
    {
        if (places.Count == 0 || !places[0].Streams)
        {
            for (var i = 0; i < places.Count; i++)
                yield return i;
            yield break;
        }
        Task? next = null;
        try
        {
            next = Bring(0);
            for (var i = 0; i < places.Count; i++)
            {
                next!.GetAwaiter().GetResult();
                next = i + 1 < places.Count ? Bring(i + 1) : null;
                yield return i;
                // What was asked of a GPU may still be under way; its memory must not be given to others before.
                Libtorch.Synchronize(places[i].Device);
                places[i].LetGo();
            }
        }
        finally
        {
            try
            {
                next?.Wait();
            }
            catch (AggregateException) { } // thrown already, or the caller has left
            foreach (var place in places)
                place.LetGo();
        }

        Task Bring(int i) =>
            Task.Factory.StartNew(places[i].Bring, default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }
}
