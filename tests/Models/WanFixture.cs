using System.Text.Json;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

/// <summary>
/// A fixture with a Wan transformer: sizes from its JSON, weights and tensors from its safetensors file.
/// </summary>
internal sealed class WanFixture : IDisposable
{
    private readonly SafetensorsSet file;

    public WanFixture(string name)
    {
        Json = Fixtures.Json(name);
        file = SafetensorsSet.Open(Fixtures.File(name + ".safetensors"));
        var c = Json.GetProperty("config");
        int Int(string key) => c.GetProperty(key).GetInt32();
        Config = new WanConfig
        {
            PatchSize = [.. c.GetProperty("patch_size").EnumerateArray().Select(p => p.GetInt32())],
            TextLength = Int("text_len"),
            InChannels = Int("in_dim"),
            OutChannels = Int("out_dim"),
            Dim = Int("dim"),
            FfnDim = Int("ffn_dim"),
            FreqDim = Int("freq_dim"),
            TextDim = Int("text_dim"),
            Heads = Int("num_heads"),
            Layers = Int("num_layers"),
            Eps = c.TryGetProperty("eps", out var eps) ? eps.GetDouble() : 1e-6,
            ClipDim = c.TryGetProperty("clip_dim", out var clip) ? clip.GetInt32() : 0,
        };
        Weights = Weights.Load(file.Source("weights/"));
        var tolerance = Json.GetProperty("tolerance");
        (Atol, Rtol) = (tolerance.GetProperty("atol").GetDouble(), tolerance.GetProperty("rtol").GetDouble());
    }

    public JsonElement Json { get; }
    public WanConfig Config { get; }
    public Weights Weights { get; }
    public double Atol { get; }
    public double Rtol { get; }
    public IReadOnlyList<string> Names => file.Names;

    /// <summary>A tensor, in the current scope.</summary>
    public Tensor this[string name] => file.Tensor(name);

    public bool Has(string name) => file.Contains(name);

    public int Int(string key) => Json.GetProperty("config").GetProperty(key).GetInt32();

    public double[] Numbers(string key) =>
        [.. Json.GetProperty("config").GetProperty(key).EnumerateArray().Select(n => n.GetDouble())];

    /// <summary>A text [L, D] with zeros up to the model's length, as a batch of one.</summary>
    public Tensor PadText(Tensor text) =>
        torch.nn.functional.pad(text, [0, 0, 0, Config.TextLength - text.size(0)]).unsqueeze(0);

    /// <summary>[..., F, C, H, W] as the fixtures have videos, to and from [..., C, F, H, W].</summary>
    public static Tensor Turn(Tensor video) => video.transpose(video.ndim - 4, video.ndim - 3).contiguous();

    public void Dispose()
    {
        Weights.Dispose();
        file.Dispose();
    }
}
