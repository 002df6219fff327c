"""The manifest that an import writes: valid whatever a certificate says, readable, and always the same."""

from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecerts.adoption.adopt import build_adoption
from edgecerts.adoption.declaring import declare_lifetime, lifetime_of
from edgecerts.adoption.material import FoundCertificate, FoundKey, Material, Place
from edgecerts.adoption.promise import keep_promises
from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.model import Manifest, Mark
from edgecerts.manifest.yaml_text import load_tree
from edgecerts.pki.certificate_facts import describe_certificate
from edgecerts.pki.private_keys import describe_key
from edgecerts.plan.certificate_checks import AUTHORITY_CHAIN, END_ENTITY_CHAIN, CheckInput
from edgecerts.plan.issuer import IssuerView
from edgecerts.plan.model import ReasonCode
from edgecerts.report.manifest_text import render_manifest
from edgecerts.report.yaml_scalar import yaml_scalar
from tests.adoption.sources import CA, CLIENT, SERVER, Issued, Profile, issue
from tests.adoption.test_matching import take_over
from tests.conftest import NOW, Project

# The library warns of names that no authority should have written. They are what is looked at here.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")

FIELDS = (
    NameOID.COUNTRY_NAME,
    NameOID.STATE_OR_PROVINCE_NAME,
    NameOID.LOCALITY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.EMAIL_ADDRESS,
    NameOID.SERIAL_NUMBER,
    NameOID.USER_ID,
    NameOID.COMMON_NAME,
)
TEXTS = st.text(min_size=1, max_size=20) | st.sampled_from(
    [
        *("US", "us", "NO", "null", "~", "true", "1.10", "012", "12:30", "2026-11-23", "0x1F", "1e3", ".5", "-", "- x"),
        *("a: b", "a #b", "#b", "'x'", '"x"', "\\", "&a", "*a", "!x", "%x", "@x", "`x", "{a: b}", "[a]", "a, b", "x:"),
        *(
            " x",
            "x ",
            "pki@this-company.example",
            "ACME & Söhne GmbH",
            "\u202e",
            "\ufeff",
            "\x1b[31m",
            "a\nb",
            "😀",
            "\xa0x",
        ),
        *("10.3.0.11", "fd00::1", "broker.plant.example", "*.plant.example", "Plant CA", "con", "x" * 64, "y", "No"),
    ]
)
ATTRIBUTES = st.lists(st.tuples(st.sampled_from(FIELDS), TEXTS), max_size=6)


def named(attributes: list[tuple[x509.ObjectIdentifier, str]]) -> x509.Name:
    """A name with whatever values, also those that the library would refuse."""
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes])


def material_of(*issued: Issued) -> Material:
    found = tuple(
        FoundCertificate(facts=describe_certificate(made.certificate), places=(Place(path=f"{n}\n#.pem", mode=0o644),))
        for n, made in enumerate(issued)
    )
    key = FoundKey(facts=describe_key(ROOT.key), private_key=ROOT.key, places=())
    return Material(certificates=found, keys=(key,), files=len(found))


def manifest_of(*issued: Issued) -> tuple[str, Manifest]:
    adoption = build_adoption(material_of(*issued), source="old", now=NOW, wanted="Plant CA")
    text = render_manifest(adoption, output="pki")
    return text, parse_manifest(text.encode("utf-8"), source="pki.yaml")


ROOT = issue("Plant CA", CA)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(ATTRIBUTES, st.sampled_from([(), (SERVER,), (CLIENT,)])), max_size=6))
def test_whatever_certificates_say_the_manifest_is_valid_and_they_are_as_declared(
    leaves: list[tuple[list[tuple[x509.ObjectIdentifier, str]], tuple[x509.ObjectIdentifier, ...]]],
) -> None:
    made = []
    for attributes, usages in leaves:
        try:
            made.append(issue(named(attributes), Profile(usages=usages), by=ROOT, key=ROOT.key))
        except (ValueError, UnicodeEncodeError):
            continue  # No certificate can say that.
    text, manifest = manifest_of(ROOT, *made)
    assert text == manifest_of(ROOT, *made)[0]
    graph = build_graph(manifest)
    promised = keep_promises(build_adoption(material_of(ROOT, *made), source="old", now=NOW, wanted="Plant CA"), graph)
    by_address = {entry.address: entry for entry in promised.entries}
    assert {identity.address for identity in graph.end_entities} == by_address.keys()
    root = describe_certificate(ROOT.certificate)
    view = IssuerView(
        judged=True, facts=root, name_der=root.subject_der, key_id=root.subject_key_id, public_key=ROOT.key.public_key()
    )
    for identity in graph.end_entities:
        entry = by_address[identity.address]
        checked = CheckInput(artifact=identity.certificate, facts=entry.certificate.facts, issuer=view, key=None,
                             key_type=identity.private_key.key_type, issuer_ends=frozenset(), now=NOW)  # fmt: skip
        reasons = {reason.code for check in END_ENTITY_CHAIN for reason in check(checked)}
        said = {finding.outcome.value for finding in entry.findings}
        assert bool(reasons) == ("updated" in said), (reasons, entry.findings, text)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ATTRIBUTES)
