"""What is revoked, as values: from the manifest, and from the file beside it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgecerts.errors import ManifestError, StorageError
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.files_beside import FileKind
from edgecerts.manifest.model import Manifest, RenewBefore, Revocation
from edgecerts.pki.revocation_reasons import RevocationReason
from edgecerts.report.problems import render_problems
from tests.conftest import Project

HEAD = "version: 1\nca: {common_name: Plant Edge CA}\n"
GOOD = Path(__file__).parent / "manifests" / "good"


def parse(text: str, beside: str | None = None) -> Manifest:
    """A manifest in a folder named `plant`, with a file beside it."""

    def read(path: str, _kind: FileKind) -> bytes:
        if beside is None:
            raise StorageError(f"there is no {path}", hint="make one")
        return beside.encode()

    return parse_manifest(text.encode(), source="plant/pki.yaml", read_beside=read)


def mistakes(text: str, beside: str | None = None) -> list[str]:
    """What is printed for it."""
    with pytest.raises(ManifestError) as caught:
        parse(text, beside)
    return render_problems(caught.value).splitlines()


def told(entry: Revocation) -> tuple[object, ...]:
    return (entry.name, entry.serial, entry.reason.value, entry.since, entry.note, entry.unknown)


def test_every_key_is_read() -> None:
    manifest = parse((GOOD / "revocation.yaml").read_text())
    assert [told(entry) for entry in manifest.revocations] == [
        ("client/gw-0412", None, "key-compromise", datetime(2026, 11, 20, tzinfo=UTC), "stolen from the van", False),
        ("client/gw-0413", None, "cessation-of-operation", None, None, False),
        ("broker/plant-z", None, "certificate-hold", datetime(2026, 11, 20, 12, 30, tzinfo=UTC), "4711", False),
        (None, 0x4B28C1, "superseded", None, None, False),
        (None, 0x4711, "unspecified", None, None, True),
    ]
    found = manifest.revocation_list
    assert found is not None
    assert (found.validity, found.renew_before) == (timedelta(days=60), RenewBefore(percent=25.0))
    assert (found.url, found.declared) == ("http://pki.example/ca.crl", frozenset({"validity", "renew_before", "url"}))
    assert [(entry.ca, entry.crl) for entry in manifest.authorities[0].also_trust] == [("old-ca.pem", "old.crl")]
    assert not manifest.clients[0].revoke_on_rekey


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", None),
        ("crl:\n", 90),
        ("crl: {}\n", 90),
        ("crl: {validity: 2w}\n", 14),
        ("revoked: []\n", None),
        ("revoked: [{serial: 4b28, reason: superseded}]\n", 90),
        ("defaults: {revoke_on_rekey: true}\nclients: {gw: }\n", 90),
        ("defaults: {revoke_on_rekey: true}\nclients: {gw: {revoke_on_rekey: false}}\n", None),
    ],
)
def test_there_is_a_list_where_something_asks_for_one(text: str, days: int | None) -> None:
    found = parse(HEAD + text).revocation_list
    assert (found and found.validity.days) == days


def test_the_file_beside_the_manifest_comes_second() -> None:
    text = f"{HEAD}revoked: [{{serial: 1, reason: superseded}}]\nrevoked_from: lists/revoked.yaml\n"
    manifest = parse(text, "- {serial: 2, reason: superseded}\n- {name: client/gw, reason: key-compromise}\n")
    assert [(entry.serial, entry.name) for entry in manifest.revocations] == [(1, None), (2, None), (None, "client/gw")]
    assert manifest.revocations[1].mark.file == "plant/lists/revoked.yaml"
    assert manifest.revocations[2].reason is RevocationReason.KEY_COMPROMISE


@pytest.mark.parametrize("beside", ["", "\n", "# none yet\n", "[]\n", "---\n...\n"])
def test_the_file_may_be_empty(beside: str) -> None:
    manifest = parse(f"{HEAD}revoked_from: revoked.yaml\n", beside)
    assert (manifest.revocations, manifest.revocation_list) == ((), None)


def test_a_mistake_in_the_file_has_its_own_position() -> None:
    text = f"{HEAD}clients: {{gw: }}\nrevoked_from: revoked.yaml\nrevoked: [{{serial: x, reason: superseded}}]\n"
    beside = "# since Friday\n- {name: client/gw, reason: superseded}\n- {serial: 4g, reason: superseded}\n"
    assert [line.partition(": ")[0] for line in mistakes(text, beside)] == [
        "plant/pki.yaml:5:20",
        "plant/revoked.yaml:2:10",
        "plant/revoked.yaml:3:12",
    ]
    assert "still declared on line 3 of the manifest" in mistakes(text, beside)[1]


@pytest.mark.parametrize(
    ("beside", "position", "words"),
    [
        ("revoked: []\n", "1:1", "holds a list"),
        ("- {serial: 1\n", "2:1", "expected"),
        ("- &a {serial: 1, reason: superseded}\n", "1:3", "anchors"),
        ("- {serial: 1, serial: 1, reason: superseded}\n", "1:15", "given twice"),
        ("- {serial: 1, reason: superseded}\n---\n[]\n", "2:1", "second document"),
    ],
)
def test_what_is_no_list_is_a_mistake(beside: str, position: str, words: str) -> None:
    (line,) = mistakes(f"{HEAD}revoked_from: revoked.yaml\n", beside)
    assert line.startswith(f"plant/revoked.yaml:{position}: ")
    assert words in line


def test_a_file_that_is_not_there_is_a_mistake_of_the_manifest() -> None:
    assert mistakes(f"{HEAD}revoked_from: revoked.yaml\n") == [
        "plant/pki.yaml:3:15: there is no revoked.yaml; make one"
    ]


def test_the_command_line_reads_the_file(project: Project) -> None:
    project.write(f"{HEAD}revoked_from: revoked.yaml\n")
    result = project.run("validate")
    assert (result.code, "there is no" in result.err + result.out) == (1, True)
    (project.folder / "revoked.yaml").write_text("- {serial: 4g, reason: superseded}\n")
    result = project.run("validate")
    assert (result.code, f"{project.folder}/revoked.yaml:1:12: " in result.err + result.out) == (1, True)
    (project.folder / "revoked.yaml").write_text("- {serial: 4b, reason: superseded}\n")
    assert project.run("validate").code == 0


def test_the_digest_covers_the_file() -> None:
    texts = ("", "- {serial: 1, reason: superseded}\n", "- {serial: 2, reason: superseded}\n")
    digests = {parse(f"{HEAD}revoked_from: revoked.yaml\n", text).digest for text in texts}
    assert len(digests) == len(texts)


def test_ten_thousand_entries_have_their_positions() -> None:
    entries = "".join(f"- {{serial: {number:x}, reason: superseded}}\n" for number in range(1, 10_001))
    manifest = parse(f"{HEAD}revoked_from: revoked.yaml\n", entries)
    assert len(manifest.revocations) == 10_000
    assert manifest.revocations[-1].mark.line == 10_000
