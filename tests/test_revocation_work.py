"""What older lists say is gathered a fixed number of times, however many entries they have.

Counted calls do not show it: one comprehension that is gone through again for every entry is one call each time.
"""

from collections.abc import Mapping

import pytest

from edgecerts.pki.revocation_lists import RevokedEntry
from edgecerts.plan.revocations import Revocations
from tests.conftest import Project
from tests.revocation_lists import HEAD, entries


def count_gatherings(project: Project, monkeypatch: pytest.MonkeyPatch, many: int) -> int:
    """How often a plan gathers them, where there is a list with so many entries."""
    unknown = "".join(
        f"- {{serial: '{number:x}', reason: superseded, unknown: true}}\n" for number in range(1, many + 1)
    )
    project.write(HEAD + "  gw-1:\nrevoked_from: revoked.yaml\n")
    (project.folder / "revoked.yaml").write_text(unknown)
    project.apply()
    assert len(entries(project)) == many
    gather, count = Revocations.listed, 0

    def counted(revocations: Revocations) -> Mapping[int, RevokedEntry]:
        nonlocal count
        count += 1
        assert isinstance(gather, property)
        assert gather.fget is not None
        found: Mapping[int, RevokedEntry] = gather.fget(revocations)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Revocations, "listed", property(counted))
        assert project.run("plan").code == 0
    return count


def test_older_lists_are_gathered_as_often_for_many_entries_as_for_few(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = count_gatherings(project, monkeypatch, 2)
    assert few > 0
    assert count_gatherings(project, monkeypatch, 60) == few
