"""Running the programs that judge: found wherever the system keeps them, and skipped clearly where it does not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_PACKAGES = {
    "openssl": "openssl",
    "certtool": "gnutls-bin",
    "mosquitto": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "strace": "strace",
    "easyrsa": "easy-rsa",
    "mkcert": "mkcert",
    "cfssl": "golang-cfssl",
    "cfssljson": "golang-cfssl",
}
"""By program: the Debian package that has it."""

# Debian keeps daemons, and easy-rsa, where the search path of an ordinary user does not look.
_SEARCH_PATH = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/share/easy-rsa")
)


def find_program(name: str) -> str:
    """Where a program is. Skips the test where it is not installed."""
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        pytest.skip(f"{name} is not installed; on Debian it is in the package {_PACKAGES[name]}")
    return path


def run_program(
    name: str,
    *arguments: str | Path,
    timeout: float = 30,
    cwd: Path | None = None,
    given: str = "",
    **environ: str,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, in English and without a terminal.

    Args:
        cwd: where it runs.
        given: its standard input.
    """
    return subprocess.run(
        [find_program(name), *map(str, arguments)],
        input=given,
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **environ},
    )
