"""Manifests of any size."""

from collections.abc import Sequence
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
    listed: bool = False,
    more: Sequence[str] = (),
    without: Sequence[str] = (),
    revoked: Sequence[str] = (),
    name: str = "pki.yaml",
) -> Path:
    """Writes a manifest.

    Args:
        folder: where it goes; made where it is not there.
        size: how many clients it has.
        special: how many of them, evenly spread, have a validity of their own, which is `validity`.
        listed: the authority has a revocation list.
        more, without: clients that are there as well, and that are not.
        revoked: clients that are revoked; none of them may be there.
        name: the file's name.

    Returns:
        the manifest's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    absent = frozenset(without)
    step = size // special if special else 0
    lines = ["clients:\n"]
    for number in range(size):
        own = f"validity: {validity}" if step and number % step == 0 and number // step < special else ""
        if f"dev-{number:06}" not in absent:
            lines.append(f"  dev-{number:06}: {{{own}}}\n")
    lines += [f"  {one}: {{}}\n" for one in more]
    lines += ["crl: {}\n"] if listed else []
    if revoked:
        lines.append("revoked:\n")
        lines += [f"  - {{name: client/{one}, reason: superseded}}\n" for one in revoked]
    path = folder / name
    path.write_text(_HEAD.format(key_type=key_type) + "".join(lines), encoding="utf-8")
    return path
