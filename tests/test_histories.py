"""What random histories show, and what they have shown once."""

import json

import pytest

from edgecerts.observed.issuance_log import parse_log
from tests.conftest import NOW, SMALL, Project
from tests.histories import tell_one

HISTORIES = 500
BATCHES = 20


@pytest.mark.parametrize("batch", range(BATCHES))
def test_histories_keep_what_is_promised(batch: int) -> None:
    """`python -m tests.histories` tells more of them; .ci/long does so with a new seed each time."""
    for seed in range(batch, HISTORIES, BATCHES):
        tell_one(seed)


@pytest.mark.parametrize("path", [".gitignore", "README.txt", "ca/ca.key", "brokers/plant-a/server.key"])
def test_a_folder_where_a_file_should_be_is_unreadable_and_stays(project: Project, path: str) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / path
    place.unlink()
    place.mkdir()
    (place / "inside").write_bytes(b"something")
    before = project.files()
    planned = project.run("plan")
    assert planned.code == 0
    assert "it is not a plain file" in planned.out
    assert project.run("apply").code == 1
    assert project.files() == before


@pytest.mark.parametrize("field", ["issued_at", "not_after", "not_before", "serial", "address", "reasons"])
@pytest.mark.parametrize("value", [None, 7, ["x"], [7], {"x": 1}, "nonsense", "2026-11-23T12:00:00"])
def test_a_line_of_the_log_with_a_wrong_value_is_passed_over_or_kept_as_text(
    project: Project, field: str, value: object
) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / f"issued/{NOW:%Y}.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[-1][field] = value
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    project.write(SMALL + "  new:\n")
    assert project.run("plan").code == 0
    project.apply()


@pytest.mark.parametrize("line", ["{}", "[]", "7", "null", "[" * 100_000, '{"serial": ' * 100_000, "", "\x00", "{"])
def test_a_line_of_the_log_that_is_no_entry_is_passed_over(line: str) -> None:
    assert list(parse_log(line)) == []


def test_a_gitignore_that_was_cut_off_is_mended_once_and_its_lines_stay(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / ".gitignore"
    whole = place.read_text()
    for cut in range(len(whole)):
        place.write_text(f"mine\n{whole[:cut]}")
        project.apply()
        assert place.read_text().startswith(f"mine\n{whole[:cut]}")
        assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")


def test_a_gitignore_with_our_lines_twice_keeps_what_stands_between_them(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    place = project.output / ".gitignore"
    whole = place.read_text()
    place.write_text(f"{whole}mine\n{whole.replace('*.key', '*.keys')}last\n")
    project.apply()
    assert place.read_text() == f"{whole}mine\n{whole}last\n"
    assert project.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
