// Frames as they are decoded: here the first frame and the brightest one become pictures, the rest is only looked at.
//   dotnet run -- MODEL "a traveller in a red coat" FOLDER
using LongTake.Generation;

if (args is not [var model, var prompt, var folder, ..])
{
    Console.Error.WriteLine("usage: StreamFrames MODEL PROMPT FOLDER [SECONDS]");
    return 2;
}
using var generator = VideoGenerator.Open(model);
var request = new VideoRequest { Prompt = prompt, Seconds = args.Length > 3 ? double.Parse(args[3]) : null };
var (brightest, light) = ((Frame?)null, -1.0);
await foreach (var frame in generator.GenerateAsync(request))
{
    if (frame.Index == 0)
        Write("first.ppm", frame);
    var mean = frame.Rgb.Average(b => (double)b);
    if (mean > light)
        (brightest, light) = (frame, mean);
}
Write("brightest.ppm", brightest!);
Console.WriteLine($"brightest: frame {brightest!.Index} at {brightest.Time.TotalSeconds:0.00} s, mean {light:0}");
return 0;

// PPM: a header and the bytes as they are.
void Write(string name, Frame frame)
{
    Directory.CreateDirectory(folder);
    using var file = File.Create(Path.Combine(folder, name));
    file.Write(System.Text.Encoding.ASCII.GetBytes($"P6\n{frame.Width} {frame.Height}\n255\n"));
    file.Write(frame.Rgb);
}
