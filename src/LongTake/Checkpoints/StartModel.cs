using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Checkpoints;

/// <summary>
/// What training starts from: a model folder, or weights in another layout, of which a model folder is made.
/// Their transformer becomes the teacher of short clips; the student's heads and the long transformer are made of it
/// when a stage needs them.
/// </summary>
public sealed class StartModel : IDisposable
{
    private readonly ModelFiles? files;
    private readonly string path;

    private StartModel(string path, ModelConfig config, ModelFiles? files) =>
        (this.path, Config, this.files) = (path, config, files);

    /// <summary>True when the path is a model folder of LongTake's own.</summary>
    public bool Own => files is null;

    /// <summary>The config it has, or will have.</summary>
    public ModelConfig Config { get; }

    /// <summary>
    /// Opens a path. Of weights in another layout <paramref name="wanted"/> gives what weights do not tell (picture,
    /// rate, lengths, few steps, head blocks, guidance); without it that is what Wan was made for.
    /// </summary>
    /// <exception cref="UserException">Nothing there; parts are missing or do not fit what is wanted; an image-to-video
    /// model.</exception>
    public static StartModel Open(string path, ModelConfig? wanted)
    {
        var own = Path.Combine(path, "config.json");
        if (
            !Directory.Exists(path) && !File.Exists(path)
            || File.Exists(own) && ModelFiles.Json(own)?["wan"] is not null
        )
            return new(path, ModelFolder.Open(path).Config, null);
        var files = ModelFiles.Open(path);
        try
        {
            var transformer = files.Require(PartKind.Transformer);
            files.Check(transformer, files.Require(PartKind.Vae), files.Require(PartKind.TextEncoder));
            if (transformer.TakesImage)
                throw new UserException(
                    $"{path}: an image-to-video model; training starts from a text-to-video one",
                    usage: true
                );
            if (files.Tokenizer is null)
                throw new UserException(
                    $"{path}: no tokenizer, without which captions cannot be read (google/umt5-xxl/spiece.model)",
                    usage: true
                );
            var found = files.Config;
            var config = wanted is null ? found : wanted with { Wan = found.Wan, Vae = found.Vae, Text = found.Text };
            if (wanted is not null && Size(wanted.Wan) != Size(found.Wan))
                throw new UserException(
                    $"{path}: its transformer has {Size(found.Wan)}, the recipe's model.wan {Size(wanted.Wan)}",
                    usage: true
                );
            if (string.Join("; ", config.Problems()) is { Length: > 0 } problems)
                throw new UserException($"{path} with the recipe's model: {problems}", usage: true);
            return new(path, config, files);
        }
        catch
        {
            files.Dispose();
            throw;
        }

        static string Size(WanConfig c) => $"{c.Layers} blocks, width {c.Dim}, MLP {c.FfnDim}, {c.Heads} heads";
    }

    /// <summary>
    /// The model folder; of weights in another layout it is made at <paramref name="into"/>, whole or not at all, once.
    /// </summary>
    public ModelFolder Folder(string into)
    {
        if (files is null)
            return ModelFolder.Open(path);
        if (Directory.Exists(into))
            return ModelFolder.Open(into);
        var full = Path.GetFullPath(into);
        var work = $"{full}.{Guid.NewGuid():N}.part";
        try
        {
            var made = ModelFolder.Create(work, Config);
            foreach (
                var (name, kind) in ((string, PartKind)[])
                    [
                        (ModelFolder.Teacher, PartKind.Transformer),
                        (ModelFolder.Vae, PartKind.Vae),
                        (ModelFolder.Text, PartKind.TextEncoder),
                    ]
            )
                TensorFiles.Write(Path.Combine(work, name + ".safetensors"), files.Require(kind).Tensors, dtype: null);
            File.WriteAllBytes(made.TokenizerFile, files.Tokenizer!);
            Directory.Move(work, full);
        }
        catch (Exception e)
        {
            if (Directory.Exists(work))
                Directory.Delete(work, recursive: true);
            if (e is IOException or UnauthorizedAccessException)
                throw AtomicFile.Failed(into, e);
            throw;
        }
        return ModelFolder.Open(into);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => files?.Dispose();
}
