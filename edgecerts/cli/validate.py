"""`edgecerts validate`."""

from pathlib import Path

from edgecerts.cli.console import Console
from edgecerts.cli.manifest_file import read_manifest
from edgecerts.errors import ExitCode


def validate(path: Path) -> ExitCode:
    """Checks a manifest.

    Raises:
        StorageError: the file cannot be read.
        ManifestError: every mistake in it.
    """
    manifest = read_manifest(path)
    counts = [(len(manifest.brokers), "broker"), (len(manifest.clients), "client")]
    words = " and ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    Console().result(f"{path} is valid: {words}.\n")
    return ExitCode.DONE
