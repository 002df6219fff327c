"""A plan that was saved to be reviewed: what it rests on, and which of its changes still hold in a fresh one."""
