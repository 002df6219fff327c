"""The commands of docs/adopt.md, really run on a folder that openssl made, with what the page says they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adoption.sources import VENDOR_PASSWORD, make_vendor_folder, snapshot
from tests.interop.programs import find_program
from tests.readers import key_and_certificate_match

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/adopt.md").read_text(encoding="utf-8")
CUT = "..."


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


def timeless(text: str) -> list[str]:
    """Lines without what is another one each time: dates, digests and serial numbers."""
    text = re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)
    text = re.sub(r"\b[0-9a-f]{12}(?=\.\.\.)|(?<=sha256:)[0-9a-f]{64}|\b20\d\d(?=\.jsonl)", "ITS", text)
    return [line.rstrip() for line in text.strip().splitlines()]


def is_in(sample: list[str], printed: list[str]) -> bool:
    """Whether all lines were printed in this order; between those around `...` there may be more."""
    groups = "\n".join(sample).split(f"\n{CUT}\n")
    found = re.search(".*".join(map(re.escape, groups)), "\n".join(printed), re.S)
    return found is not None


def test_a_folder_of_openssl_files_is_taken_over_as_the_page_says(tmp_path: Path) -> None:
    old = make_vendor_folder(tmp_path / "old")
    before = snapshot(old)
    program = tmp_path / "bin/edgecerts"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgecerts "$@"\n')
    program.chmod(0o755)
    environ = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "OLD_PASSWORD": VENDOR_PASSWORD,
    }
    printed = []
    for commands in fenced("bash"):
        done = subprocess.run(
            [find_program("bash"), "-euo", "pipefail", "-c", commands],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        printed.append(done.stdout)
    tree, report, plan = fenced("text")
    looked, taken_over, applied = printed
    assert set(re.findall(r"── (\S+)", tree)) == {path.name for path in old.iterdir()}
    assert timeless(report) == timeless(looked)
    assert is_in(timeless(plan), timeless(taken_over)), taken_over
    assert timeless(applied)[-1] == "Nothing to do: 11 files as declared.", applied
    (manifest,) = fenced("yaml")
    assert is_in(timeless(manifest), timeless((tmp_path / "pki.yaml").read_text()))
    assert snapshot(old) == before
    assert (tmp_path / "pki/ca/ca.pem").read_bytes() == (old / "ca.pem").read_bytes()
    assert key_and_certificate_match(tmp_path / "pki/ca/ca.key", old / "ca.pem", VENDOR_PASSWORD.encode())
    assert key_and_certificate_match(tmp_path / "pki/brokers/10.3.0.11/server.key", old / "server.pem")


@pytest.mark.parametrize("sample", [["a", "c"], ["b", "a"], ["a", CUT, "d"]])
def test_a_sample_that_was_not_printed_is_noticed(sample: list[str]) -> None:
    assert is_in(["a", CUT, "c"], ["a", "b", "c"])
    assert not is_in(sample, ["a", "b", "c"])
