"""Manifests of any size."""

from pathlib import Path

_HEAD = """\
version: 1
output: pki
defaults:
  subject: {{country: US, organization: Bench}}
  key_type: {key_type}
ca:
  common_name: Bench CA
"""


def write_fleet(
    folder: Path,
    size: int,
    *,
    key_type: str = "ec-p256",
    special: int = 0,
    validity: str = "400d",
    name: str = "pki.yaml",
) -> Path:
    """Writes a manifest.

    Args:
        folder: where it goes; made where it is not there.
        size: how many clients it has.
        special: how many of them, evenly spread, have a validity of their own, which is `validity`.
        name: the file's name.

    Returns:
        the manifest's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    step = size // special if special else 0
    lines = ["clients:\n"]
    for number in range(size):
        own = f"validity: {validity}" if step and number % step == 0 and number // step < special else ""
        lines.append(f"  dev-{number:06}: {{{own}}}\n")
    path = folder / name
    path.write_text(_HEAD.format(key_type=key_type) + "".join(lines), encoding="utf-8")
    return path
