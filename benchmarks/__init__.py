"""How fast edgecerts is, as ratios against programs that run beside it: `python -m benchmarks`."""
