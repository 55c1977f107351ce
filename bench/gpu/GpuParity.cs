using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Bench.Gpu;

/// <summary>
/// Numbers of the reference implementations, on the device and in float32, within the tolerance that holds on a CPU.
/// </summary>
internal static class GpuParity
{
    /// <summary>The largest std over its tolerance, of each fixture; at most 1 is right.</summary>
    public static JsonObject Run(GpuOptions o)
    {
        var worst = new JsonObject();
        foreach (
            var (name, check) in (ReadOnlySpan<(string, Action<Fixture, string>)>)
                [("wan_dit", Transformer), ("wan_vae", Autoencoder), ("umt5_encoder", Text)]
        )
        {
            using var scope = torch.NewDisposeScope();
            using var off = torch.no_grad();
            using var fixture = new Fixture(o.Fixtures, name, o.Device);
            check(fixture, o.Device);
            worst[name] = fixture.Worst;
        }
        return new()
        {
            ["deviationOverTolerance"] = worst,
            ["right"] = worst.All(w => w.Value!.GetValue<double>() <= 1),
        };
    }

    private static void Transformer(Fixture f, string device)
    {
        var c = new WanConfig
        {
            TextLength = 16,
            Dim = 96,
            FfnDim = 256,
            FreqDim = 64,
            TextDim = 48,
            Heads = 3,
            Layers = 2,
        };
        using var weights = Weights.Load(f.Source, device: device);
        var wan = new WanTransformer(weights, c, ScalarType.Float32);
        Tensor Padded(int i)
        {
            var text = f[$"inputs/case0/context_{i}"];
            return torch
                .cat([
                    text,
                    torch.zeros(new long[] { c.TextLength - text.shape[0], c.TextDim }, device: torch.device(device)),
                ])
                .unsqueeze(0);
        }
        f.Hold(
            "outputs/case0/velocity",
            wan.Forward(f["inputs/case0/x"], f["inputs/case0/t"], torch.cat([Padded(0), Padded(1)]))
        );
    }

    private static void Autoencoder(Fixture f, string device)
    {
        using var weights = Weights.Load(f.Source, device: device);
        var vae = new WanVae(weights, new WanVaeConfig { Dim = 6 });
        f.Hold("outputs/encode/video_latents", vae.Encode(f["inputs/video"].unsqueeze(0)).squeeze(0));
        f.Hold("outputs/decode/video", vae.Decode(f["inputs/latents"].unsqueeze(0)).squeeze(0));
    }

    private static void Text(Fixture f, string device)
    {
        using var weights = Weights.Load(f.Source, device: device);
        var encoder = new UmT5Encoder(weights, new UmT5Config(300, 64, 64, 160, 4, 2));
        f.Hold("outputs/context", encoder.Forward(f["inputs/ids"], f["inputs/mask"]));
        f.Hold("outputs/context_long", encoder.Forward(f["inputs/ids_long"], f["inputs/mask_long"]));
    }

    // Tensors of a fixture's file on a device, and its tolerance.
    private sealed class Fixture : IDisposable
    {
        private readonly SafetensorsSet file;
        private readonly string device;
        private readonly double atol,
            rtol;

        public Fixture(string folder, string name, string device)
        {
            this.device = device;
            using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name + ".json")));
            var tolerance = json.RootElement.GetProperty("tolerance");
            (atol, rtol) = (tolerance.GetProperty("atol").GetDouble(), tolerance.GetProperty("rtol").GetDouble());
            file = SafetensorsSet.Open(Path.Combine(folder, name + ".safetensors"));
        }

        public double Worst { get; private set; }

        public Func<string, Tensor?> Source => file.Source("weights/");

        public Tensor this[string name] => file.Tensor(name).to(torch.device(device));

        public void Hold(string expected, Tensor found)
        {
            var e = this[expected];
            if (!e.shape.SequenceEqual(found.shape))
                throw new UserException(
                    $"{expected}: [{string.Join(", ", found.shape)}], but the reference has "
                        + $"[{string.Join(", ", e.shape)}]"
                );
            Worst = Math.Max(
                Worst,
                ((found.to(ScalarType.Float32) - e).abs() / (e.abs() * rtol + atol)).max().item<float>()
            );
        }

        public void Dispose() => file.Dispose();
    }
}
