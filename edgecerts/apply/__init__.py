"""Carries out a plan: the only stage that writes, fetches passwords and signs. It decides nothing."""

from edgecerts.apply.run import Run, run_apply

__all__ = ["Run", "run_apply"]
