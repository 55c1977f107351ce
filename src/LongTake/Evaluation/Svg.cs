using System.Globalization;
using System.Text;

namespace LongTake.Evaluation;

/// <summary>A picture of lines, bars and texts as SVG.</summary>
internal sealed class Svg(double width, double height)
{
    private readonly StringBuilder body = new();

    /// <summary>
    /// Colours that are told apart by colour-blind readers too (Okabe and Ito, 2008, and three more); dashes tell rows
    /// beyond them.
    /// </summary>
    private static readonly string[] colours =
    [
        "#0072b2",
        "#d55e00",
        "#009e73",
        "#cc79a7",
        "#8a6d00",
        "#56b4e9",
        "#e69f00",
        "#7b3294",
        "#666666",
        "#a6001a",
    ];

    public static string Colour(int i) => colours[i % colours.Length];

    public static string Dash(int i) => i < colours.Length ? "" : "4 3";

    public static string N(double v) => v.ToString("0.##", CultureInfo.InvariantCulture);

    public void Line(double x1, double y1, double x2, double y2, string colour, double thick = 1, string dash = "") =>
        body.Append(
            $"<line x1=\"{N(x1)}\" y1=\"{N(y1)}\" x2=\"{N(x2)}\" y2=\"{N(y2)}\" stroke=\"{colour}\" "
                + $"stroke-width=\"{N(thick)}\"{Dashed(dash)}/>\n"
        );

    public void Path(IEnumerable<(double X, double Y)?> points, string colour, double thick = 1.5, string dash = "")
    {
        var (d, pen) = (new StringBuilder(), 'M');
        foreach (var point in points)
            if (point is { } p)
                (_, pen) = (d.Append($"{pen}{N(p.X)} {N(p.Y)}"), 'L');
            else
                pen = 'M';
        if (d.Length > 0)
            body.Append(
                $"<path d=\"{d}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{N(thick)}\" "
                    + $"stroke-linejoin=\"round\"{Dashed(dash)}/>\n"
            );
    }

    public void Area(IReadOnlyList<(double X, double Low, double High)> band, string colour)
    {
        if (band.Count > 1)
            body.Append(
                $"<path "
                    + $"d=\"M{string.Join('L', band.Select(p => $"{N(p.X)} {N(p.High)}").Concat(band.Reverse().Select(p => $"{N(p.X)} {N(p.Low)}")))}Z\" "
                    + $"fill=\"{colour}\" fill-opacity=\".12\"/>\n"
            );
    }

    public void Box(double x, double y, double w, double h, string fill) =>
        body.Append(
            $"<rect x=\"{N(x)}\" y=\"{N(y)}\" width=\"{N(Math.Max(w, 0))}\" height=\"{N(Math.Max(h, 0))}\" "
                + $"fill=\"{fill}\"/>\n"
        );

    public void Dot(double x, double y, double r, string fill) =>
        body.Append($"<circle cx=\"{N(x)}\" cy=\"{N(y)}\" r=\"{N(r)}\" fill=\"{fill}\"/>\n");

    public void Text(
        double x,
        double y,
        string text,
        double size = 11,
        string anchor = "start",
        string colour = "#222",
        bool bold = false
    ) =>
        body.Append(
            $"<text x=\"{N(x)}\" y=\"{N(y)}\" font-size=\"{N(size)}\" text-anchor=\"{anchor}\" "
                + $"fill=\"{colour}\"{(bold ? " font-weight=\"600\"" : "")}>{System.Security.SecurityElement.Escape(text)}</text>\n"
        );

    private static string Dashed(string dash) => dash.Length > 0 ? $" stroke-dasharray=\"{dash}\"" : "";

    public override string ToString() =>
        $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{N(width)}\" height=\"{N(height)}\" viewBox=\"0 0 "
        + $"{N(width)} {N(height)}\" font-family=\"Helvetica, Arial, sans-serif\">\n"
        + $"<rect width=\"{N(width)}\" height=\"{N(height)}\" fill=\"white\"/>\n{body}</svg>\n";

    /// <summary>Round numbers of an axis, three to six of them, inside the range.</summary>
    public static IReadOnlyList<double> Ticks(double low, double high)
    {
        var rough = (high - low) / 4;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = new[] { 1, 2, 2.5, 5, 10 }.First(m => m * power >= rough * .999) * power;
        return
        [
            .. Enumerable
                .Range(0, 20)
                .Select(i => (Math.Ceiling(low / step - 1e-9) + i) * step)
                .TakeWhile(v => v <= high + 1e-9 * step),
        ];
    }

    /// <summary>A tick's text.</summary>
    public static string Tick(double v) =>
        Math.Abs(v) < 1e-12 ? "0" : v.ToString("0.####", CultureInfo.InvariantCulture);
}
