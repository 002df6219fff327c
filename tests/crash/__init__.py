"""Real runs of the program, stopped from outside: killed, or asked to end, at a call to the operating system."""
