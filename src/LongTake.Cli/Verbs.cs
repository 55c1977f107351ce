using LongTake.Generation;
using LongTake.Tensors;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace LongTake.Cli;

/// <summary>The verbs and their options; what they do is one static method each.</summary>
internal static class Verbs
{
    private static Option<bool> Json() => new("--json") { Description = "print one JSON object instead of text" };

    /// <summary>The program; a plain command, because a root command is called after its file.</summary>
    public static Command Root()
    {
        var root = new Command("longtake", "LongTake trains, runs and judges generators of minute-long video.")
        {
            new HelpOption(),
            new VersionOption(),
        };
        foreach (var verb in All())
            root.Subcommands.Add(verb);
        return root;
    }

    public static IEnumerable<Command> All()
    {
        yield return Demo();
        yield return Generate();
        yield return Train();
        yield return PlanPath();
        yield return Eval();
        yield return Reproduce();
        yield return DoctorVerb();
        yield return Data();
        yield return InspectPath();
        yield return Convert();
    }

    private static Command Train()
    {
        var recipe = new Argument<string>("recipe")
        {
            Description = "a recipe, for example recipes/mini/mmm-smoke.json",
        };
        var sets = new Option<string[]>("--set")
        {
            Description = "change a member: --set out=runs/a --set world.clips=500",
            AllowMultipleArgumentsPerToken = false,
        };
        var dry = new Option<bool>("--dry-run") { Description = "print the resolved recipe and stop" };
        var device = DeviceOver("recipe");
        var json = Json();
        var verb = new Command("train", "Train the stages of a recipe; the same command goes on where it stopped.")
        {
            recipe,
            sets,
            device,
            dry,
            json,
        };
        verb.SetAction(p =>
            TrainVerb.Run(
                p.GetValue(recipe)!,
                p.GetValue(sets) ?? [],
                p.GetValue(device),
                p.GetValue(dry),
                p.GetValue(json)
            )
        );
        return verb;
    }

