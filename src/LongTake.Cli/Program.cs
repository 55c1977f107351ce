using LongTake.Cli;

return Run.Guarded(() => Verbs.Parse(args));
