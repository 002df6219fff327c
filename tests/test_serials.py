"""No serial number is given twice: not one of the log, not one that is here, not one of the same run."""

import json
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from cryptography import x509

from edgecerts.errors import InvalidCertificateError
from edgecerts.pki.certificates import draw_serial
from tests.conftest import SMALL, Project
from tests.readers import read_certificate

LOG = "issued/2026.jsonl"


def draw(monkeypatch: pytest.MonkeyPatch, *numbers: int, last: int) -> None:
    """Makes the generator give these numbers, then the last one for ever."""
    drawn: Iterator[int] = chain(numbers, repeat(last))
    monkeypatch.setattr(x509, "random_serial_number", lambda: next(drawn))


def serials(project: Project) -> list[int]:
    return [int(json.loads(line)["serial"], 16) for line in (project.output / LOG).read_text().splitlines()]


def test_certificates_of_one_run_have_different_numbers(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 7, 7, 7, 8, 7, 8, last=9)
    project.write(SMALL)
    project.apply()
    assert serials(project) == [7, 8, 9]


def test_a_number_of_the_log_is_not_given_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 7, 8, last=9)
    project.write(SMALL)
    project.apply()
    draw(monkeypatch, 9, 8, 7, last=10)
    assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0
    draw(monkeypatch, 9, 8, 7, last=11)
    assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0
    assert serials(project) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("text", [SMALL, SMALL.replace("  MyEACM:\n", "  other:\n")], ids=["declared", "left over"])
def test_a_number_that_is_here_is_not_given_again(project: Project, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    draw(monkeypatch, 7, 8, last=9)
    project.write(SMALL)
    project.apply()
    (project.output / LOG).unlink()
    project.write(text)
    draw(monkeypatch, 7, 8, 9, last=10)
    options = ("--target", "broker/plant-a", "--replace", "broker/plant-a/certificate")
    assert project.run("apply", *options).code == 0
    assert read_certificate(project.output / "brokers/plant-a/server.pem").serial_number == 10


def test_a_generator_that_only_repeats_itself_signs_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, last=7)
    project.write(SMALL)
    result = project.run("apply", "--format", "json")
    assert result.code == 1
    errors = {change["address"]: change["error"] for change in json.loads(result.out)["changes"]}
    assert errors["ca/certificate"] is None
    assert "serial numbers that are in use" in errors["broker/plant-a/certificate"]
    assert serials(project) == [7]


def test_a_line_whose_number_is_none_keeps_nothing_from_being_signed(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    log = project.output / LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(f"{json.dumps({**line, 'serial': 'nonsense'})}\n" for line in lines))
    assert project.run("apply", "--replace", "client/MyEACM/certificate").code == 0


def test_the_draw_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, 1, 2, last=3)
    assert draw_serial({1, 2}) == 3
    draw(monkeypatch, last=1)
    with pytest.raises(InvalidCertificateError):
        draw_serial({1})