def test_whatever_an_authority_is_called_it_stays_or_is_listed(
    attributes: list[tuple[x509.ObjectIdentifier, str]],
) -> None:
    try:
        root = issue(named(attributes), CA, key=ROOT.key)
    except (ValueError, UnicodeEncodeError):
        return
    adoption = build_adoption(material_of(root), source="old", now=NOW, wanted=None)
    if adoption.authority is None:
        assert [entry.code.value for entry in adoption.left_out] == ["other-authority"]
        return
    manifest = parse_manifest(render_manifest(adoption, output=None).encode(), source="pki.yaml")
    identity = build_graph(manifest).authorities[0]
    facts = describe_certificate(root.certificate)
    checked = CheckInput(artifact=identity.certificate, facts=facts, issuer=None, key=None,
                         key_type=identity.private_key.key_type, issuer_ends=frozenset(), now=NOW)  # fmt: skip
    assert [reason.code for check in AUTHORITY_CHAIN for reason in check(checked)] == []
    assert identity.fingerprint == describe_certificate(root.certificate).spki_sha256


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_a_scalar_is_read_back_as_the_same_text(text: str) -> None:
    written = yaml_scalar(text)
    assert "\n" not in written
    if text.isprintable():
        assert yaml.safe_load(f"x: {written}") == {"x": text}
        tree = load_tree(f"x: {written}\n", Mistakes("x"))
        assert str(tree["x"]) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("THIS_COMPANY INC", "THIS_COMPANY INC"),
        ("10.3.0.11", "10.3.0.11"),
        ("pki@this-company.example", "pki@this-company.example"),
        ("NO", '"NO"'),
        ("012", '"012"'),
        ("ACME & Söhne", '"ACME & Söhne"'),
        ("fd00::1", '"fd00::1"'),
        ('say "x" \\', '"say \\"x\\" \\\\"'),
        ("", '""'),
        ("a\u00a0b", '"a\\u00a0b"'),
    ],
)
def test_scalars_are_quoted_only_where_they_have_to_be(text: str, written: str) -> None:
    assert yaml_scalar(text) == written


@pytest.mark.parametrize("days", [0.01, 0.5, 1, 7, 10, 12, 30, 89.99, 90, 365, 824.5, 825.4, 3650, 36499, 36501, 90000])
def test_a_lifetime_is_declared_closely_enough(days: float) -> None:
    root = issue("Plant CA", Profile(is_ca=True, key_usage=CA.key_usage, days=100_000))
    leaf = issue("10.3.0.11", Profile(usages=(SERVER,), days=days), by=root)
    _, manifest = manifest_of(root, leaf)
    (identity,) = build_graph(manifest).end_entities
    facts = describe_certificate(leaf.certificate)
    checked = CheckInput(artifact=identity.certificate, facts=facts, issuer=None, key=None, key_type=None,
                         issuer_ends=frozenset(), now=NOW)  # fmt: skip
    codes = {reason.code for check in END_ENTITY_CHAIN for reason in check(checked)}
    assert (ReasonCode.VALIDITY_CHANGED in codes) == (days < 0.04)
    assert (lifetime_of(declare_lifetime(facts)) is None) == (days > 36499)


def test_what_most_have_in_common_is_said_once(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    source = tmp_path_factory.mktemp("source")

    def of(name: str, *others: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
        return named([(NameOID.COUNTRY_NAME, "US"), *others, (NameOID.COMMON_NAME, name)])

    acme = (NameOID.ORGANIZATION_NAME, "ACME")
    root = issue(of("Plant CA", acme), CA)
    leaves = [
        issue(of("one", acme), Profile(usages=(CLIENT,), days=365), by=root),
        issue(of("two", acme), Profile(usages=(CLIENT,), days=365), by=root),
        issue(of("three"), Profile(usages=(CLIENT,), days=90), by=root),
    ]
    for number, made in enumerate((root, *leaves)):
        Path(source, f"{number}.pem").write_bytes(made.pem)
    take_over(project, source)
    text = project.manifest.read_text()
    said = [line for line in text.splitlines() if line.strip() and "#" not in line and "fingerprint" not in line]
    assert said == [
        "version: 1",
        "defaults:",
        "  subject:",
        "    country: US",
        "    organization: ACME",
        "  key_type: ec-p256",
        "  validity: 365d",
        "ca:",
        "  common_name: Plant CA",
        "  key_type: ec-p256",
        "  validity: 3650d",
        "clients:",
        "  one:",
        "    key_held: delivered",
        "  three:",
        "    subject:",
        '      organization: ""',
        "    validity: 90d",
        "    key_held: delivered",
        "  two:",
        "    key_held: delivered",
    ]
    assert Mark(line=1, column=1)
