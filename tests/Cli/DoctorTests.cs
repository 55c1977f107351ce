using System.Text.Json;
using LongTake.Cli;

namespace LongTake.Tests.Cli;

public class DoctorTests
{
    [Fact]
    public void TheReportIsJsonOrTextAndHoldsWhatWasMeasured()
    {
        var text = new StringWriter();
        Doctor.Run(json: true, text);
        var health = JsonDocument.Parse(text.ToString()).RootElement;
        Assert.Equal(Libtorch.Version, health.GetProperty("libtorch").GetString());
        Assert.True(health.GetProperty("rateF32").GetDouble() > 0);
        Assert.True(health.GetProperty("rateBf16").GetDouble() > 0);
        Assert.Contains(Libtorch.Path, Doctor.Text(health.Deserialize<Health>(JsonSerializerOptions.Web)!));
    }
}
