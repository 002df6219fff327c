"""An output folder without its manifest: what an interrupted import leaves."""

import os
from pathlib import Path

from edgecerts.manifest.output import DEFAULT_OUTPUT

_OURS = (".edgecerts", "ca")
"""Written here, because the graph's modules load the cryptographic library, which `init` has no use for."""

HINT = "if an import was interrupted, run the same import again; else bring the manifest back"


def find_half_done(manifest: Path) -> Path | None:
    """The output folder beside a manifest that is not there, where somebody has begun to fill it.

    A new authority in it would stand beside the one that an import was taking over. Where another manifest is here, it
    may be that one's.
    """
    if any(beside.suffix in (".yaml", ".yml") for beside in _beside(manifest)):
        return None
    output = manifest.parent / DEFAULT_OUTPUT
    return output if any(os.path.lexists(output / name) for name in _OURS) else None


def _beside(manifest: Path) -> list[Path]:
    try:
        return [path for path in manifest.parent.iterdir() if path != manifest]
    except OSError:
        return []
