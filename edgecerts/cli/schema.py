"""`edgecerts schema`."""

from edgecerts.cli.console import Console
from edgecerts.errors import ExitCode
from edgecerts.schemas import schema_text


def print_schema(name: str) -> ExitCode:
    """Prints one of the published schemas."""
    Console().result(schema_text(name))
    return ExitCode.DONE
