using System.Text.Json;
using LongTake.Cli;
using LongTake.Nn;

namespace LongTake.Tests.Cli;

public class DoctorTests
{
    [Fact]
    public void TheReportIsJsonOrTextAndHoldsWhatWasMeasured()
    {
        var health = JsonSerializer.SerializeToElement(Doctor.Examine(), JsonSerializerOptions.Web);
        Assert.Equal(Libtorch.Version, health.GetProperty("engine").GetProperty("version").GetString());
        foreach (var kind in Enum.GetValues<ProductKind>())
            Assert.True(health.GetProperty("rates").GetProperty(Products.Name(kind)).GetDouble() > 0);
        Assert.Equal(Products.Name(Products.Kind), health.GetProperty("products").GetString());
        Assert.Contains(Engine.Describe().Folder, Doctor.Text(health.Deserialize<Health>(JsonSerializerOptions.Web)!));
    }
}
