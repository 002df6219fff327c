"""What a right manifest means."""

import hashlib
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgecerts.manifest import parse_manifest
from edgecerts.manifest.model import (
    EndEntity,
    EndEntityKind,
    KeyHeld,
    Lifetime,
    Manifest,
    Mark,
    PasswordSource,
    PrivateKeySource,
    Rekey,
    RenewBefore,
    Request,
    TrustedCA,
)
from edgecerts.manifest.starter import STARTER
from edgecerts.pki.key_types import KeyType
from edgecerts.pki.names import Subject
from edgecerts.pki.profiles import Usage

GOOD = Path(__file__).parent / "manifests" / "good"


def good(name: str) -> Manifest:
    """A manifest of tests/manifests/good."""
    return parse_manifest((GOOD / f"{name}.yaml").read_bytes(), source=f"{name}.yaml")


def parse(text: str) -> Manifest:
    """A manifest with an authority and the given text."""
    return parse_manifest(f"version: 1\nca: {{common_name: CA}}\n{text}".encode(), source="pki.yaml")


def by_name(manifest: Manifest) -> dict[str, EndEntity]:
    """Brokers and clients by their names."""
    return {entity.name: entity for entity in (*manifest.brokers, *manifest.clients)}


def names(entity: EndEntity) -> list[str]:
    """The alternative names, each as its kind and its value."""
    return [f"{name.kind.value} {name.value}" for name in entity.alt_names]


def test_every_good_manifest_is_read() -> None:
    assert len(list(GOOD.glob("*.yaml"))) == 15
    for path in GOOD.glob("*.yaml"):
        parse_manifest(path.read_bytes(), source=str(path))


def test_a_small_plant_as_a_whole() -> None:
    manifest = good("a-small-plant")
    (authority,) = manifest.authorities
    company = {"country": "US", "state": "Texas", "organization": "THIS_COMPANY INC"}
    email = "pki@this-company.example"
    assert manifest.source == "a-small-plant.yaml"
    assert manifest.output == "pki"
    assert authority.name == ""
    assert authority.subject == Subject(**company, common_name="THIS_COMPANY Edge CA", email=email)
    assert [str(name) for name in authority.alt_names] == [f"email:{email}"]
    assert authority.key_type is KeyType.RSA_4096
    assert authority.lifetime == Lifetime(validity=timedelta(days=3650))
    assert authority.password == PasswordSource(env="EDGECERTS_CA_PASSWORD")
    assert authority.declared == {"common_name", "key_type", "validity", "password", "subject"}
    broker, first, second = by_name(manifest).values()
    assert (broker.kind, first.kind) == (EndEntityKind.BROKER, EndEntityKind.CLIENT)
    assert broker.subject == Subject(**company, common_name="10.3.0.11", email=email)
    assert names(broker) == ["ip 10.3.0.11", "dns broker.plant-a.example", "ip 10.3.0.12", f"email {email}"]
    assert broker.usages == {Usage.SERVER}
    assert first.subject.common_name == "MyEACM"
    assert names(first) == [f"email {email}"]
    assert first.usages == {Usage.CLIENT}
    assert second.subject.common_name == "LINE4"
    assert second.key_type is KeyType.RSA_2048
    assert second.password == PasswordSource(file="secrets/line4.txt")
    assert (broker.mark, second.mark) == (Mark(line=22, column=3), Mark(line=28, column=3))


def test_what_is_not_said_is_the_default() -> None:
    manifest = parse("brokers:\n  b: {common_name: b.example}\nclients:\n  c:\n")
    (authority,) = manifest.authorities
    assert manifest.output == "pki"
    assert authority.key_type is KeyType.EC_P256
    assert authority.lifetime == Lifetime(validity=timedelta(days=3650))
    assert authority.end_entity_validity == timedelta(days=825)
    assert (authority.renew_before, authority.password, authority.fingerprint) == (None, None, None)
    assert (authority.alt_names, authority.also_trust) == ((), ())
    for entity in by_name(manifest).values():
        assert entity.key_type is KeyType.EC_P256
        assert entity.lifetime == Lifetime(validity=timedelta(days=825))
        assert (entity.key_held, entity.rekey) == (KeyHeld.HERE, Rekey.NEVER)
        assert (entity.renew_before, entity.password) == (None, None)


