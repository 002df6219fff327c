"""`edgecerts validate`."""

from pathlib import Path

from edgecerts.cli.console import Console
from edgecerts.cli.manifest_file import read_manifest
from edgecerts.errors import ExitCode, ManifestError
from edgecerts.report.printable import printable
from edgecerts.report.problems import render_problems


def validate(path: Path) -> ExitCode:
    """Checks a manifest and prints every mistake in it.

    Raises:
        StorageError: the file cannot be read.
    """
    console = Console()
    try:
        manifest = read_manifest(path)
    except ManifestError as error:
        # Here the mistakes are the result; for every other command they are why there is none.
        console.result(render_problems(error))
        return ExitCode.ERROR
    counts = [(len(manifest.brokers), "broker"), (len(manifest.clients), "client")]
    words = " and ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    listed = [f"{file.entries:,} from {file.path}" for file in manifest.inventories]
    inventories = f" ({', '.join(listed)})" if listed else ""
    console.result(printable(f"{path} is valid: {words}{inventories}.") + "\n")
    return ExitCode.DONE
