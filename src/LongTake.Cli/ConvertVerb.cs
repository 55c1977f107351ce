using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Tensors;

namespace LongTake.Cli;

/// <summary>Layouts that can be written.</summary>
internal enum Target
{
    Wan,
    Diffusers,
    Comfy,
    LongTake,
}

/// <summary>Element types weights are written in; Keep leaves each tensor its own.</summary>
internal enum WeightType
{
    Keep,
    Bf16,
    Fp16,
    Fp32,
}

/// <summary>longtake convert PATH --to LAYOUT -o OUT</summary>
internal static class ConvertVerb
{
    public static Command Verb()
    {
        Argument<string> path = new("path") { Description = "weights in any layout: a folder or a file" };
        var to = Choices.Option<Target>("--to", "the layout to write");
        to.Required = true;
        Option<string> output = new("--output", "-o")
        {
            Description = "folder to make, or with comfy a .safetensors file",
            Required = true,
        };
        var type = Choices.Option<WeightType>("--dtype", "element type of floating-point weights");
        type.DefaultValueFactory = _ => WeightType.Keep;
        Option<string?> part = new("--part")
        {
            Description =
                "which transformer, where there are several: generator, generator_ema, critic, teacher, "
                + "dm_head, ... (--to longtake: the head the student keeps)",
        };
        Option<string[]> loras = new("--lora")
        {
            Description = "FILE or FILE=STRENGTH, added to the transformer; may be repeated",
        };
        var json = Options.Json();
        return Options.Verb(
            "convert",
            "Write weights in another layout, bit for bit unless another element type is asked for.",
            [path, to, output, type, part, loras, json],
            p =>
                Run(
                    p.GetValue(path)!,
                    p.GetValue(to),
                    p.GetValue(output)!,
                    p.GetValue(type),
                    p.GetValue(part),
                    p.GetValue(loras) ?? [],
                    p.GetValue(json)
                )
        );
    }

    private static int Run(
        string path,
        Target to,
        string output,
        WeightType type,
        string? part,
        string[] loras,
        bool json
    )
    {
        var cancel = Cli.Run.OnCtrlC();
        using var from = ModelFiles.Open(Shipped.Located(path));
        var notes = Conversion.Run(
            from,
            new()
            {
                To = Enum.Parse<Layout>($"{to}"),
                Output = output,
                Part = part,
                Loras = [.. loras.Select(Lora.Choice)],
                Dtype = Type(type),
            },
            name =>
            {
                cancel.ThrowIfCancellationRequested();
                if (!json)
                    Console.Error.WriteLine($"writing {name}");
            }
        );
        Cli.Run.Print(
            json,
            new JsonObject
            {
                ["from"] = path,
                ["layout"] = $"{from.Layout}",
                ["to"] = $"{to}",
                ["output"] = output,
                ["notes"] = new JsonArray([.. notes.Select(n => JsonValue.Create(n))]),
            },
            [.. notes.Select(n => $"note: {n}"), $"Written: {output}. Look at it: longtake inspect {output}"]
        );
        return Cli.Run.Done;
    }

    /// <summary>The element type of an option; null for Keep.</summary>
    public static ScalarType? Type(WeightType type) =>
        type switch
        {
            WeightType.Bf16 => ScalarType.BFloat16,
            WeightType.Fp16 => ScalarType.Float16,
            WeightType.Fp32 => ScalarType.Float32,
            _ => null,
        };
}
