"""Who runs this, for the issuance log."""

import getpass
import socket
from collections.abc import Mapping

_LONGEST = 200


def describe_job(environ: Mapping[str, str]) -> str:
    """A CI job's address where there is one, else the user and host."""
    return "".join(character for character in _job(environ) if character.isprintable())[:_LONGEST]


def _job(environ: Mapping[str, str]) -> str:
    if "CI_JOB_URL" in environ:
        return environ["CI_JOB_URL"]
    if "GITHUB_RUN_ID" in environ:
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ['GITHUB_RUN_ID']}"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
