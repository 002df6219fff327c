"""Every mistake in an inventory and the words for it: tests/inventories/bad/NAME.txt has the files and what is printed.

And what is right: tests/inventories/good/NAME.txt has the files, and a manifest with the same entries typed.
"""

from pathlib import Path

import pytest

from edgecerts.desired import build_graph
from tests.inventory_cases import FOLDER, MANIFEST, PRINTED, TYPED, files_of, parse, printed
from tests.test_manifest_schema import editor_errors

BAD = sorted(FOLDER.glob("bad/*.txt"))
GOOD = sorted(FOLDER.glob("good/*.txt"))


def encoded(case: Path, change: bytes = b"\n", mark: bytes = b"") -> tuple[dict[str, bytes], str]:
    files = files_of(case)
    words = files.pop(PRINTED, "")
    return {name: mark + text.encode().replace(b"\n", change) for name, text in files.items()}, words


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_each_mistake_has_its_words(case: Path) -> None:
    files, words = encoded(case)
    assert printed(files) == words


@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["Windows", "old Macs"])
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_line_ends_and_a_byte_order_mark_change_nothing(case: Path, end: bytes) -> None:
    files, words = encoded(case, end, b"\xef\xbb\xbf")
    assert printed(files) == words


@pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolons", "tabs"])
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_another_delimiter_changes_nothing(case: Path, delimiter: str) -> None:
    """Where a case is about no separator, all of them are the same."""
    files = files_of(case)
    words = files.pop(PRINTED)
    inventories = [text for name, text in files.items() if name != MANIFEST]
    if any(character in text for text in inventories for character in '";\t'):
        return
    changed = {name: text if name == MANIFEST else text.replace(",", delimiter) for name, text in files.items()}
    found = printed({name: text.encode() for name, text in changed.items()})
    assert found.replace(delimiter, ",") == words.replace(delimiter, ",")


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_messages_name_their_file_and_are_written_as_all_others(case: Path) -> None:
    files = files_of(case)
    for line in files[PRINTED].splitlines():
        place, _, message = line.partition(": ")
        name, row, column = place.split(":")
        lines = files[name].splitlines()
        assert 1 <= int(column) <= len([*lines, ""][int(row) - 1]) + 1
        assert message[0].islower() or message[0] in "`'"
        assert not message.endswith(".")
        assert "None" not in message
        assert "c4n4ry" not in message


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.stem)
def test_an_inventory_means_what_the_same_entries_mean(case: Path) -> None:
    files, _ = encoded(case)
    typed = files.pop(TYPED)
    # Without the authority, which takes something from `defaults`: a typed entry says it itself.
    assert build_graph(parse(files)).end_entities == build_graph(parse({MANIFEST: typed})).end_entities


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.stem)
def test_an_editor_accepts_roles_and_inventories(case: Path) -> None:
    files = files_of(case)
    assert editor_errors(files[MANIFEST]) + editor_errors(files[TYPED]) == []


def test_there_are_enough_cases() -> None:
    """A folder that is not found would make every test above pass."""
    assert len(BAD) > 35
    assert len(GOOD) > 5
    assert all(files_of(case)[PRINTED] for case in BAD)


SEEN = frozenset(
    (
        "an-inventory-is-a-mapping",
        "braces-stand-around-a-column",
        "an-inventory-lies-beside-the-manifest",
        "jitter-is-a-duration-or-a-share",
        "there-are-no-roles",
        "what-is-wrong-in-a-role-is-noted-there-once",
    )
)
"""Cases whose mistakes are in the manifest's own text; an editor sees no inventory."""


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_an_editor_sees_what_is_wrong_in_the_manifest(case: Path) -> None:
    assert (editor_errors(files_of(case)[MANIFEST]) != []) == (case.stem in SEEN)
