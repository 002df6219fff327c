"""Whatever the bytes are, a manifest is read or refused; nothing else happens. `fuzz_manifest` runs this for hours."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgecerts.manifest import advice, parse_manifest
from tests import fuzz_manifest
from tests.fuzz_manifest import CANARY, check, damaged, seeds, with_passwords

SETTINGS: Callable[..., Any] = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

_WORDS = st.sampled_from([*advice._ALL_KEYS, *advice._MEANINGS, "gateway", "CON", "10.3.0.11", "true", "~", "", "<<"])
_SCALARS = _WORDS | st.text(max_size=8) | st.sampled_from(["'", '"', "[", "&a", "*a", "!t", "90d", "33%", "{name}"])


def _mapping(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.tuples(_WORDS | _SCALARS, values), max_size=5)
    return pairs.map(lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}")


def _sequence(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda items: "[" + ", ".join(items) + "]")


_TREES = st.recursive(_SCALARS, lambda values: _mapping(values) | _sequence(values), max_leaves=20)


@SETTINGS
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    check(data)


@SETTINGS
@given(st.text(alphabet=" \n\t:-[]{}&*!|>'\"%@`#,?~ab1\\", max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    check(text.encode())


@SETTINGS
@given(st.lists(st.tuples(_WORDS, _TREES), max_size=6))
def test_any_tree_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    text = "version: 1\nca: {common_name: CA}\n" + "".join(f"{key}: {value}\n" for key, value in pairs)
    check(text.encode("utf-8", "surrogatepass"))


@SETTINGS
@given(_TREES, st.sampled_from(["ca", "defaults", "brokers", "clients", "output", "version"]))
def test_any_tree_under_a_known_key_is_read_or_refused(tree: str, key: str) -> None:
    check(f"{key}: {tree}\nclients: {{a: {tree}}}\n".encode("utf-8", "surrogatepass"))


@SETTINGS
@given(st.integers(min_value=0))
def test_damaged_manifests_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    check(damaged(chance.choice(seeds()), chance))


def test_damaged_manifests_are_read_or_refused_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    for seed in range(300):
        chance = random.Random(seed)
        check(damaged(chance.choice(seeds()), chance))


def test_no_password_is_ever_printed() -> None:
    """Each way to write one down, at every line of every manifest of the tests; every seventh of them here."""
    ends = [check(data, canary=CANARY) for number, data in enumerate(with_passwords()) if number % 7 == 0]
    assert set(ends) == {"refused", "read"}  # inside a block of text it is text


def test_the_canary_would_be_noticed() -> None:
    """The check that finds nothing must be able to find something."""
    with pytest.raises(AssertionError):
        check(f"version: 1\nca: {{common_name: CA, {CANARY}: 1}}\n".encode(), canary=CANARY)


def test_seeds_are_there_to_be_damaged() -> None:
    texts = seeds()
    assert len(texts) > 300
    assert parse_manifest(texts[-1], source="pki.yaml").authorities != ()
    assert fuzz_manifest.MANIFESTS.is_dir()
