// A method of one's own beside LongTake's: the file PrefixSft.cs, and one line that names it. Recipes then know it,
// with its settings checked like any other's; here it trains for a few steps on the procedural world. dotnet run --
// MODEL FOLDER
using LongTake;
using LongTake.Methods;
using LongTake.Training;

if (args is not [var model, var folder])
{
    Console.Error.WriteLine("usage: AddAMethod MODEL FOLDER");
    return 2;
}
MethodEntry[] methods = [.. Presets.Methods, PrefixSft.Entry];
var recipe = Recipe.Parse(
    """
    {
      "world": { "clips": 6, "takes": 3, "heldOutClips": 1, "heldOutTakes": 1 },
      "stages": [{
        "method": "PrefixSft",
        "loop": { "steps": 3, "logEvery": 1 },
        "optimiser": { "lr": 1e-4 },
        "prefixSft": { "least": 4 }
      }]
    }
    """,
    "this program",
    [$"from={model}", $"out={folder}"],
    TrainJson.With(methods)
);
var trainer = new Trainer(recipe, _ => new Progress<ProgressReport>(p => Console.WriteLine(p)), default)
{
    Methods = methods,
};
Console.WriteLine($"{trainer.Run().Path} is trained");
return 0;
