using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Tests.Models;

/// <summary>
/// Elementary operations on inputs that expose eps, precision and ordering mistakes (rotary and sinusoid: RotaryTests).
/// </summary>
public class WanUnitsTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [SkippableFact]
    public void EqualTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var f = Fixtures.Read("wan_units");
        var json = Fixtures.Json("wan_units");
        var (c, tolerance) = (json.GetProperty("config"), json.GetProperty("tolerance"));
        var (dim, eps, t5Eps) = (
            c.GetProperty("dim").GetInt32(),
            c.GetProperty("wan_norm_eps").GetDouble(),
            c.GetProperty("t5_norm_eps").GetDouble()
        );
        var (atol, rtol) = (tolerance.GetProperty("atol").GetDouble(), tolerance.GetProperty("rtol").GetDouble());
        var small = tolerance.GetProperty("norms_of_small_inputs").GetProperty("atol").GetDouble();
        using var error = new Deviation(output, "wan_units");
        using var weights = Weights.Load(name =>
            f.GetValueOrDefault("weights/" + name.Replace("units.", "").Replace('.', '/'))
            ?? f.GetValueOrDefault("weights/mlp_proj/" + name.Replace("mlp.", ""))
        );
        void Hold(string name, Tensor ours, double? allowed = null) =>
            error.Hold(f["outputs/" + name], ours, allowed ?? atol, rtol);

        var (x, zero, a) = (f["inputs/small_x"], f["inputs/x_with_zero_row"], f["inputs/activation_x"]);
        Hold("wan_rms_norm/small", new RmsNorm(weights / "units" / "wan_rms_norm", dim, eps).Forward(x), small);
        Hold("wan_rms_norm/zero_row", new RmsNorm(weights / "units" / "wan_rms_norm", dim, eps).Forward(zero), small);
        Hold("t5_layer_norm/small", new RmsNorm(weights / "units" / "t5_layer_norm", dim, t5Eps).Forward(x), small);
        Hold(
            "t5_layer_norm/zero_row",
            new RmsNorm(weights / "units" / "t5_layer_norm", dim, t5Eps).Forward(zero),
            small
        );
        Hold("wan_layer_norm/small", torch.nn.functional.layer_norm(x, [dim], null, null, eps), small);
        Hold("wan_layer_norm/zero_row", torch.nn.functional.layer_norm(zero, [dim], null, null, eps), small);
        Hold(
            "wan_layer_norm_affine/small",
            new AffineLayerNorm(weights / "units" / "wan_layer_norm_affine", dim, eps).Forward(x, ScalarType.Float32),
            small
        );
        var wide = new WanConfig { ClipDim = dim, Dim = (int)f["outputs/mlp_proj/small"].size(-1) };
        Hold("mlp_proj/small", new WanImageEmbedding(weights / "mlp", wide).Forward(x), small);
        Hold("gelu_tanh", Elementwise.Gelu(a, tanh: true));
        Hold("t5_gelu", Elementwise.Gelu(a, tanh: true));
        Hold("gelu_erf", Elementwise.Gelu(a, tanh: false));
        Hold("silu", a.silu());

        var expected = f["outputs/unpatchify"]; // [C, T, H, W]
        var patches = f["inputs/unpatchify_x"]; // [1, N, patch * C]
        var shape = expected.shape;
        var config = new WanConfig { OutChannels = (int)shape[0], PatchSize = [1, 2, 2] };
        var v = WanHead.Pictures(patches.reshape(1, shape[1], -1, patches.size(2)), torch.zeros([1, .. shape]), config);
        Hold("unpatchify", v.squeeze(0));
    }
}
