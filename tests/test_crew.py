"""A large fleet is made by several processes: nothing is lost, mixed or left behind, however one of them ends."""

import os
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from edgecerts.apply import carry_out, groups, issuing, key_maker
from edgecerts.apply.file_system import FileSystem
from edgecerts.errors import InvalidKeyError
from edgecerts.observed.issuance_log import parse_log
from edgecerts.pki import certificates
from edgecerts.pki.certificate_facts import CertificateFacts, parse_certificates
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.private_keys import PrivateKey, encode_new_key, generate_private_key, read_key_facts
from tests.conftest import Project, Result
from tests.crash_model.scenarios import apply

SIZE = 60
GROUP = 20


def fleet(size: int = SIZE) -> str:
    return "version: 1\nca: {common_name: Test CA}\nclients:\n" + "".join(f"  dev-{n:03}:\n" for n in range(size))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two other processes help with every fleet from eight on, whatever cores there are."""
    monkeypatch.setattr(carry_out, "_SHARED_FROM", 8)
    monkeypatch.setattr(groups, "_GROUP", GROUP)
    monkeypatch.setattr(carry_out, "other_cores", lambda: 2)


def made(project: Project) -> dict[str, CertificateFacts]:
    """The certificate of each client that has a folder, which holds its key as well."""
    found = {}
    for folder in sorted((project.output / "clients").iterdir()):
        (found[folder.name],) = parse_certificates((folder / "client.pem").read_bytes())
        assert read_key_facts((folder / "client.key").read_bytes()).spki_sha256 == found[folder.name].spki_sha256
    return found


def told(result: Result) -> str:
    """What was printed, without line breaks."""
    return " ".join((result.out + result.err).split())


def check_alone() -> None:
    """No other process is left, not even a dead one."""
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def check_nothing_is_staged(project: Project) -> None:
    assert list((project.output / ".edgecerts/staging").iterdir()) == []


def in_others(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Does something before each key that another process makes."""
    here = os.getpid()

    def generate(key_type: KeyType) -> PrivateKey:
        if os.getpid() != here:
            act()
        return generate_private_key(key_type)

    monkeypatch.setattr(key_maker, "generate_private_key", generate)


@pytest.mark.usefixtures("shared")
def test_a_fleet_is_made_by_all_of_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = project.folder / "pids"

    def note() -> None:
        with pids.open("a") as file:
            file.write(f"{os.getpid()}\n")

    in_others(monkeypatch, note)
    project.write(fleet())
    project.apply()
    counts = pids.read_text().splitlines()
    assert len(set(counts)) == 2
    assert 2 <= len(counts) < SIZE
    found = made(project)
    assert len(found) == SIZE
    assert len({facts.serial_number for facts in found.values()}) == SIZE
    assert len({facts.spki_sha256 for facts in found.values()}) == SIZE
    (log,) = (project.output / "issued").glob("*.jsonl")
    entries = parse_log(log.read_bytes()).entries
    # In the order of the plan, whoever made them.
    assert [entry.address for entry in entries[1:]] == [f"client/{name}/certificate" for name in found]
    assert [entry.sha256 for entry in entries[1:]] == [facts.sha256 for facts in found.values()]
    assert project.run("plan").code == 0
    check_nothing_is_staged(project)
    check_alone()


@pytest.mark.usefixtures("shared")
def test_renewing_keeps_what_people_put_there(project: Project) -> None:
    project.write(fleet())
    project.apply()
    before = made(project)
    (project.output / "clients/dev-007/notes.txt").write_text("mine")
    project.write(fleet().replace("clients:", "defaults: {validity: 90d}\nclients:", 1))
    project.apply()
    after = made(project)
    assert {name: facts.spki_sha256 for name, facts in after.items()} == {
        name: facts.spki_sha256 for name, facts in before.items()
    }
    assert not {facts.sha256 for facts in after.values()} & {facts.sha256 for facts in before.values()}
    assert (project.output / "clients/dev-007/notes.txt").read_text() == "mine"
    assert project.run("plan").code == 0
    check_alone()


