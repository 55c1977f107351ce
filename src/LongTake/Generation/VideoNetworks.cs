using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>
/// The autoencoder and the transformer of a request, loaded once. Of a student only the head that is needed is read;
/// with offloading the transformer's blocks stay in their files between turns.
/// </summary>
internal sealed class VideoNetworks : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly Weights transformer;

    public VideoNetworks(ModelFiles files, ResolvedRequest r, ScalarType dtype, torch.Device device, Offload offload)
    {
        var (c, part, decoder) = (files.Config, r.Weights!, files.Require(PartKind.Vae));
        var streams = Offloading.Streams(offload, part.Count * (r.Int8 ? 1 : Tensor.SizeOf(dtype)), device);
        if (r.Int8 && streams)
            throw new RequestException([new("int8", ": its blocks stay in memory; leave it or offloading out")]);
        if (r.Int8 && device.type != DeviceType.CPU)
            throw new RequestException([
                new("int8", $": works on the CPU only, not on {device}; leave one of them out"),
            ]);
        try
        {
            Vae = c.Model.Autoencoder(Load(decoder, () => Weights.Load(decoder.Source(), dtype, device)), dtype);
            var weights = transformer = Load(part, () => streams
                    ? Weights.Streamed(part.Source(), Blocks.Holds, dtype, device)
                : r.Int8 ? Weights.LoadInt8(part.Source(), Blocks.Holds, dtype)
                : Weights.Load(part.Source(), dtype, device));
            if (part.Kind == PartKind.Student)
            {
                Head? only = r.FmSteps > 0 ? null : r.Head;
                var student = new DecoupledTransformer(weights, c.Model, c.HeadBlocks, dtype, only);
                Velocity = (head, text, image) =>
                    streams
                        ? (x, t) => student.Forward(head, x, Time(t), text, image)
                        : Read(student.Prompt(text, image), (prompt, x, t) =>
                            student.Forward(head, x, t, prompt, image)
                        );
            }
            else if (r.Sampler.LooksBack())
                Causal = new CausalTransformer(weights, c.Model, dtype);
            else
            {
                var wan = new Transformer(weights, c.Model, dtype);
                Velocity = (_, text, image) =>
                    streams
                        ? (x, t) => wan.Forward(x, Time(t), text, image)
                        : Read(wan.Prompt(text, image), (prompt, x, t) => wan.Forward(x, t, prompt, image));
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        // A prompt is read once for all steps, but streamed blocks are not fetched once more for it.
        Sampling.Velocity Read(EncodedPrompt prompt, Func<EncodedPrompt, Tensor, Tensor, Tensor> forward) =>
            (x, t) => forward(prompt, x, Time(t));

        Tensor Time(double t) => torch.full([1], t).to(device);

        Weights Load(ModelPart of, Func<Weights> load)
        {
            var weights = load();
            owned.Add(weights);
            return weights;
        }
    }

    public VideoAutoencoder Vae { get; }

    /// <summary>The velocity by a head, of a text and a picture; null of a model that looks back only.</summary>
    public Func<Head, Tensor, ImageCondition?, Sampling.Velocity>? Velocity { get; }

    /// <summary>The model that looks back only; null of others.</summary>
    public CausalTransformer? Causal { get; }

    /// <summary>Bytes of streamed blocks: there now, and the most that ever were.</summary>
    public (long Now, long Peak) Streamed => transformer.StreamedBytes;

    public void Dispose() => owned.ForEach(o => o.Dispose());
}
