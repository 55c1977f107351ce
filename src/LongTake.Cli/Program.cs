using LongTake.Cli;

return Run.Guarded(() => Verbs.Root().Parse(args));