@pytest.mark.usefixtures("shared")
def test_one_that_is_killed_loses_only_what_it_had_in_hand(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(fleet())
    with monkeypatch.context() as patch:
        in_others(patch, lambda: os.kill(os.getpid(), signal.SIGKILL))
        result = project.run("apply")
    assert result.code == 1
    assert "a process that was making keys and certificates was ended by SIGKILL" in told(result)
    assert "see that there is memory left" in told(result)
    before = made(project)
    assert SIZE // 2 < len(before) < SIZE
    check_nothing_is_staged(project)
    check_alone()
    project.apply()
    after = made(project)
    assert len(after) == SIZE
    assert {name: after[name].sha256 for name in before} == {name: facts.sha256 for name, facts in before.items()}


@pytest.mark.usefixtures("shared")
def test_a_bug_in_one_is_told_as_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise RuntimeError("unexpected")

    in_others(monkeypatch, fail)
    project.write(fleet())
    result = project.run("apply")
    assert result.code == 1
    assert "was ended by an error (exit code 1)" in told(result)
    check_alone()


@pytest.mark.usefixtures("shared")
def test_what_cannot_be_made_is_told_as_ever(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    def fail_once(key: PrivateKey, password: bytes | None) -> bytes:
        if os.getpid() != here:
            monkeypatch.setattr(issuing, "encode_new_key", encode_new_key)
            raise InvalidKeyError("it does not read back as it was made")
        return encode_new_key(key, password)

    monkeypatch.setattr(issuing, "encode_new_key", fail_once)
    project.write(fleet())
    result = project.run("apply")
    assert result.code == 1
    # Each of the two failed once.
    assert told(result).count("it does not read back as it was made") == 2
    assert len(made(project)) == SIZE - 2


@pytest.mark.usefixtures("shared")
def test_an_interrupt_ends_them_all(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes in the second group."""
    here = os.getpid()

    def generate(key_type: KeyType) -> PrivateKey:
        if os.getpid() == here and (project.output / "clients").exists():
            os.kill(here, signal.SIGINT)
        return generate_private_key(key_type)

    project.write(fleet())
    with monkeypatch.context() as patch:
        patch.setattr(key_maker, "generate_private_key", generate)
        assert project.run("apply").code == 130
    check_alone()
    check_nothing_is_staged(project)
    before = made(project)
    assert len(before) == GROUP
    project.apply()
    after = made(project)
    assert len(after) == SIZE
    assert {name: after[name].sha256 for name in before} == {name: facts.sha256 for name, facts in before.items()}


@pytest.mark.usefixtures("shared")
def test_they_end_with_the_one_that_began_them(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is killed cannot end anybody. The lock is theirs as well, so another run could not begin before."""
    pids = project.folder / "pids"
    main = os.fork()
    if main == 0:
        calls: list[KeyType] = []
        begun = os.getpid()

        def generate(key_type: KeyType) -> PrivateKey:
            if os.getpid() != begun:
                with pids.open("a") as file:
                    file.write(f"{os.getpid()}\n")
                signal.pause()
            calls.append(key_type)
            if len(calls) == 4:
                while not pids.exists():
                    os.sched_yield()
                os.kill(begun, signal.SIGKILL)
            return generate_private_key(key_type)

        try:
            monkeypatch.setattr(key_maker, "generate_private_key", generate)
            project.write(fleet())
            project.run("apply")
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(main, 0)[1]) == -signal.SIGKILL
    for pid in {int(line) for line in pids.read_text().splitlines()}:
        check_ends(pid)
    project.apply()
    assert len(made(project)) == SIZE


def check_ends(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ended = poll.poll(10_000)
    os.close(descriptor)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    assert ended, "it is still there"


@pytest.mark.usefixtures("shared")
def test_two_processes_never_give_one_serial_number_twice(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that repeats itself in each of them is found out by the one that puts everything together."""
    drawn = iter(range(1000, 9000))
    monkeypatch.setattr(certificates, "draw_serial", lambda used: next(drawn))
    project.write(fleet())
    result = project.run("apply")
    assert result.code == 1
    assert "two new certificates have the same serial number" in told(result)
    serials = [facts.serial_number for facts in made(project).values()]
    assert len(serials) == len(set(serials)) < SIZE
    check_nothing_is_staged(project)


class Watched(FileSystem):
    """Something of a test's own, which a copy of this process could not tell anything."""


def forbid_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("there should be one process"))


@pytest.mark.usefixtures("shared")
def test_one_process_makes_a_few(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_copies(monkeypatch)
    project.write(fleet(7))
    project.apply()


@pytest.mark.usefixtures("shared")
def test_one_process_makes_everything_where_calls_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_copies(monkeypatch)
    assert apply(tmp_path, fleet(), Watched()).exit_code == 0


@pytest.mark.usefixtures("shared")
def test_one_process_makes_everything_where_none_can_be_copied(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> NoReturn:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", fail)
    project.write(fleet())
    project.apply()
    assert len(made(project)) == SIZE


@pytest.mark.usefixtures("shared")
def test_keys_that_go_elsewhere_are_made_by_one(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_copies(monkeypatch)
    keys = project.folder.parent / f"{project.folder.name}-keys"
    keys.mkdir(mode=0o700)
    project.write(fleet(10))
    result = project.run("apply", "--new-keys-to", str(keys))
    assert result.code == 0, result.out + result.err
