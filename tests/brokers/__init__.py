"""Real brokers on this machine, started with the files as they come."""