    private static Command PlanPath()
    {
        var path = new Argument<string>("path")
        {
            Description = "a recipe to train or to generate, a model folder, or a model's config.json",
        };
        var sets = new Option<string[]>("--set")
        {
            Description = "change a member: --set model.videoLatents=61 --set video.frames=81",
            AllowMultipleArgumentsPerToken = false,
        };
        var rate = new Option<double?>("--rate")
        {
            Description = "TFLOP/s the work will run at, for the time it takes",
        };
        var measure = new Option<bool>("--measure") { Description = "measure that rate here, by matrix products" };
        var memory = new Option<double?>("--device-memory")
        {
            Description = "GiB there are; what does not fit is said, and what would",
        };
        var type = new Option<WeightType>("--dtype")
        {
            Description = "element type videos are computed in",
            DefaultValueFactory = _ => WeightType.Bf16,
            HelpName = "bf16|fp32",
        };
        type.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "bf16", "fp32");
        var trial = new Option<bool>("--measure-peak")
        {
            Description = "run it with random weights (small models) and compare the memory with the plan",
        };
        var only = new Option<int?>("--trial") { Hidden = true };
        var json = Json();
        var verb = new Command(
            "plan",
            "Say what a video or a training will take: parameters, operations, memory, time, disk."
        )
        {
            path,
            sets,
            rate,
            measure,
            memory,
            type,
            trial,
            only,
            json,
        };
        verb.SetAction(p =>
            PlanVerb.Run(
                p.GetValue(path)!,
                p.GetValue(sets) ?? [],
                p.GetValue(rate),
                p.GetValue(measure),
                p.GetValue(memory),
                ConvertVerb.Type(p.GetValue(type)) ?? ScalarType.BFloat16,
                p.GetValue(trial),
                p.GetValue(only),
                p.GetValue(json)
            )
        );
        return verb;
    }

    private static Option<string> Device() =>
        new("--device")
        {
            Description = "where to compute; auto: on a GPU where there is one",
            DefaultValueFactory = _ => "auto",
            HelpName = ComputeDevice.Names,
        };

    private static Option<string?> DeviceOver(string file) =>
        new("--device")
        {
            Description = $"where to compute; the {file}'s own when not given",
            HelpName = ComputeDevice.Names,
        };

    private static Command DoctorVerb()
    {
        var json = Json();
        var verb = new Command("doctor", "Say what this machine has and which libraries are used.") { json };
        verb.SetAction(p => Doctor.Run(p.GetValue(json)));
        return verb;
    }

    private static Command Demo()
    {
        var model = new Option<string>("--model")
        {
            Description = "model folder",
            DefaultValueFactory = _ => Shipped.Model,
        };
        var prompt = new Option<string>("--prompt")
        {
            Description = "what the video shows",
            DefaultValueFactory = _ => DemoVerb.Prompt,
        };
        var seed = new Option<long>("--seed") { Description = "seed of the noise", DefaultValueFactory = _ => 2 };
        var output = new Option<string>("--output", "-o")
        {
            Description = "folder for video.mp4, sheet.png, report.html",
            DefaultValueFactory = _ => Path.Combine("out", "demo"),
        };
        var device = Device();
        var json = Json();
        var verb = new Command("demo", "Make a minute of video from the bundled model and show its exact scores.")
        {
            model,
            prompt,
            seed,
            device,
            output,
            json,
        };
        verb.SetAction(p =>
            DemoVerb.Run(
                p.GetValue(model)!,
                p.GetValue(prompt)!,
                p.GetValue(seed),
                ComputeDevice.Choose(p.GetValue(device)!),
                p.GetValue(output)!,
                p.GetValue(json)
            )
        );
        return verb;
    }

    private static Command Generate()
    {
        var model = new Option<string>("--model", "--model-path")
        {
            Description = "weights of a whole model in any layout: Wan's folder, diffusers, ComfyUI, LongTake's",
            DefaultValueFactory = _ => Shipped.Model,
        };
        var prompt = new Option<string>("--prompt", "-p")
        {
            Description =
                "what the video shows; for causal models also scenes, 'a man walks[5s] | he sits[10s#]', # for a cut",
        };
        var recipe = new Option<string?>("--recipe")
        {
            Description = "a video as a file, for example recipes/wan-1.3b/generate.json; options go over it",
        };
        var negative = new Option<string?>("--negative-prompt", "-n")
        {
            Description = "what it must not show (with guidance); the model's own when not given",
        };
        var seed = new Option<long>("--seed") { Description = "seed of the noise; the same seed gives the same video" };
        var seconds = new Option<double?>("--seconds")
        {
            Description = "length of the video; the model's own when not given",
        };
        var frames = new Option<int?>("--num-frames") { Description = "the same in frames: 81 or another 4k+1" };
        var size = new Option<string?>("--size")
        {
            Description = "WIDTHxHEIGHT in pixels; the model's own when not given",
        };
        var width = new Option<int?>("--width") { Description = "width alone" };
        var height = new Option<int?>("--height") { Description = "height alone" };
        var fps = new Option<double?>("--fps") { Description = "frames a second; the model's own when not given" };
        var steps = new Option<int>("--steps", "--num-inference-steps")
        {
            Description = "sampling steps; 0 takes the model's list, or 50",
        };
        var guidance = new Option<double?>("--guidance", "--guidance-scale")
        {
            Description = "guidance, standard convention; 1 is none; the model's own when not given",
        };
        var shift = new Option<double?>("--flow-shift", "--shift")
        {
            Description = "shift of the noise levels; when not given the model's own, 5 for larger pictures",
        };
        var sampler = new Option<Sampler?>("--sampler")
        {
            Description =
                "unipc, dpm++, euler, few-step; of generators causal (Self-Forcing), segments (CausVid), infinity-rope",
            CustomParser = SamplerOf,
            HelpName = "sampler",
        };
        var network = new Option<Network?>("--network")
        {
            Description = "which network makes the video; the last trained when not given",
        };
        var part = new Option<string?>("--part")
        {
            Description = "which transformer, where a checkpoint holds several: generator_ema, ...",
        };
        var image = new Option<string?>("--image")
        {
            Description =
                "picture the video starts from, for image-to-video models; without --size the video takes its shape",
        };
        var tile = new Option<int?>("--tile")
        {
            Description =
                "side in pixels of the tiles the autoencoder works in, 0 for whole pictures; when not given, "
                + "256 for pictures larger than 832x480",
        };
        var fm = new Option<int>("--fm-steps")
        {
            Description = "first steps made by the flow-matching head (hybrid sampling)",
        };
        var beyond = new Option<bool>("--beyond")
        {
            Description = "allow videos up to four times as long as the model was trained for",
        };
        var type = new Option<WeightType>("--dtype")
        {
            Description = "element type to compute in",
            DefaultValueFactory = _ => WeightType.Bf16,
            HelpName = "bf16|fp32",
        };
        type.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, "bf16", "fp32");
        var int8 = new Option<bool>("--int8")
        {
            Description =
                "keep the matrices of the transformer's blocks as int8 and widen each for its product: a "
                + "quarter of the memory, with a loss",
        };
        var device = Device();
        var offload = new Option<Offload>("--offload")
        {
            Description =
                "keep the transformer's blocks in their files and bring each to the device for its turn; "
                + "auto: when they take more than 60 % of its memory",
            DefaultValueFactory = _ => Offload.Auto,
            HelpName = "auto|on|off",
        };
        var upscale = new Option<int?>("--upscale")
        {
            Description = "whole factor, nearest neighbour; when not given, small pictures come to about 384 pixels",
        };
        var output = new Option<string>("--output", "-o")
        {
            Description = "the video",
            DefaultValueFactory = _ => "video.mp4",
        };
        var json = Json();
        var verb = new Command("generate", "Make a video from a prompt.")
        {
            recipe,
            model,
            prompt,
            negative,
            seed,
            seconds,
            frames,
            size,
            width,
            height,
            fps,
            steps,
            guidance,
            shift,
            sampler,
            network,
            part,
            image,
            tile,
            fm,
            beyond,
            type,
            int8,
            device,
            offload,
            upscale,
            output,
            json,
        };
        verb.Validators.Add(r =>
        {
            if (r.GetResult(prompt) is null && r.GetResult(recipe) is null)
                r.AddError("Option '--prompt' is required.");
        });
        verb.SetAction(p =>
        {
            var (w, h) = GenerateVerb.Size(p.GetValue(size), p.GetValue(width), p.GetValue(height));
            var video = p.GetValue(recipe) is { } file ? Recipe.Read(file, [], VideoJson.Default.VideoRecipe) : null;
            var from =
                video is not null && p.GetResult(model) is null or { Implicit: true } ? video.From : p.GetValue(model)!;
            return GenerateVerb.Run(
                Shipped.Located(from),
                GenerateVerb.Over(
                    video?.Video,
                    new VideoRequest
                    {
                        Prompt = p.GetValue(prompt) ?? "",
                        NegativePrompt = p.GetValue(negative),
                        Seed = p.GetValue(seed),
                        Seconds = p.GetValue(seconds),
                        Frames = p.GetValue(frames),
                        Width = w,
                        Height = h,
                        Fps = p.GetValue(fps),
                        Steps = p.GetValue(steps),
                        Guidance = p.GetValue(guidance),
                        Shift = p.GetValue(shift),
                        Sampler = p.GetValue(sampler),
                        Network = p.GetValue(network),
                        Part = p.GetValue(part),
                        Image = p.GetValue(image),
                        Tile = p.GetValue(tile),
                        FmSteps = p.GetValue(fm),
                        Beyond = p.GetValue(beyond),
                        Int8 = p.GetValue(int8),
                    }
                ),
                p.GetValue(output)!,
                ConvertVerb.Type(p.GetValue(type)) ?? ScalarType.BFloat16,
                ComputeDevice.Choose(p.GetValue(device)!),
                p.GetValue(offload),
                p.GetValue(upscale),
                p.GetValue(json)
            );
        });
        return verb;
    }

    // dpm++ and few-step are no names of C#.
    private static Sampler? SamplerOf(ArgumentResult given)
    {
        var name = given.Tokens[0].Value;
        if (
            !int.TryParse(name, out _)
            && Enum.TryParse<Sampler>(name.Replace("-", "").Replace("+", ""), ignoreCase: true, out var sampler)
        )
            return sampler;
        given.AddError($"--sampler {name}: one of unipc, dpm++, euler, few-step, causal, segments, infinity-rope");
        return null;
    }

    private static Command Eval()
    {
        var model = new Option<string>("--model")
        {
            Description = "model folder, when no --row is given",
            DefaultValueFactory = _ => Shipped.Model,
        };
        var rows = new Option<string[]>("--row")
        {
            Description = "NAME=FOLDER#NETWORK:SAMPLER:STEPS:GUIDANCE[:FM STEPS]; may be repeated",
        };
        var set = new Option<string>("--set-name")
        {
            Description = "captions and seeds: tune, or final",
            DefaultValueFactory = _ => "tune",
        };
        var videos = new Option<int>("--videos") { Description = "videos a row", DefaultValueFactory = _ => 16 };
        var seconds = new Option<double>("--seconds")
        {
            Description = "length of the videos; the measures of the whole minute mean little below 61",
            DefaultValueFactory = _ => 61,
        };
        var output = new Option<string>("--output", "-o")
        {
            Description = "folder for table.md, table.json and sheets",
            DefaultValueFactory = _ => Path.Combine("out", "eval"),
        };
        var device = Device();
        var json = Json();
        var world = new Command("world", "Measure videos of the Traveller world against its rules.")
        {
            model,
            rows,
            set,
            videos,
            seconds,
            device,
            output,
            json,
        };
        world.SetAction(p =>
            EvalVerb.World(
                Shipped.Located(p.GetValue(model)!),
                p.GetValue(rows) ?? [],
                p.GetValue(set)!,
                p.GetValue(videos),
                p.GetValue(seconds),
                ComputeDevice.Choose(p.GetValue(device)!),
                p.GetValue(output)!,
                p.GetValue(json)
            )
        );
        return new Command("eval", "Judge videos.") { world };
    }

    private static Command Reproduce()
    {
        var path = new Argument<string>("table") { Description = "a comparison, for example recipes/mini/table.json" };
        var sets = new Option<string[]>("--set")
        {
            Description = "change a member: --set videos=12 --set out=runs/b",
            AllowMultipleArgumentsPerToken = false,
        };
        var budget = new Option<double?>("--budget")
        {
            Description =
                "minutes everything may take: the steps of every stage are scaled down, which the report says",
        };
        var jobs = new Option<int>("--jobs")
        {
            Description = "processes side by side, one thread each; 0: one a core, or a single one on a GPU",
        };
        var device = DeviceOver("table");
        var output = new Option<string?>("--output", "-o")
        {
            Description =
                "folder of the report; the table's own place when not given, with --budget the folder "
                + "'report' of its runs",
        };
        var page = new Option<bool>("--page")
        {
            Description = "only draw the charts and renew the page, from the numbers that are there",
        };
        var dry = new Option<bool>("--dry-run") { Description = "print what there is to do and stop" };
        var job = new Option<string?>("--job") { Hidden = true };
        var json = Json();
        var verb = new Command(
            "reproduce",
            "Train, video, measure and report a comparison of methods; the same command goes on where it stopped."
        )
        {
            path,
            sets,
            budget,
            jobs,
            device,
            output,
            page,
            dry,
            job,
            json,
        };
        verb.SetAction(p =>
            ReproduceVerb.Run(
                p.GetValue(path)!,
                p.GetValue(sets) ?? [],
                p.GetValue(budget),
                p.GetValue(jobs),
                p.GetValue(device),
                p.GetValue(output),
                p.GetValue(page),
                p.GetValue(dry),
                p.GetValue(job),
                p.GetValue(json)
            )
        );
        return verb;
    }

    private static Command Data() =>
        new("data", "Make data sets of footage.")
        {
            VideoVerbs.Probe(),
            VideoVerbs.Shots(),
            Ingest(),
            Filter(),
            Caption(),
            Encode(),
            Report(),
        };

    private static Command Ingest()
    {
        var sources = new Argument<string[]>("sources")
        {
            Description = "folders, globs, manifests (csv, json, jsonl, videos.txt), WebDataset tars, videos",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var output = new Option<string>("--output", "-o") { Description = "folder of the data set", Required = true };
        var recipe = new Option<string?>("--recipe")
        {
            Description = "a data recipe (json): every threshold; the resolved one is written to data.json in the set",
        };
        var sets = Sets("filter.minSeconds=5 --set geometry.longTakes=Cut");
        var model = new Option<string?>("--model", "--model-path")
        {
            Description = $"model folder whose rate, size and autoencoder count; the recipe's, else the bundled one",
        };
        var jobs = new Option<int>("--jobs")
        {
            Description = "videos looked at at the same time",
            DefaultValueFactory = _ => 2,
        };
        var json = Json();
        var verb = new Command(
            "ingest",
            "Turn footage into a training set: look at videos, cut them into single shots, filter, caption, "
                + "encode, report."
        )
        {
            sources,
            output,
            recipe,
            sets,
            model,
            jobs,
            json,
        };
        verb.SetAction(p =>
            DataVerbs.Ingest(
                p.GetValue(sources) ?? [],
                p.GetValue(output)!,
                p.GetValue(recipe),
                p.GetValue(sets) ?? [],
                p.GetValue(model),
                Math.Max(1, p.GetValue(jobs)),
                p.GetValue(json)
            )
        );
        return verb;
    }

    private static Command Filter()
    {
        var set = new Argument<string>("set") { Description = "folder of the data set" };
        var sets = Sets("filter.minMotion=0.5");
        var json = Json();
        var verb = new Command(
            "filter",
            "Judge again what was looked at, with other thresholds; seconds, for nothing is decoded."
        )
        {
            set,
            sets,
            json,
        };
        verb.SetAction(p => DataVerbs.Filter(p.GetValue(set)!, p.GetValue(sets) ?? [], p.GetValue(json)));
        return verb;
    }

    private static Command Caption()
    {
        var set = new Argument<string>("set") { Description = "folder of the data set" };
        var sets = Sets("captions.endpoint.url=http://localhost:8000/v1 --set captions.endpoint.model=NAME");
        var json = Json();
        var verb = new Command("caption", "Ask an OpenAI-compatible endpoint for the captions that are missing.")
        {
            set,
            sets,
            json,
        };
        verb.SetAction(p => DataVerbs.Caption(p.GetValue(set)!, p.GetValue(sets) ?? [], p.GetValue(json)));
        return verb;
    }

    private static Command Encode()
    {
        var set = new Argument<string>("set") { Description = "folder of the data set" };
        var model = new Option<string?>("--model", "--model-path")
        {
            Description = "model folder whose autoencoder encodes; the set's own when not given",
        };
        var verify = new Option<bool>("--verify")
        {
            Description = "hash every shard again; those that are not what was written are made anew",
        };
        var json = Json();
        var verb = new Command("encode", "Make the latents that are missing, in as many processes as are started.")
        {
            set,
            model,
            verify,
            json,
        };
        verb.SetAction(p =>
            DataVerbs.Encode(p.GetValue(set)!, p.GetValue(model), p.GetValue(verify), p.GetValue(json))
        );
        return verb;
    }

    private static Command Report()
    {
        var set = new Argument<string>("set") { Description = "folder of the data set" };
        var json = Json();
        var verb = new Command("report", "Write report.html and report.json of a set anew.") { set, json };
        verb.SetAction(p => DataVerbs.Report(p.GetValue(set)!, p.GetValue(json)));
        return verb;
    }

    private static Option<string[]> Sets(string example) =>
        new("--set")
        {
            Description = $"change a member of the recipe: --set {example}",
            AllowMultipleArgumentsPerToken = false,
        };

    private static Command InspectPath()
    {
        var path = new Argument<string>("path")
        {
            Description = "a model or weights in any layout, a run, a data set, a video or a recipe",
        };
        var json = Json();
        var verb = new Command("inspect", "Say what a file or folder is, and what is missing in it.") { path, json };
        verb.SetAction(p => InspectVerb.Run(p.GetValue(path)!, p.GetValue(json)));
        return verb;
    }

    private static Command Convert()
    {
        var path = new Argument<string>("path") { Description = "weights in any layout: a folder or a file" };
        var to = new Option<Target>("--to") { Description = "the layout to write", Required = true };
        var output = new Option<string>("--output", "-o")
        {
            Description = "folder to make, or with comfy a .safetensors file",
            Required = true,
        };
        var type = new Option<WeightType>("--dtype")
        {
            Description = "element type of floating-point weights",
            DefaultValueFactory = _ => WeightType.Keep,
        };
        var part = new Option<string?>("--part")
        {
            Description =
                "which transformer, where there are several: generator, generator_ema, critic, teacher, "
                + "dm_head, ... (--to longtake: the head the student keeps)",
        };
        var loras = new Option<string[]>("--lora")
        {
            Description = "FILE or FILE=STRENGTH, added to the transformer; may be repeated",
        };
        var json = Json();
        var verb = new Command(
            "convert",
            "Write weights in another layout, bit for bit unless another element type is asked for."
        )
        {
            path,
            to,
            output,
            type,
            part,
            loras,
            json,
        };
        verb.SetAction(p =>
            ConvertVerb.Run(
                p.GetValue(path)!,
                p.GetValue(to),
                p.GetValue(output)!,
                p.GetValue(type),
                p.GetValue(part),
                p.GetValue(loras) ?? [],
                p.GetValue(json)
            )
        );
        return verb;
    }
}
