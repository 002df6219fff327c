"""Cases of several files in one: `=== NAME` begins each file, `=== printed` what is printed for them, and
`=== typed` a manifest without inventories that means the same.
"""

import re
from pathlib import Path

from edgecerts.errors import ManifestError, StorageError
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.files_beside import FileKind
from edgecerts.manifest.model import Manifest
from edgecerts.report.problems import render_problems

FOLDER = Path(__file__).parent / "inventories"
MANIFEST, PRINTED, TYPED = "pki.yaml", "printed", "typed"
HEAD = "version: 1\nca: {common_name: Plant CA}\n"


def files_of(case: Path) -> dict[str, str]:
    """The texts of a case by name."""
    parts = re.split(r"^=== (.+)\n", case.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def parse(files: dict[str, bytes], source: str = MANIFEST) -> Manifest:
    """The manifest with its inventories."""

    def read(name: str, kind: FileKind) -> bytes:
        if name not in files:
            raise StorageError(f"there is no {name}", hint=kind.hint)
        return files[name]

    return parse_manifest(files[MANIFEST], source=source, read_beside=read)


def clients(csv: bytes | str, *, item: str = "", head: str = "") -> Manifest:
    """A manifest whose clients are one inventory."""
    data = csv.encode() if isinstance(csv, str) else csv
    text = f"{HEAD}{head}clients_from: [{{csv: devices.csv{item}}}]\n"
    return parse({MANIFEST: text.encode(), "devices.csv": data})


def printed(files: dict[str, bytes], source: str = MANIFEST) -> str:
    """What is printed for a manifest with mistakes; empty where there are none."""
    try:
        parse(files, source)
    except ManifestError as error:
        return render_problems(error)
    return ""


def problems(csv: bytes | str, *, item: str = "", head: str = "") -> list[str]:
    """The lines that are printed for one inventory of clients."""
    try:
        clients(csv, item=item, head=head)
    except ManifestError as error:
        return render_problems(error).splitlines()
    return []
