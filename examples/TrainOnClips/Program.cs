// Goes on training a model with a folder of clips: looks at the videos, cuts and filters them, encodes them with the
// model's autoencoder, trains, and makes a video. The same command goes on where it stopped.
//   dotnet run -- MODEL CLIPS FOLDER [STEPS]
using LongTake;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Training;

if (args is not [var model, var clips, var folder, ..])
{
    Console.Error.WriteLine("usage: TrainOnClips MODEL CLIPS FOLDER [STEPS]");
    return 2;
}
var data = Path.Combine(folder, "data");
using (
    var builder = new DatasetBuilder(data, new() { Sources = [clips], Model = model }, ModelFolder.Open(model).Config)
)
{
    var looked = builder.Look(out var refused, workers: 2, progress: null, default);
    var decisions = builder.Captioned(builder.Filter(looked, refused));
    var set = builder.List(decisions);
    Console.WriteLine($"{set.Items.Count} clips and takes of {decisions.Count(d => d.Kept)} stretches of video");
}
var recipe = Recipe.Parse(
    $$"""
    {
      "stages": [{
        "method": "Teacher",
        "loop": { "steps": {{args.ElementAtOrDefault(3)
        ?? "60"}}, "ema": 0.95, "logEvery": 10, "checkpointEvery": 100 },
        "optimiser": { "lr": 3e-4, "muonLr": 0.003, "warmUp": 20 },
        "flowMatching": { "batch": 8, "shift": 3 }
      }]
    }
    """,
    "this program",
    [$"from={model}", $"data={data}", $"out={folder}"],
    TrainJson.Recipe
);
var trained = new Trainer(recipe, _ => new Progress<ProgressReport>(p => Console.WriteLine(p)), default).Run();
using var generator = VideoGenerator.Open(trained.Path, new() { Network = Network.Teacher });
var made = generator.Save(new VideoRequest { Prompt = "a walk", Steps = 10 }, Path.Combine(folder, "video.mp4"));
Console.WriteLine($"{trained.Path} is trained; a video of it: {made.Path}");
return 0;
