using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LongTake.Tests.Torch;

public class OpsTests
{
    /// <summary>Every operator declared in Ops exists in the installed libtorch, with the argument names it relies on.</summary>
    [Fact]
    public void EveryOperatorExistsWithItsArgumentNames()
    {
        RuntimeHelpers.RunClassConstructor(typeof(Ops).TypeHandle);
        var wrong = new List<string>();
        foreach (var op in Op.All.Where(o => o.Name.StartsWith("aten::", StringComparison.Ordinal)))
        {
            string schema;
            try { schema = op.Schema; }
            catch (TorchException e) { wrong.Add(e.Message); continue; }
            var inside = schema[(schema.IndexOf('(') + 1)..schema.LastIndexOf(") ->", StringComparison.Ordinal)];
            var names = Regex.Matches(inside, @"(\w+)(=[^,]*)?(?=,|$)").Select(m => m.Groups[1].Value).ToList();
            if (!op.Arguments.SequenceEqual(names.Take(op.Arguments.Count))) wrong.Add($"{op.Name}: {schema}");
        }
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
        Assert.True(Op.All.Count > 80);
    }
}
