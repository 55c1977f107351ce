using System.CommandLine;
using System.CommandLine.Help;

namespace LongTake.Cli;

/// <summary>The verbs of the program, in the order of its help.</summary>
internal static class Verbs
{
    /// <summary>The program; a plain command, because a root command is called after its file.</summary>
    public static Command Root() =>
        new("longtake", "Train, run and judge generators of minute-long video. Begin with 'longtake demo'.")
        {
            new HelpOption(),
            new VersionOption(),
            DemoVerb.Verb(),
            GenerateVerb.Verb(),
            new Command("take", "Work on takes: extend, remake, branch, compare, export.")
            {
                TakeVerbs.Show(),
                TakeVerbs.Extend(),
                TakeVerbs.Remake(),
                TakeVerbs.BranchOff(),
                TakeCompareVerb.Verb(),
                TakeExportVerb.Verb(),
                TakeVerbs.Verify(),
            },
            TrainVerb.Verb(),
            PlanVerb.Verb(),
            new Command("eval", "Judge videos.") { EvalVerb.World() },
            ReproduceVerb.Verb(),
            new Command("data", "Make data sets of footage.")
            {
                ProbeVerb.Verb(),
                ShotsVerb.Verb(),
                DataVerbs.Ingest(),
                DataVerbs.Filter(),
                DataVerbs.Caption(),
                DataEncodeVerb.Verb(),
                DataVerbs.Report(),
            },
            InspectVerb.Verb(),
            ConvertVerb.Verb(),
            Doctor.Verb(),
        };

    /// <summary>A value may begin with @, which the parser would take for a file of options.</summary>
    public static ParserConfiguration Configuration { get; } = new() { ResponseFileTokenReplacer = null };

    /// <summary>Reads a command line.</summary>
    public static ParseResult Parse(IReadOnlyList<string> args) => Root().Parse(args, Configuration);
}
