"""The command line: flags to calls to reports to exit codes. It sets the clock and decides nothing."""
