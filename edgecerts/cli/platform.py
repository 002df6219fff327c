"""What is said where edgecerts runs on a system that its tests have never seen."""

from edgecerts.errors import StorageError

TESTED = "linux"


def find_platform_notice(platform: str, command: str = "apply") -> str | None:
    """A warning before files are written on a system that no test has seen.

    Args:
        platform: `sys.platform`.
        command: the one that is going to write.

    Raises:
        StorageError: files cannot be written safely there at all.
    """
    if platform.startswith(("win", "cygwin", "emscripten", "wasi")):
        raise StorageError(
            f"edgecerts {command} does not run on {platform}",
            hint="it needs the file locks and permissions of Linux; on Windows, use WSL with its own file system",
        )
    if platform == TESTED:
        return None
    return (
        f"edgecerts {command} is experimental on {platform}: it is tested on Linux. Keep a backup of the output folder."
    )
