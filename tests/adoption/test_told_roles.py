"""What a certificate is can be told, and what is not certain loses nothing."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.adoption.sources import CLIENT, SERVER, Issued, Profile, issue, write
from tests.adoption.test_matching import found_codes, planned, take_over
from tests.conftest import Project
from tests.readers import read_certificate

BOTH = {SERVER, CLIENT}
ADDRESS = x509.IPAddress(ip_address("10.3.0.11"))
SILENT_BROKER = Profile(alt_names=(ADDRESS,))


def folder(source: Path, authority: Issued, **leaves: Issued) -> Path:
    files = {"ca.pem": authority.pem, "ca.key": authority.key_pem()}
    for name, leaf in leaves.items():
        files |= {f"{name}.pem": leaf.pem, f"{name}.key": leaf.key_pem()}
    return write(source, files)


def addresses(project: Project, source: Path, *arguments: str) -> list[str]:
    document = take_over(project, source, *arguments)
    return [entry["address"] for entry in document["entries"]]


def usages(path: Path) -> set[x509.ObjectIdentifier]:
    return set(read_certificate(path).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_roles_can_be_told(project: Project, source: Path, authority: Issued) -> None:
    folder(
        source,
        authority,
        x=issue("10.3.0.40", Profile(), by=authority),
        y=issue("hub", Profile(), by=authority),
        z=issue("gw-1", Profile(usages=(SERVER, CLIENT), alt_names=(x509.DNSName("gw-1.example"),)), by=authority),
    )
    document = take_over(project, source, "--client", "10.3.0.40", "--broker", "Y", "--client", "gw-*")
    found = {entry["address"]: entry["evidence"] for entry in document["entries"]}
    assert found == {"broker/hub": "told", "client/gw-1": "told", "client/x": "told"}
    assert not any("uncertain-role" in found_codes(document, address) for address in found)
    text = project.manifest.read_text()
    assert text.count("usages: [server, client]") == 1, "which is what the certificate of gw-1 has"


def test_a_pattern_changes_nothing_that_a_certificate_says_itself_and_a_name_does(
    project: Project, source: Path, authority: Issued
) -> None:
    broker = issue(
        "broker.example", Profile(usages=(SERVER,), alt_names=(x509.DNSName("broker.example"),)), by=authority
    )
    folder(source, authority, x=broker, y=issue("unit", Profile(), by=authority))
    assert addresses(project, source, "--client", "*") == ["broker/broker.example", "client/unit"]
    project.manifest.unlink()
    assert addresses(project, source, "--output", str(project.folder / "b"), "--client", "broker.example") == [
        "client/broker.example",
        "client/unit",
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--client", "nobody"), "--client: no certificate that the authority issued has the name 'nobody'"),
        (("--broker", "u*", "--client", "*t"), "both --broker and --client are told for unit"),
        (("--broker", "unit", "--client", "x"), "both --broker and --client are told for unit"),
    ],
)
def test_what_is_told_wrongly_is_a_usage_error(
    project: Project, source: Path, authority: Issued, arguments: tuple[str, ...], problem: str
) -> None:
    folder(source, authority, x=issue("unit", Profile(), by=authority))
    result = project.run("import", str(source), *arguments)
    assert result.code == 64
    assert problem in result.err
    assert not project.manifest.exists()


def test_a_name_goes_before_a_pattern(project: Project, source: Path, authority: Issued) -> None:
    folder(source, authority, x=issue("hub", Profile(), by=authority), y=issue("unit", Profile(), by=authority))
    assert addresses(project, source, "--broker", "hub", "--client", "*") == ["broker/hub", "client/unit"]


def test_what_may_be_either_goes_on_serving_as_both(project: Project, source: Path, authority: Issued) -> None:
    """The first plan makes nothing of it again, and what is made later may be used as before."""
    folder(
        source,
        authority,
        x=issue("10.3.0.11", SILENT_BROKER, by=authority),
        y=issue("unit", Profile(usages=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), by=authority),
        server=issue("10.3.0.12", Profile(alt_names=(x509.IPAddress(ip_address("10.3.0.12")),)), by=authority),
    )
    document = take_over(project, source)
    assert [entry["evidence"] for entry in document["entries"]] == ["names-and-files", "names", "nothing"]
    assert planned(project) == {}
    for entry in document["entries"]:
        assert project.run("apply", "--replace", f"{entry['address']}/certificate").code == 0
    assert usages(project.output / "brokers/x/server.pem") == BOTH
    assert usages(project.output / "clients/unit/client.pem") == BOTH
    assert usages(project.output / "brokers/10.3.0.12/server.pem") == {SERVER}


def test_devices_that_have_their_own_name_as_host_name_keep_both_usages(
    project: Project, source: Path, authority: Issued
) -> None:
    device = Profile(usages=(SERVER, CLIENT), alt_names=(x509.DNSName("gw-07"),))
    folder(source, authority, x=issue("gw-07", device, by=authority))
    assert addresses(project, source) == ["client/gw-07"]
    assert "usages: [server, client]" in project.manifest.read_text()
    assert planned(project) == {}


def test_what_is_uncertain_is_said_once_for_all_and_the_hint_works(
    project: Project, source: Path, authority: Issued
) -> None:
    leaves = {f"u{number}": issue(f"unit {number}", Profile(), by=authority) for number in range(5)}
    folder(source, authority, x=issue("10.3.0.11", SILENT_BROKER, by=authority), **leaves)
    text = " ".join(project.run("import", str(source), "--dry-run").out.split())
    assert text.count("uncertain-role") == 1
    assert "6 certificates do not say whether a broker or a client has it; taken for a broker's: 10.3.0.11;" in text
    assert "taken for a client's: unit 0, unit 1, unit 2 and 2 more" in text
    assert "--broker 10.3.0.11 --client 'unit 0'" in text
    assert (
        "uncertain-role" not in project.run("import", str(source), "--dry-run", "--broker", "10*", "--client", "u*").out
    )
