"""Every mistake and the words for it: tests/manifests/bad/NAME.yaml, and in NAME.err all that is printed."""

from pathlib import Path

import pytest

from edgecerts.errors import ManifestError
from edgecerts.manifest import parse_manifest
from edgecerts.report.problems import render_problems

CASES = sorted((Path(__file__).parent / "manifests" / "bad").glob("*.yaml"))


def problems_of(data: bytes) -> str:
    """What is printed for a manifest with mistakes."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(data, source="pki.yaml")
    return render_problems(caught.value)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_mistake_has_its_words(path: Path) -> None:
    assert problems_of(path.read_bytes()) == path.with_suffix(".err").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_line_ends_and_a_byte_order_mark_change_nothing(path: Path) -> None:
    windows = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")
    assert problems_of(windows) == path.with_suffix(".err").read_text(encoding="utf-8")


DIFFERENT = frozenset(
    (
        "an-escape-is-known",  # names the letter behind the backslash instead of the backslash
        "an-unknown-directive-is-refused",  # reads over it
        "an-unknown-yaml-version-is-refused",
        "keys-do-not-step-back-half-way",
    )
)


@pytest.mark.parametrize("path", [path for path in CASES if path.stem not in DIFFERENT], ids=lambda path: path.stem)
def test_the_words_are_the_same_without_libyaml(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    assert problems_of(path.read_bytes()) == path.with_suffix(".err").read_text(encoding="utf-8")


def test_there_are_enough_cases() -> None:
    """A folder that is not found would make every test above pass."""
    assert len(CASES) > 150
    assert len(list(CASES[0].parent.glob("*.err"))) == len(CASES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_messages_are_written_as_all_others(path: Path) -> None:
    """Lower case or a quoted word first, no full stop last, keys of ours in backticks, one line each."""
    for line in path.with_suffix(".err").read_text(encoding="utf-8").splitlines():
        place, _, message = line.partition(": ")
        assert place.startswith("pki.yaml:")
        assert message[0].islower() or message[0] in "`'"
        assert not message.endswith(".")
        assert "None" not in message
