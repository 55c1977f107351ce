using System.Globalization;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Data;

/// <summary>The recipe's geometry with the model's filled in.</summary>
/// <param name="ClipFrames">Frames of the model's clips.</param>
/// <param name="VideoFrames">Frames of its longest video.</param>
/// <param name="Stride">Frames of a latent.</param>
public sealed record Geometry(
    double Fps,
    IReadOnlyList<(int Width, int Height)> Buckets,
    double MaxSeconds,
    int ClipFrames,
    int VideoFrames,
    int Stride
)
{
    /// <exception cref="UserException">Usage: a recipe that contradicts itself or the model.</exception>
    public static Geometry Of(DataRecipe recipe, ModelConfig model)
    {
        if (string.Join("; ", recipe.Problems()) is { Length: > 0 } problems)
            throw new UserException($"data recipe: {problems}", usage: true);
        var fps = recipe.Geometry.Fps > 0 ? recipe.Geometry.Fps : model.Fps;
        var (clip, video) = (model.Frames(model.ClipLatents), model.Frames(model.VideoLatents));
        // Only absolute places in time end with the model's longest video; published Wan weights say five seconds and
        // are tuned on minutes.
        if (model.Model.Longest == 0)
            video = Math.Max(video, model.Frames(model.Latents(Math.Max(61, recipe.Geometry.MaxSeconds))));
        var longest =
            recipe.Geometry.MaxSeconds > 0
                ? recipe.Geometry.MaxSeconds
                : Math.Max(recipe.Filter.MinSeconds, Math.Min(61, video / fps));
        if (recipe.Filter.MinSeconds < clip / fps)
            throw new UserException(
                $"filter.minSeconds {recipe.Filter.MinSeconds:0.##}: a take must be longer than the model's "
                    + $"clip, {clip / fps:0.##} s",
                usage: true
            );
        if (longest > video / fps + 0.5)
            throw new UserException(
                $"geometry.maxSeconds {longest:0.##}: the model's longest video is {video / fps:0.#} s",
                usage: true
            );
        var multiple = model.Geometry.SpatialStride * model.Model.Patch[^1];
        var buckets =
            recipe.Geometry.Buckets.Count == 0
                ? [(model.Width, model.Height)]
                : recipe.Geometry.Buckets.Select(b => Size(b)!.Value).Distinct().ToList();
        foreach (var (w, h) in buckets)
            if (w % multiple != 0 || h % multiple != 0)
                throw new UserException(
                    $"geometry.buckets {w}x{h}: both sides must be multiples of {multiple} for this model",
                    usage: true
                );
        return new(fps, buckets, longest, clip, video, model.Geometry.TemporalStride);
    }

    /// <summary>"832x480" to its numbers, or null.</summary>
    public static (int Width, int Height)? Size(string text) =>
        text.Split('x') is [var w, var h]
        && int.TryParse(w, NumberStyles.None, null, out var wide)
        && int.TryParse(h, NumberStyles.None, null, out var high)
        && wide is > 0 and <= 16384
        && high is > 0 and <= 16384
            ? (wide, high)
            : null;

    /// <summary>
    /// The bucket whose shape is nearest, by the ratio of the aspects; of equal shapes the largest that the picture
    /// covers.
    /// </summary>
    public (int Width, int Height) Bucket(double width, double height) =>
        Buckets
            .OrderBy(b => Math.Round(Math.Abs(Math.Log(width / height * b.Height / b.Width)), 3))
            .ThenByDescending(b =>
                b.Width <= width * 1.001 && b.Height <= height * 1.001 ? b.Width * b.Height : -b.Width * b.Height
            )
            .First();

    /// <summary>
    /// 1 + 4k frames that fit into a stretch whose last frame begins so many seconds after its first.
    /// </summary>
    public int Frames(double span, double fps) => 1 + (int)Math.Floor(Math.Max(0, span) * fps / Stride + 1e-6) * Stride;
}
