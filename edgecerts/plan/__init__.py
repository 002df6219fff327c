"""What would change and why: a pure function of what is desired, what is observed and the time."""

from edgecerts.plan.planner import make_plan

__all__ = ["make_plan"]
