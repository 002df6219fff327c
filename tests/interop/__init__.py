"""What edgecerts makes, judged by programs that it did not come with."""
