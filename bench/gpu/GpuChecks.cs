using System.Diagnostics;
using System.Text.Json.Nodes;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Bench.Gpu;

/// <summary>
/// What a machine with a GPU is asked, a part a process, each with a JSON file of its own: run.sh runs them and
/// report.py reads them. Needs neither ffmpeg nor a network.
/// </summary>
internal static class GpuChecks
{
    /// <summary>Runs one part.</summary>
    public static int Run(string[] args)
    {
        var o = new GpuOptions(args);
        Func<GpuOptions, JsonObject> part = o.Part switch
        {
            "facts" => Facts,
            "parity" => GpuParity.Run,
            "video" => GpuVideo.Video,
            "train" => GpuVideo.Train,
            "wan" => Wan,
            "mmm" => Mmm,
            _ => throw new UserException(GpuOptions.Usage, usage: true),
        };
        Engine.Start();
        // As exact as the CPU: PyTorch's convolutions round to 10 bits otherwise.
        if (o.Device != "cpu")
            torch.backends.cudnn.allow_tf32 = false;
        var result = part(o);
        result["device"] = o.Device;
        if (DeviceMemory.Used(o.Device) is { } used)
            result["reservedBytes"] = used;
        File.WriteAllText(o.Out, result.ToJsonString(new() { WriteIndented = true }));
        return 0;
    }

    private static JsonObject Facts(GpuOptions o)
    {
        var f = Engine.Describe();
        return new()
        {
            ["libtorch"] = f.Version,
            ["folder"] = f.Folder,
            ["from"] = f.From,
            ["adapted"] = f.Adapted,
            ["threads"] = f.Threads,
            ["warning"] = f.Warning,
            ["devices"] = new JsonArray([
                .. f.Devices.Select(d =>
                    (JsonNode)
                        new JsonObject
                        {
                            ["name"] = d.Name,
                            ["model"] = d.Model,
                            ["memory"] = d.Memory,
                        }
                ),
            ]),
            ["absent"] = new JsonArray([.. f.Absent.Select(a => (JsonNode)a)]),
        };
    }