def test_defaults_of_ours_are_not_declared() -> None:
    manifest = parse("brokers:\n  b: {common_name: b.example}\nclients:\n  c:\n")
    assert manifest.authorities[0].declared == {"common_name"}
    assert by_name(manifest)["b"].declared == {"common_name"}
    assert by_name(manifest)["c"].declared == frozenset()


def test_every_key_that_is_given_is_declared() -> None:
    manifest = parse(
        "brokers:\n  b: {common_name: b.example, alt_names: [], usages: [server], ip_as_dns: false}\n"
        "clients:\n  c: {shared_common_name: true, subject: {}, alt_names: }\n"
    )
    assert by_name(manifest)["b"].declared == {"common_name", "alt_names", "usages", "ip_as_dns"}
    assert by_name(manifest)["c"].declared == {"shared_common_name", "subject"}


def test_sections_may_be_empty() -> None:
    manifest = good("only-an-authority")
    assert (manifest.brokers, manifest.clients) == ((), ())


def test_scalars_stay_what_was_written() -> None:
    manifest = good("scalars-stay-what-was-written")
    subjects = {name: entity.subject for name, entity in by_name(manifest).items()}
    assert manifest.output == "2026-01-01"
    assert manifest.authorities[0].subject == Subject(
        country="NO",
        state="on",
        locality="012",
        organization="1.10",
        organizational_unit="12:30",
        common_name="2026-01-01",
    )
    assert {name: subject.common_name for name, subject in subjects.items()} == {
        "NO": "NO",
        "on": "0x10",
        "012": "1e3",
        "1.10": "yes",
        "3M": "true",
        "2026-01-01": "12:30:45",
    }


def test_an_entry_comes_before_defaults() -> None:
    broker = by_name(good("an-entry-overrides-defaults"))["plant-a"]
    assert broker.subject == Subject(country="US", state="Texas", organization="Other", common_name="a.example")
    assert broker.key_type is KeyType.EC_P384
    assert broker.renew_before == RenewBefore(percent=12.5)
    assert broker.key_held is KeyHeld.HERE
    assert broker.rekey is Rekey.ON_RENEW
    assert broker.password == PasswordSource(env="PLANT_A")


