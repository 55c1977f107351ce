using System.CommandLine;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Cli;

/// <summary>longtake data encode</summary>
internal static class DataEncodeVerb
{
    public static Command Verb()
    {
        Option<string?> model = new("--model", "--model-path")
        {
            Description = "model folder whose autoencoder encodes; without it the set's own",
        };
        Option<bool> verify = new("--verify")
        {
            Description = "hash every shard again, and make those anew that are not what was written",
        };
        var (set, json) = (DataVerbs.Set(), Options.Json());
        return Options.Verb(
            "encode",
            "Make the latents that are missing, in as many processes as are started.",
            [set, model, verify, json],
            p => Encode(p.GetValue(set)!, p.GetValue(model), p.GetValue(verify), p.GetValue(json))
        );
    }

    /// <summary>
    /// Makes latents, and text features where the model's text encoder is fixed; with <paramref name="verify"/> every
    /// shard is hashed again.
    /// </summary>
    private static int Encode(string folder, string? model, bool verify, bool json)
    {
        var of = Opened(
            model
                ?? (
                    DataVerbs.Made(folder, []).Model is { Length: > 0 } own
                        ? own
                        : throw new UserException(
                            "no model: --model FOLDER names the one whose autoencoder encodes",
                            usage: true
                        )
                ),
            folder
        );
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        try
        {
            var latents = Progress.Run("encode", r => VideoSet.Latents(folder, of, null, r, cancel));
            IReadOnlyList<string> broken = [];
            if (verify)
                broken = Progress.Run("verify", r => FootageEncoder.Broken(latents, r, cancel));
            var (path, hash) = (latents.Folder, "");
            if (broken.Count > 0)
            {
                latents.Dispose();
                foreach (var shard in broken)
                {
                    Console.Error.WriteLine($"longtake: {Path.Combine(path, shard)}: not what was written; made anew");
                    File.Delete(Path.Combine(path, shard));
                }
                latents = Progress.Run("encode", r => VideoSet.Latents(folder, of, null, r, cancel));
            }
            using (latents)
            {
                Texts(of, latents, cancel);
                hash = FootageEncoder.Hash(latents);
            }
            Cli.Run.Print(
                json,
                new JsonObject
                {
                    ["latents"] = path,
                    ["hash"] = hash,
                    ["broken"] = verify ? broken.Count : null,
                },
                [$"Latents are in {path}, hash {hash[..16]}{Checked(verify, broken.Count)}."]
            );
            return Cli.Run.Done;
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException(
                "stopped; what is done is kept, and the same command goes on",
                e,
                cancel
            );
        }
    }

    // A model folder as it is; of weights in another layout one with their autoencoder is made beside the set, bit for
    // bit.
    public static ModelFolder Opened(string path, string folder)
    {
        path = Shipped.Located(path);
        using var start = StartModel.Open(path, null);
        if (start.Own)
            return ModelFolder.Open(path);
        using var files = ModelFiles.Open(path);
        var made = ModelFolder.Create(Path.Combine(folder, "model"), start.Config);
        if (!made.Has(ModelFolder.Vae))
            TensorFiles.Write(
                Path.Combine(made.Path, ModelFolder.Vae + ".safetensors"),
                files.Require(PartKind.Vae).Tensors,
                dtype: null
            );
        return made;
    }

    // A text encoder too large to stay beside the video model reads the captions now; a small one learns with its
    // model.
    public static void Texts(ModelFolder model, LatentSet latents, CancellationToken cancel)
    {
        if (!model.Has(ModelFolder.Text) || !model.HasTokenizer)
            return;
        using var scope = torch.NewDisposeScope();
        var (text, weights) = model.LoadText();
        using (weights)
            Progress.Run("captions", r =>
            {
                text.Prepare(
                    [.. FlowMatching.Captions(latents), "", model.Config.NegativePrompt],
                    (done, all) => r.Report(new(done, all, "captions", "encoding")),
                    cancel
                );
                return 0;
            });
    }

    private static string Checked(bool verify, int broken) =>
        (verify, broken) switch
        {
            (false, _) => "",
            (_, 0) => "; 0 shards were broken",
            _ => $"; {broken} shards were broken and are made anew",
        };
}
