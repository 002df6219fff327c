"""From when to when a certificate is valid, at a fixed clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.conftest import NOW, Project
from tests.interop.plants import Plant, make_plant
from tests.interop.programs import run_program

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

_UTC_TIME, _GENERALIZED_TIME = b"\x17\x0d", b"\x18\x0f"


def make(project: Project, ca: str = "", broker: str = "") -> tuple[x509.Certificate, x509.Certificate]:
    """The authority's and a broker's certificate of a manifest with these lines in it."""
    project.write(
        f"version: 1\nca: {{common_name: Test CA{ca}}}\nbrokers:\n  b: {{common_name: broker.example{broker}}}\n"
    )
    project.apply()
    plant = Plant(output=project.output)
    return plant.load_ca(), plant.broker("b").load()


def period(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def test_a_certificate_begins_an_hour_ago_and_lives_as_long_as_declared(project: Project) -> None:
    ca, broker = make(project, ", validity: 20y", ", validity: 90d")
    assert period(ca) == (NOW - HOUR, NOW - HOUR + 20 * 365 * DAY)
    assert period(broker) == (NOW - HOUR, NOW - HOUR + 90 * DAY)


def test_the_default_lifetimes_are_ten_years_and_825_days(project: Project) -> None:
    ca, broker = make(project)
    assert period(ca) == (NOW - HOUR, NOW - HOUR + 3650 * DAY)
    assert period(broker) == (NOW - HOUR, NOW - HOUR + 825 * DAY)


@pytest.mark.parametrize(("hours", "minutes"), [(1, 3), (2, 6), (19, 57), (20, 60), (21, 60)])
def test_a_short_lifetime_is_backdated_by_a_twentieth(project: Project, hours: int, minutes: int) -> None:
    _, broker = make(project, broker=f", validity: {hours}h")
    begin = NOW - timedelta(minutes=minutes)
    assert period(broker) == (begin, begin + hours * HOUR)


def test_a_certificate_lies_within_its_short_lived_authoritys_lifetime(project: Project) -> None:
    ca, broker = make(project, ", validity: 10h", ", validity: 90d")
    assert period(ca) == (NOW - HOUR / 2, NOW - HOUR / 2 + 10 * HOUR)
    assert period(broker) == period(ca)


def test_a_certificate_that_ends_before_its_short_lived_authority_begins_with_it(project: Project) -> None:
    """A shorter lifetime under a CA that is itself only minutes old: both of its ends lie within the CA's."""
    ca, broker = make(project, ", validity: 30h", ", validity: 29h")
    assert period(ca)[0] <= period(broker)[0] < NOW < period(broker)[1] <= period(ca)[1]


def test_an_exact_end_is_kept_to_the_second(project: Project) -> None:
    _, broker = make(project, broker=", not_after: 2027-02-28T23:59:59+01:00")
    assert period(broker) == (NOW - HOUR, datetime(2027, 2, 28, 22, 59, 59, tzinfo=UTC))


def test_fractions_of_a_second_of_the_clock_do_not_reach_a_certificate(project: Project) -> None:
    project.now = NOW.replace(microsecond=987654)
    ca, broker = make(project)
    assert period(broker)[0] == period(ca)[0] == NOW - HOUR


@pytest.mark.parametrize(
    ("last", "encoded"),
    [
        ("2049-12-31T23:59:59Z", _UTC_TIME + b"491231235959Z"),
        ("2050-01-01T00:00:00Z", _GENERALIZED_TIME + b"20500101000000Z"),
        ("9999-12-31T23:59:59Z", _GENERALIZED_TIME + b"99991231235959Z"),
    ],
)
def test_a_date_changes_its_form_in_2050(project: Project, last: str, encoded: bytes) -> None:
    """RFC 5280 §4.1.2.5."""
    for certificate in make(project, f", not_after: {last}", f", not_after: {last}"):
        assert encoded in certificate.public_bytes(Encoding.DER)
        assert _UTC_TIME + b"261123110000Z" in certificate.public_bytes(Encoding.DER)


def test_a_certificate_without_an_end_is_accepted_under_an_authority_without_an_end(tmp_path: Path) -> None:
    plant = make_plant(
        tmp_path,
        "version: 1\n"
        "defaults: {not_after: 9999-12-31T23:59:59Z}\n"
        "ca: {common_name: Test CA, not_after: 9999-12-31T23:59:59Z}\n"
        "brokers: {b: {common_name: broker.example}}\n",
    )
    server = plant.broker("b").certificate
    openssl = run_program(
        "openssl", "verify", "-x509_strict", "-CAfile", plant.ca, "-verify_hostname", "broker.example", server
    )
    assert openssl.returncode == 0, openssl.stderr
    gnutls = run_program("certtool", "--verify", "--load-ca-certificate", plant.ca, "--infile", server)
    assert gnutls.returncode == 0, gnutls.stdout
