using System.Security.Cryptography;
using System.Text;
using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Methods;

/// <summary>
/// The teacher's trajectories on disk, some to a file: states at the few-step levels and at the end, [levels + 1, C, T,
/// h, w] in bfloat16. A file is whole or not there, so a run that was stopped goes on with the next.
/// </summary>
internal sealed class OdePairs : IDisposable
{
    private const long Seed = 1; // of captions and noise
    private readonly List<SafetensorsSet> files = [];
    private readonly string[] captions;
    private readonly int together;

    private OdePairs(string[] captions, int together) => (this.captions, this.together) = (captions, together);

    /// <summary>A trajectory and its caption; the held-out ones follow those to learn from.</summary>
    public (Tensor States, string Caption) this[int n] =>
        (files[n / together].Tensor($"{n}").to(ScalarType.Float32), captions[n]);

    /// <summary>Opens the trajectories, computing those that are missing.</summary>
    public static OdePairs Make(Stage stage, OdeInitConfig c, TextEncoder text)
    {
        var (model, count) = (stage.Config, c.Pairs + c.HeldOut);
        var data = stage.Latents.Clips.Count > 0 ? stage.Latents.Clips : stage.Latents.Takes;
        if (data.Count == 0)
            throw new UserException($"{stage.Latents.Folder}: no clips and no takes whose captions could be shown");
        string Caption(int n)
        {
            var random = new Rng(Seed, 11, n);
            var item = data[random.Int(data.Count)];
            return FlowMatching.Caption(item, random.Uniform() < c.LocalCaptions ? model.ClipLatents / 2.0 : null);
        }
        var pairs = new OdePairs([.. Enumerable.Range(0, count).Select(Caption)], c.Together);
        // Whatever the numbers depend on is in the name.
        var identity = string.Join(
            ' ',
            stage.Model.Hash(ModelFolder.Teacher),
            stage.Model.Hash(ModelFolder.Text),
            c.StepsBetween,
            c.Guidance,
            Seed,
            c.Together,
            string.Join(',', model.FewSteps),
            Hash(string.Join('\n', pairs.captions))
        );
        var folder = Path.Combine(stage.Run, "ode-" + Hash(identity)[..16]);
        Directory.CreateDirectory(folder);
        (Transformer, Weights)? teacher = null;
        try
        {
            for (var first = 0; first < count; first += c.Together)
            {
                var path = Path.Combine(folder, $"{first:D6}.safetensors");
                if (!File.Exists(path))
                {
                    stage.Cancel.ThrowIfCancellationRequested();
                    teacher ??= stage.Model.LoadTransformer(ModelFolder.Teacher, ScalarType.BFloat16, stage.Device);
                    int[] numbers = [.. Enumerable.Range(first, Math.Min(c.Together, count - first))];
                    using var scope = torch.NewDisposeScope();
                    var states = Trajectories(
                        teacher.Value.Item1.Forward,
                        model,
                        c,
                        text,
                        [.. numbers.Select(n => pairs.captions[n])],
                        new Rng(Seed, 12, first).Seed()
                    );
                    SealedTensors.Write(
                        path,
                        [.. numbers.Select((n, b) => KeyValuePair.Create($"{n}", states[b]))],
                        ScalarType.BFloat16
                    );
                    var done = Math.Min(count, first + c.Together);
                    stage.Progress?.Report(new ProgressReport(done, count, "trajectories", "the teacher's ODE"));
                }
                pairs.files.Add(SealedTensors.Open(path));
            }
            return pairs;
        }
        catch
        {
            pairs.Dispose();
            throw;
        }
        finally
        {
            teacher?.Item2.Dispose();
        }
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>
    /// Euler from noise to data with <see cref="OdeInitConfig.StepsBetween"/> steps from each few-step level to the
    /// next, evenly spaced in noise level; the states at those levels and at the end, [levels + 1, C, T, h, w] of each
    /// caption.
    /// </summary>
    internal static Tensor[] Trajectories(
        FlowMatching.Velocity teacher,
        ModelConfig model,
        OdeInitConfig c,
        TextEncoder text,
        string[] captions,
        long seed
    )
    {
        using var off = torch.no_grad();
        using var outer = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)seed);
        var (with, without) = (text.Encode(captions), text.Encode([.. captions.Select(_ => model.NegativePrompt)]));
        long[] shape = model.LatentShape(model.ClipLatents);
        shape[0] = captions.Length;
        double[] levels = [.. model.FewSteps.Select(t => t / 1000), 0];
        var x = torch.randn(shape, generator: g).to(with.device);
        Tensor Time(double t) => torch.full([captions.Length], t, device: with.device);
        var states = new List<Tensor> { x };
        for (var i = 0; i + 1 < levels.Length; i++)
        {
            double[] sigmas =
            [
                .. Enumerable
                    .Range(0, c.StepsBetween + 1)
                    .Select(k => levels[i] + (levels[i + 1] - levels[i]) * k / c.StepsBetween),
            ];
            var velocity = Sampling.Guided(
                (y, t) => teacher(y, Time(t), with),
                (y, t) => teacher(y, Time(t), without),
                c.Guidance
            );
            x = Sampling.Euler(velocity, x, sigmas);
            states.Add(x);
        }
        return
        [
            .. Enumerable
                .Range(0, captions.Length)
                .Select(b => torch.stack([.. states.Select(s => s.select(0, b))]).MoveToOuterDisposeScope()),
        ];
    }

    public void Dispose() => files.ForEach(f => f.Dispose());
}
