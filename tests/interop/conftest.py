"""What every test of this folder may use: the plants, each made once for the whole run."""

import pytest

from tests.interop.plants import Plants


@pytest.fixture(scope="session")
def plants(tmp_path_factory: pytest.TempPathFactory) -> Plants:
    """A plant for each key type of the authority."""
    return Plants(tmp_path_factory.mktemp("plants"))
