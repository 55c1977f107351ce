using System.CommandLine;
using LongTake.Cli;

var root = new RootCommand("LongTake trains, runs and judges generators of minute-long video.");
foreach (var verb in Verbs.All()) root.Subcommands.Add(verb);
return Run.Guarded(() => root.Parse(args));
