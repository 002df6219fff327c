"""What should exist: a manifest turned into every file with its specification, path and mode."""

from edgecerts.desired.build import build_graph

__all__ = ["build_graph"]
