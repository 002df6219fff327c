"""What nearly every test of an import begins with."""

from pathlib import Path

import pytest

from tests.adoption.sources import CA, Issued, issue


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder of somebody's, beside the project's."""
    return tmp_path_factory.mktemp("source")


@pytest.fixture(scope="module")
def authority() -> Issued:
    """An authority as today's tools make one."""
    return issue("Plant CA", CA)
