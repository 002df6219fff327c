"""`edgecerts init`."""

import os
from pathlib import Path

from edgecerts.cli.console import Console
from edgecerts.cli.half_done import HINT, find_half_done
from edgecerts.errors import ExitCode, StorageError
from edgecerts.manifest.starter import STARTER


def write_starter(path: Path) -> ExitCode:
    """Writes a manifest to start from.

    Raises:
        StorageError: something of that name exists, or it cannot be written; or there is an output folder already.
    """
    output = find_half_done(path)
    if output is not None and not os.path.lexists(path):
        raise StorageError(f"{output} is here already, without {path}", hint=HINT)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        raise StorageError(f"{path} exists already, and was left as it is", hint="-f names another file") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    flag = "" if path == Path("pki.yaml") else f" -f {path}"
    Console().result(f"Wrote {path}. Edit it, then run: edgecerts plan{flag}\n")
    return ExitCode.DONE