    // A forward of the transformer, weights in bfloat16.
    private static JsonObject Wan(GpuOptions o)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1), ScalarType.BFloat16, o.Device);
        var wan = new WanTransformer(weights, o.Wan);
        Numbers.Fill(weights, "", o.Device);
        Tensor x = Numbers.Of("x", o.Shape(o.Latents), 1, o.Device),
            text = Text(o),
            step = Step(500, o);
        wan.Forward(Numbers.Of("x", o.Shape(1), 1, o.Device), step, text).Dispose(); // a warm-up, as the peer has it
        Tensor? velocity = null;
        var seconds = Timed(o, () =>
        {
            velocity?.Dispose();
            velocity = wan.Forward(x, step, text);
        });
        if (o.Samples is not null)
            Write(o.Samples, velocity!);
        return new()
        {
            ["seconds"] = seconds,
            ["norm"] = velocity!.to(ScalarType.Float64).norm().item<double>(),
            ["parameters"] = weights.Count,
        };
    }

    // One step of Mode Seeking meets Mean Seeking on one video of one window, with given levels: flow matching on the
    // FM head, a video of one call of the DM head judged by teacher and critic, the critic's own loss, and AdamW for
    // both networks.
    private static JsonObject Mmm(GpuOptions o)
    {
        using var scope = torch.NewDisposeScope();
        var c = o.Wan with { Recompute = true };
        using Weights s = Weights.Create(new Rng(1), device: o.Device),
            f = Weights.Create(new Rng(1), device: o.Device),
            t = Weights.Create(new Rng(1), ScalarType.BFloat16, o.Device);
        var (student, critic, teacher) = (
            new DecoupledTransformer(s, new WanModel(c), o.HeadBlocks),
            new WanTransformer(f, c),
            new WanTransformer(t, c)
        );
        Numbers.Fill(s, "student.", o.Device);
        Numbers.Fill(f, "critic.", o.Device);
        Numbers.Fill(t, "teacher.", o.Device);
        s.Trainable();
        f.Trainable();
        var text = Text(o);
        var given = new[] { "x0", "noise", "z", "second", "third" }.ToDictionary(
            n => n,
            n => Numbers.Of(n, o.Shape(o.Latents), 1, o.Device)
        );
        var settings = new OptimiserConfig { Lr = 1e-5, Beta2 = 0.99 };
        using Optimiser ofStudent = new("student", [.. s.All], settings),
            ofCritic = new("critic", [.. f.All], settings);

        JsonObject Gradients()
        {
            using var inner = torch.NewDisposeScope();
            Tensor Sigma(double sigma) =>
                torch.full(new long[] { 1 }, sigma, ScalarType.Float32, torch.device(o.Device));
            Tensor Clean(WanTransformer net, Tensor at) =>
                Flow.Clean(at, net.Forward(at, Step(700, o), text), Sigma(0.7));
            var fm = Flow.Loss(
                student.Forward(
                    Head.FlowMatching,
                    Flow.Noisy(given["x0"], given["noise"], Sigma(0.6)),
                    Step(600, o),
                    text
                ),
                given["x0"],
                given["noise"]
            );
            fm.backward();
            var video = given["z"] - student.Forward(Head.DistributionMatching, given["z"], Step(1000, o), text);
            var (dm, gap) = DistributionMatching.Match(
                video,
                given["second"],
                Sigma(0.7),
                at => Clean(teacher, at),
                at => Clean(critic, at)
            );
            dm.backward();
            var still = video.detach();
            var learnt = Flow.Loss(
                critic.Forward(Flow.Noisy(still, given["third"], Sigma(0.4)), Step(400, o), text),
                still,
                given["third"]
            );
            learnt.backward();
            return new()
            {
                ["fm"] = fm.item<float>(),
                ["dm"] = dm.item<float>(),
                ["gap"] = gap,
                ["critic"] = learnt.item<float>(),
            };
        }

        JsonObject? first = null;
        void Work()
        {
            var found = Gradients();
            if (first is null)
            {
                first = found;
                (first["studentGradient"], first["criticGradient"]) = (
                    ofStudent.GradientNorm(),
                    ofCritic.GradientNorm()
                );
            }
            foreach (var optimiser in (Optimiser[])[ofStudent, ofCritic])
            {
                optimiser.Step(1);
                optimiser.ZeroGrad();
            }
        }
        Work();
        var seconds = Timed(o, Work);
        first!["seconds"] = seconds;
        return first;
    }

    private static Tensor Text(GpuOptions o) => Numbers.Of("text", [1, 512, o.Wan.TextDim], 1, o.Device);

    private static Tensor Step(double step, GpuOptions o) =>
        torch.full(new long[] { 1 }, step, ScalarType.Float32, torch.device(o.Device));

    /// <summary>Seconds of each turn, the device's work included.</summary>
    internal static JsonArray Timed(GpuOptions o, Action work)
    {
        var seconds = new JsonArray();
        for (var i = 0; i < o.Turns; i++)
        {
            Wait(o);
            var watch = Stopwatch.StartNew();
            work();
            Wait(o);
            seconds.Add(watch.Elapsed.TotalSeconds);
        }
        return seconds;
    }

    private static void Wait(GpuOptions o)
    {
        if (o.Device != "cpu")
            torch.cuda.synchronize();
    }

    // Every 97th number: enough to tell how far two are apart, of hundreds of megabytes.
    private static void Write(string file, Tensor values)
    {
        var flat = values.flatten();
        using var few = flat[torch.TensorIndex.Slice(null, null, 97)].to(ScalarType.Float32).cpu().contiguous();
        File.WriteAllBytes(file, few.bytes.ToArray());
    }
}
