using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace LongTake.Generation;

/// <summary>Which network of a model a generator loads, and where it computes.</summary>
public sealed class GeneratorOptions
{
    /// <summary>The model in any layout, a folder or a file; of <see cref="LongTakeServices.AddLongTake"/>.</summary>
    public string Model { get; set; } = "";

    /// <summary>Null: the network that was trained last.</summary>
    public Network? Network { get; set; }

    /// <summary>Which transformer, where a checkpoint holds several (generator_ema).</summary>
    public string? Part { get; set; }

    /// <summary>The sampler, where it decides how weights are loaded: those that look back only.</summary>
    public Sampler? Sampler { get; set; }
    public bool Int8 { get; set; }

    /// <summary>LoRAs added to the transformer, each FILE or FILE=STRENGTH.</summary>
    public IReadOnlyList<string> Loras { get; set; } = [];
    public ScalarType Dtype { get; set; } = ScalarType.BFloat16;

    /// <summary>auto, cpu, cuda, cuda:1 or mps.</summary>
    public string Device { get; set; } = "auto";
    public Offload Offload { get; set; }
}

/// <summary>LongTake in a container of services.</summary>
public static class LongTakeServices
{
    /// <summary>
    /// Adds one <see cref="VideoGenerator"/> for all: its model is opened at the first use and closed with the
    /// container.
    /// </summary>
    public static IServiceCollection AddLongTake(this IServiceCollection services, Action<GeneratorOptions> configure)
    {
        var options = new GeneratorOptions();
        configure(options);
        return services.AddSingleton(p =>
            VideoGenerator.Open(options.Model, options, p.GetService<ILogger<VideoGenerator>>())
        );
    }
}
