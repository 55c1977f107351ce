using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>
/// The teacher of short clips: flow matching of one Wan transformer, its text encoder learning with it.
/// </summary>
public static class Teacher
{
    public static MethodEntry Entry { get; } = MethodEntry.Of<FlowMatchingConfig>("Teacher", Build);

    private static Method Build(Stage stage, FlowMatchingConfig c)
    {
        var tokenizer = stage.Tokenizer();
        var pieces = Vocabulary.Open(tokenizer);
        var model = stage.Config with { Text = stage.Config.Text with { Vocab = pieces.Count } };
        var (wan, text, data) = (stage.Start(ModelFolder.Teacher), stage.Start(ModelFolder.Text), stage.Latents);
        var encoder = new TextEncoder(text, model.Text, pieces, model.Model.TextLength);
        var items = data.Clips.Count > 0 ? data.Clips : data.Takes;
        if (items.Count == 0)
            throw new UserException($"{data.Folder}: no clips and no takes to train on");
        var (sizes, levels) = (new SizeBuckets(items), c.FlowLevels);
        var network = new Transformer(wan, model.Model);
        wan.Trainable();
        text.Trainable();
        (Tensor, IReadOnlyList<string>) Draw(Rng random)
        {
            var next = sizes.Batch();
            var batch = Enumerable
                .Range(0, c.Batch)
                .Select(_ =>
                    FlowMatching.Stretch(random, data, next(random), model.ClipLatents, c.CaptionDrop, c.LocalCaptions)
                )
                .ToList();
            return (torch.cat([.. batch.Select(b => b.Latents)]).to(wan.Device), [.. batch.Select(b => b.Caption)]);
        }
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["wan"] = wan, ["text"] = text },
            Averaged = ["wan", "text"],
            Batch = c.Batch,
            Updates =
            [
                new Update(
                    "teacher",
                    [
                        .. wan.All.Select(p => KeyValuePair.Create("wan." + p.Key, p.Value)),
                        .. text.All.Select(p => KeyValuePair.Create("text." + p.Key, p.Value)),
                    ],
                    stage.Optimiser,
                    (random, weight) =>
                    {
                        var (x0, captions) = Draw(random);
                        var loss = FlowMatching.Loss(network.Forward, x0, encoder.Encode(captions), random, levels);
                        (loss * weight).Backward();
                        return new Dictionary<string, double> { ["loss"] = loss.Number() };
                    }
                ),
            ],
            Validate = () => FlowMatching.HeldOut(network.Forward, encoder, data, "clip", model.ClipLatents),
            Export = (folder, networks) =>
            {
                var made = ModelFolder.Create(
                    folder,
                    model,
                    stage.Model,
                    ModelFolder.Teacher,
                    ModelFolder.Text,
                    ModelFolder.Transformer,
                    ModelFolder.Student,
                    ModelFolder.Generator
                );
                File.Copy(tokenizer, made.TokenizerFile, overwrite: true);
                made.Save(ModelFolder.Teacher, networks["wan"]);
                made.Save(ModelFolder.Text, networks["text"]);
            },
        };
    }
}
