"""What exists and when it ends, in one word for each identity: the plan's own facts and checks, read for people."""
