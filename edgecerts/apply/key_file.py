"""The content of a new private key file."""

from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.desired.graph import PRIVATE_KEY_MODE
from edgecerts.errors import StorageError


def fill_key_file(descriptor: int, content: bytes, *, name: str, system: FileSystem) -> None:
    """Writes a new private key. When this returns, its content is on the disk; its name need not be.

    Args:
        descriptor: of a file that was made a moment ago.
        name: the file, for messages.

    Raises:
        OSError, StorageError: it is not there as it should be.
    """
    system.write(descriptor, content)
    system.chmod(descriptor, PRIVATE_KEY_MODE)
    system.sync(descriptor, Sync.STAGED_FILE)
    if system.read(descriptor) != content:
        raise StorageError(f"{name} does not read back as it was written")
