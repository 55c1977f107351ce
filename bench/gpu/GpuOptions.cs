using System.Globalization;

namespace LongTake.Bench.Gpu;

/// <summary>
/// The command line of `LongTake.Bench gpu PART OUT.json [--name value] ...`; defaults are Wan 2.1 1.3B at 832x480.
/// </summary>
internal sealed class GpuOptions
{
    /// <summary>How it is called.</summary>
    public const string Usage = """
        usage: LongTake.Bench gpu facts|parity|video|train|wan|mmm OUT.json [--device cuda] [--turns 2]
               [--latents 21] [--layers 30] [--head-blocks 5] [--dim 1536] [--ffn 8960] [--heads 12] [--text 4096]
               [--height 60] [--width 104] [--samples FILE] [--fixtures FOLDER] [--model FOLDER] [--pictures FOLDER]
        """;

    private readonly Dictionary<string, string> given = [];

    /// <summary>Reads what stands after "gpu".</summary>
    public GpuOptions(string[] args)
    {
        if (args.Length < 2 || args.Length % 2 != 0)
            throw new UserException(Usage, usage: true);
        (Part, Out) = (args[0], args[1]);
        for (var i = 2; i < args.Length; i += 2)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal))
                throw new UserException(Usage, usage: true);
            given[args[i][2..]] = args[i + 1];
        }
    }

    public string Part { get; }
    public string Out { get; }
    public string Device => Text("device", "cuda");
    public int Latents => Number("latents", 21);
    public int Turns => Number("turns", 2);
    public int HeadBlocks => Number("head-blocks", 5);
    public string? Samples => given.GetValueOrDefault("samples");
    public string? Pictures => given.GetValueOrDefault("pictures");
    public string Model => Text("model", "models/traveller");
    public string Fixtures => Text("fixtures", "fixtures");

    /// <summary>The transformer's sizes.</summary>
    public Models.Wan.WanConfig Wan =>
        new()
        {
            Layers = Number("layers", 30),
            Dim = Number("dim", 1536),
            FfnDim = Number("ffn", 8960),
            Heads = Number("heads", 12),
            TextDim = Number("text", 4096),
        };

    /// <summary>Shape of latents of a video.</summary>
    public long[] Shape(int latents) => [1, 16, latents, Number("height", 60), Number("width", 104)];

    private string Text(string name, string otherwise) => given.GetValueOrDefault(name) ?? otherwise;

    private int Number(string name, int otherwise) =>
        !given.TryGetValue(name, out var text) ? otherwise
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value
        : throw new UserException($"--{name} {text}: a whole number is wanted", usage: true);
}
