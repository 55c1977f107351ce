// A video from a prompt, with progress on the console. Ctrl-C cancels it; a cancelled video leaves no file behind.
//   dotnet run -- MODEL "a traveller in a red coat" video.mp4
using LongTake;
using LongTake.Generation;
using LongTake.Video;

if (args is not [var model, var prompt, var path, ..])
{
    Console.Error.WriteLine("usage: GenerateWithProgress MODEL PROMPT FILE.mp4 [SECONDS]");
    return 2;
}
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
try
{
    using var generator = VideoGenerator.Open(model);
    var request = new VideoRequest
    {
        Prompt = prompt,
        Seed = 7,
        Seconds = args.Length > 3 ? double.Parse(args[3]) : null,
    };
    var progress = new Progress<ProgressReport>(p =>
        Console.Error.WriteLine($"{p.Text}: {p.Done} of {p.Total} {p.Unit}")
    );
    var video = await generator.SaveAsync(request, path, new WriteOptions { Upscale = 8 }, progress, stop.Token);
    Console.WriteLine(
        $"{video.Path}: {video.Frames} frames, {video.Seconds:0.#} s, made in {video.SampleSeconds:0.0} s"
    );
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled");
    return 130;
}
catch (UserException e)
{
    Console.Error.WriteLine(e.Message); // says what was given, what is allowed, what to do
    return 1;
}
