"""Hosts, addresses and subject fields: what is read, in which form, and what is refused with which advice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecerts.errors import InvalidNameError
from edgecerts.pki.names import AltNameKind, Subject, check_subject_value, parse_alt_name, parse_email, parse_host

READ = {
    "10.3.0.11": ("ip", "10.3.0.11"),
    "::1": ("ip", "::1"),
    "2001:DB8:0:0:0:0:0:1": ("ip", "2001:db8::1"),
    "broker": ("dns", "broker"),
    "localhost": ("dns", "localhost"),
    "Broker.Plant-A.Example": ("dns", "broker.plant-a.example"),
    "mqtt_broker": ("dns", "mqtt_broker"),
    "3com.example": ("dns", "3com.example"),
    "*.plant.example": ("dns", "*.plant.example"),
    "münchen.example": ("dns", "xn--mnchen-3ya.example"),
    "straße.example": ("dns", "xn--strae-oqa.example"),
    "MÜNCHEN.example": ("dns", "xn--mnchen-3ya.example"),
    "xn--mnchen-3ya.example": ("dns", "xn--mnchen-3ya.example"),
    "a" * 63 + ".example": ("dns", "a" * 63 + ".example"),
}

REFUSED = {
    "": "is not a host name",
    "10.3.0.256": "is neither a host name nor an IP address",
    "10.3.11": "is neither a host name nor an IP address",
    "010.3.0.11": "is neither a host name nor an IP address",
    "10.3.0.0/24": "is not a host name or address",
    "0.0.0.0": "is an address to listen on",
    "::": "is an address to listen on",
    "[::1]": "has brackets",
    "fe80::1%eth0": "has a zone",
    "broker:8883": "has a port",
    "10.3.0.11:8883": "has a port",
    "mqtts://broker": "is a URL",
    "broker.example.": "ends with a dot",
    "a..b": "is not a host name",
    ".a": "is not a host name",
    "-a.example": "is not a host name",
    "a-.example": "is not a host name",
    "a b": "is not a host name",
    "a" * 64 + ".example": "is not a host name",
    ".".join(["a" * 60] * 5): "at most 253 characters",
    "bro*.example": "has a wildcard that stands for part of a name",
    "a.*.example": "has a wildcard that stands for part of a name",
    "*.example": "is too wide a wildcard",
    "*": "is too wide a wildcard",
    "user@host": "is not a host name",
    "a\x00b": "is not a host name",
    "xn--\u00fc.example": "is not a host name",
}


@pytest.mark.parametrize(("text", "expected"), READ.items())
def test_a_host_is_read_into_its_canonical_form(text: str, expected: tuple[str, str]) -> None:
    name = parse_host(text)
    assert (name.kind.value, name.value) == expected
    assert parse_host(name.value) == name


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_what_is_no_host_is_refused_and_says_why(text: str, words: str) -> None:
    with pytest.raises(InvalidNameError) as error:
        parse_host(text)
    assert words in error.value.message


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("uri:urn:dev:mac:0024beff", AltNameKind.URI, "urn:dev:mac:0024beff"),
        ("email:ops@plant.example", AltNameKind.EMAIL, "ops@plant.example"),
        ("10.3.0.12", AltNameKind.IP, "10.3.0.12"),
    ],
)
def test_an_alternative_name_may_have_a_prefix(text: str, kind: AltNameKind, value: str) -> None:
    name = parse_alt_name(text)
    assert (name.kind, name.value) == (kind, value)


@pytest.mark.parametrize("text", ["uri:no scheme", "uri:", "email:nobody", "email:a b@c.example", "dns:a.example"])
def test_a_bad_alternative_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError):
        parse_alt_name(text)


@given(st.text(max_size=80))
def test_whatever_is_written_as_a_host_is_a_host_or_an_invalid_name(text: str) -> None:
    try:
        name = parse_host(text)
    except InvalidNameError:
        return
    assert name.value.isascii()
    assert parse_host(name.value) == name


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("country", "us"), ("country", "USA"), ("country", "U1"), ("organization", ""), ("organization", " ACME"),
        ("organization", "AC\x07ME"), ("organization", "AC\u202eME"), ("organization", "x" * 65), ("state", "x" * 129),
        ("common_name", "x" * 65), ("common_name", "ü" * 33), ("email", "nobody"),
    ],
)  # fmt: skip
def test_a_bad_subject_field_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidNameError):
        check_subject_value(field, text)


@pytest.mark.parametrize(
    ("field", "text"),
    [("country", "US"), ("organization", "x" * 64), ("state", "x" * 128), ("common_name", "ü" * 32),
     ("common_name", "x" * 64), ("organization", "Żółć & Söhne, Inc. \"quoted\""), ("email", "a+b@c.example")],
)  # fmt: skip
def test_a_good_subject_field_is_taken(field: str, text: str) -> None:
    check_subject_value(field, text)


def test_an_e_mail_addresss_host_is_canonical() -> None:
    assert parse_email("Ops@Plant.Example") == "Ops@plant.example"


def test_a_subject_is_written_in_certificate_order() -> None:
    subject = Subject(email="a@b.example", common_name="CN", country="US", organization="O")
    assert [field for field, _ in subject.items()] == ["country", "organization", "common_name", "email"]
