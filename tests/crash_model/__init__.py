"""Runs of `apply` on a disk that loses what was not synced: every call a crash, and what is left looked at."""