def test_an_entry_without_keys_takes_all_of_defaults() -> None:
    heir = by_name(good("an-entry-overrides-defaults"))["heir"]
    subject = {"country": "US", "state": "Texas", "organization": "Company", "email": "pki@company.example"}
    assert heir.subject == Subject(**subject, common_name="heir")
    assert heir.key_type is KeyType.RSA_2048
    assert heir.lifetime == Lifetime(not_after=datetime(2035, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert heir.renew_before == RenewBefore(duration=timedelta(days=60))
    assert heir.key_held is KeyHeld.DELIVERED
    assert heir.password == PasswordSource(file="secrets/heir.txt")
    assert heir.declared == {"subject", "key_type", "not_after", "renew_before", "key_held", "rekey", "password"}


def test_a_validity_sets_aside_the_not_after_of_defaults() -> None:
    broker = by_name(good("an-entry-overrides-defaults"))["plant-a"]
    assert broker.lifetime == Lifetime(validity=timedelta(days=730))
    assert "validity" in broker.declared
    assert "not_after" not in broker.declared


def test_a_not_after_sets_aside_the_validity_of_defaults() -> None:
    until = by_name(good("every-form-of-a-duration"))["until"]
    assert until.lifetime == Lifetime(not_after=datetime(2030, 6, 1, tzinfo=UTC))
    assert until.declared == {"not_after", "renew_before"}


def test_an_empty_value_removes_a_field_of_the_subject() -> None:
    entities = by_name(good("an-entry-overrides-defaults"))
    assert entities["plant-a"].subject.email is None
    assert names(entities["plant-a"]) == ["dns a.example"]
    assert entities["on-its-host"].subject == Subject(country="US", organization="Company", common_name="on-its-host")


def test_the_authority_takes_the_subject_of_defaults_and_nothing_else() -> None:
    (authority,) = good("an-entry-overrides-defaults").authorities
    assert authority.subject == Subject(
        country="US",
        organization="Company",
        organizational_unit="SCADA",
        common_name="Plant Edge CA",
        email="pki@company.example",
    )
    assert authority.key_type is KeyType.EC_P256
    assert authority.lifetime == Lifetime(validity=timedelta(days=3650))
    assert (authority.renew_before, authority.password) == (None, None)
    assert authority.declared == {"common_name", "subject"}


def test_a_key_on_its_host_has_a_request_and_a_password_there() -> None:
    entity = by_name(good("an-entry-overrides-defaults"))["on-its-host"]
    assert entity.key_held is KeyHeld.CSR
    assert entity.request == Request(path="requests/on-its-host.csr", must_match=False)
    assert entity.password == PasswordSource(file="secrets/on-its-host.txt")


def test_only_a_key_on_its_host_has_a_request() -> None:
    entities = by_name(good("an-entry-overrides-defaults"))
    assert {name for name, entity in entities.items() if entity.request is not None} == {"on-its-host"}


def test_a_request_lies_where_the_entry_or_defaults_say() -> None:
    entities = by_name(
        parse(
            "defaults: {key_held: csr, csr: 'in/{name}/./{name}.csr', csr_must_match: true}\n"
            "clients:\n  a:\n  b: {csr: .//b.csr, csr_must_match: false}\n  c: {key_held: here}\n"
        )
    )
    assert [entities[name].request for name in "abc"] == [
        Request(path="in/a/a.csr", must_match=True),
        Request(path="b.csr", must_match=False),
        None,
    ]


def test_an_address_is_canonical_in_subject_and_alternative_names() -> None:
    broker = by_name(good("every-form-of-a-name"))["ipv6"]
    assert broker.subject.common_name == "2001:db8::1"
    assert names(broker)[:3] == ["ip 2001:db8::1", "ip 10.3.0.12", "ip fd00::1"]


def test_addresses_are_host_names_too_where_that_is_asked_for() -> None:
    """Behind all other names, the common name's address first; without duplicates."""
    broker = by_name(good("every-form-of-a-name"))["ipv6"]
    assert names(broker)[3:] == ["dns 2001:db8::1", "dns 10.3.0.12", "dns fd00::1"]


def test_an_international_name_is_written_as_a_labels() -> None:
    broker = by_name(good("every-form-of-a-name"))["idn"]
    assert broker.subject.common_name == "xn--bcher-kva.example"
    assert names(broker) == [
        "dns xn--bcher-kva.example",
        "dns *.plant.example",
        "dns mqtt_broker",
        "dns localhost",
    ]


def test_an_ascii_name_stays_as_written_in_the_subject() -> None:
    broker = by_name(good("every-form-of-a-name"))["host"]
    assert broker.subject.common_name == "Broker.Plant.Example"
    assert names(broker) == [
        "dns broker.plant.example",
        "uri urn:dev:mac:0024beff",
        "email scada@plant.example",
    ]


def test_brokers_may_share_a_common_name() -> None:
    entities = by_name(good("every-form-of-a-name"))
    assert entities["stand-by"].subject == entities["host"].subject


def test_the_common_name_of_a_client_is_no_alternative_name() -> None:
    client = by_name(good("every-form-of-a-name"))["gateway"]
    assert client.subject.common_name == "Gateway № 4"
    assert names(client) == ["dns gateway.example", "uri urn:edge:4", "email gw4@plant.example"]


def test_an_e_mail_of_the_authority_is_its_alternative_name() -> None:
    (authority,) = good("every-form-of-a-name").authorities
    assert authority.subject == Subject(common_name="Werks-CA Süd", email="PKI@Werk.Example")
    assert [str(name) for name in authority.alt_names] == ["email:PKI@werk.example"]


def test_a_certificate_may_be_for_both_usages() -> None:
    entities = by_name(good("every-form-of-a-name"))
    assert entities["host"].usages == {Usage.SERVER, Usage.CLIENT}
    assert entities["a.b_c-D9"].usages == {Usage.SERVER, Usage.CLIENT}


def test_every_unit_of_a_duration() -> None:
    entities = by_name(good("every-form-of-a-duration"))
    lifetimes = {name: entity.lifetime.validity for name, entity in entities.items()}
    assert lifetimes == {
        "hours": timedelta(hours=36),
        "days": timedelta(days=90),
        "number": timedelta(days=400),
        "years": timedelta(days=36500),
        "until": None,
        "heir": timedelta(weeks=52),
    }


def test_renewal_is_a_duration_or_a_share() -> None:
    manifest = good("every-form-of-a-duration")
    entities = by_name(manifest)
    assert manifest.authorities[0].renew_before == RenewBefore(duration=timedelta(days=1825))
    assert entities["hours"].renew_before == RenewBefore(duration=timedelta(hours=1))
    assert entities["days"].renew_before == RenewBefore(percent=0.5)
    assert entities["years"].renew_before == RenewBefore(percent=99.99)
    assert entities["heir"].renew_before == RenewBefore(duration=timedelta(days=30))


def test_the_authority_knows_the_lifetime_of_leaves() -> None:
    (authority,) = good("every-form-of-a-duration").authorities
    assert authority.end_entity_validity == timedelta(weeks=52)


def test_the_end_of_time_may_be_written() -> None:
    (authority,) = good("every-form-of-a-duration").authorities
    assert authority.lifetime == Lifetime(not_after=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))


def test_every_source_of_a_password() -> None:
    manifest = good("every-source-of-a-password")
    (authority,) = manifest.authorities
    sources = {name: entity.password for name, entity in by_name(manifest).items()}
    assert authority.password == PasswordSource(command=("pass", "show", "mqtt/ca", "4711", "{other}"))
    assert sources == {
        "env": PasswordSource(env="_PW_1"),
        "asked": PasswordSource(prompt=True),
        "env-or-asked": PasswordSource(env="PW", prompt=True),
        "env-not-asked": PasswordSource(env="PW"),
        "file": PasswordSource(file="/run/secrets/file"),
    }


def test_an_authority_whose_key_is_elsewhere() -> None:
    (authority,) = good("an-authority-whose-key-is-elsewhere").authorities
    assert authority.private_key == PrivateKeySource(command=("pass", "show", "edgecerts/ca.key"))
    assert (authority.offline, authority.password) == (False, PasswordSource(env="EDGECERTS_CA_PASSWORD"))
    (authority,) = good("an-authority-whose-key-is-offline").authorities
    assert (authority.private_key, authority.offline) == (None, True)
    (authority,) = good("only-an-authority").authorities
    assert (authority.private_key, authority.offline) == (None, False)


@pytest.mark.parametrize("path", ["ca.key", "../pki/ca/ca.key", "pki.key", "/run/secrets/ca.key", "keys/pki/ca.key"])
def test_a_private_key_file_may_lie_anywhere_outside_the_output_folder(path: str) -> None:
    manifest = parse_manifest(
        f"version: 1\nca: {{common_name: CA, private_key: {{file: {path}}}}}\n".encode(), source=""
    )
    assert manifest.authorities[0].private_key == PrivateKeySource(file=path)


def test_a_name_that_looks_like_a_placeholder_is_put_in_once() -> None:
    client = by_name(parse("defaults: {password: {file: '{name}/{name}.txt'}}\nclients:\n  name:\n"))["name"]
    assert client.password == PasswordSource(file="name/name.txt")


def test_other_authorities_and_a_pin() -> None:
    (authority,) = good("every-source-of-a-password").authorities
    assert authority.also_trust == (
        TrustedCA(ca="old-ca.pem", mark=Mark(line=5, column=21)),
        TrustedCA(ca="../shared/other.pem", mark=Mark(line=5, column=39)),
    )
    assert authority.fingerprint == "abcdef0123456789" * 4


def test_clients_share_a_name_where_each_says_so() -> None:
    entities = by_name(good("clients-that-share-a-name"))
    assert [entity.subject.common_name for entity in entities.values()] == ["pumps", "Pumps", "pump-3"]


def test_the_whole_of_yaml_that_a_manifest_may_use() -> None:
    manifest = good("a-document-with-a-header-and-an-end")
    assert manifest.output == "pki/plant"
    assert manifest.authorities[0].subject == Subject(common_name="Plant Edge CA")
    assert manifest.authorities[0].declared == {"common_name", "subject"}
    assert list(by_name(manifest)) == ["plant-a", "gateway"]


def test_entries_stay_in_the_order_of_the_manifest() -> None:
    order = ["z", "a", "M", "0"]
    manifest = parse("clients:\n" + "".join(f"  {name}:\n" for name in order))
    assert [client.name for client in manifest.clients] == order


def test_the_digest_is_that_of_the_text_and_not_of_its_line_ends() -> None:
    unix = b"version: 1\nca: {common_name: CA}\n"
    digests = {
        parse_manifest(data, source="pki.yaml").digest
        for data in (unix, unix.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + unix)
    }
    assert digests == {hashlib.sha256(unix).hexdigest()}
    assert parse_manifest(unix + b"#\n", source="pki.yaml").digest not in digests


def test_columns_count_characters() -> None:
    """Not bytes, and a byte order mark is none."""
    manifest = parse_manifest(
        b"\xef\xbb\xbfversion: 1\nca: {subject: {state: '\xc3\xbc\xf0\x9f\x98\x80'}, common_name: CA, "
        b"also_trust: [{ca: x.pem}]}\n",
        source="pki.yaml",
    )
    assert manifest.authorities[0].also_trust[0].mark == Mark(line=2, column=65)


def test_a_broker_may_have_a_name_of_64_characters() -> None:
    host = "a" * 56 + ".example"
    assert by_name(parse(f"brokers:\n  b: {{common_name: {host}}}\n"))["b"].subject.common_name == host


def test_nothing_of_the_text_is_left_in_the_values() -> None:
    """Plain text without positions, so that a manifest can be compared, copied and sent to another process."""
    for path in GOOD.glob("*.yaml"):
        manifest = parse_manifest(path.read_bytes(), source="pki.yaml")
        assert pickle.loads(pickle.dumps(manifest)) == manifest
        assert b"nodes" not in pickle.dumps(manifest)


def test_folders_of_brokers_and_clients_are_apart() -> None:
    manifest = parse("brokers:\n  one: {common_name: one}\nclients:\n  one:\n  two:\n")
    assert [entity.name for entity in (*manifest.brokers, *manifest.clients)] == ["one", "one", "two"]


def test_the_starting_manifest_is_valid() -> None:
    manifest = parse_manifest(STARTER.encode(), source="pki.yaml")
    assert (len(manifest.brokers), len(manifest.clients)) == (1, 1)
    assert manifest.authorities[0].password == PasswordSource(env="EDGECERTS_CA_PASSWORD", prompt=True)


def test_every_comment_of_the_starting_manifest_can_be_used() -> None:
    """The lines that show a key are valid where they stand, all at once."""
    lines = []
    for line in STARTER.splitlines():
        bare = line.replace("# ", "", 1) if line.startswith("  ") and line.lstrip().startswith("# ") else line
        key = bare.strip().partition(":")[0]
        lines.append(bare if key.replace("_", "").replace("-", "").isalnum() and ":" in bare else line)
    text = "\n".join(lines) + "\n"
    manifest = parse_manifest(text.encode(), source="pki.yaml")
    assert text.count("# ") < STARTER.count("# ") - 10
    assert [client.name for client in manifest.clients] == ["gateway-1", "line-4-gateway"]
    assert manifest.brokers[0].usages == {Usage.SERVER, Usage.CLIENT}
    assert manifest.clients[1].key_held is KeyHeld.DELIVERED
