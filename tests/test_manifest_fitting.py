"""The quick look at a manifest's shape says the same as the schema's validator, of which it spares the import."""

import json
import random

from edgecerts.errors import ManifestError
from edgecerts.manifest import keywords
from edgecerts.manifest.fitting import KEYWORDS, fits
from edgecerts.manifest.mistakes import Mistakes
from edgecerts.manifest.structure import _reduced
from edgecerts.manifest.text import decode
from edgecerts.manifest.yaml_text import load_tree
from edgecerts.schemas import schema_text
from tests.fuzz_manifest import damaged, seeds

SCHEMA = _reduced(json.loads(schema_text("pki")), KEYWORDS)


def agreement(data: bytes) -> bool | None:
    """Whether a manifest fits, where both say so; None for what is no tree."""
    mistakes = Mistakes("pki.yaml")
    try:
        root = load_tree(decode(data, mistakes), mistakes)
    except ManifestError:
        return None
    found = fits(root, SCHEMA)
    assert found == (not list(keywords.NodeValidator(SCHEMA).iter_errors(root))), data
    return found


def test_the_quick_look_agrees_with_the_validator_on_every_manifest() -> None:
    assert {agreement(data) for data in seeds()} == {True, False, None}


def test_the_quick_look_agrees_with_the_validator_on_damaged_manifests() -> None:
    ends = []
    for seed in range(1500):
        chance = random.Random(seed)
        ends.append(agreement(damaged(chance.choice(seeds()), chance)))
    assert ends.count(True) > 50
    assert ends.count(False) > 50


def test_both_know_the_same_keywords() -> None:
    assert set(KEYWORDS) == set(keywords._CHECKS)
