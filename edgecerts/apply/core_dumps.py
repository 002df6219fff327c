"""No core files of a process that holds keys."""

import resource


def forbid_core_dumps() -> None:
    """From here on keys and passwords are in memory; a core file would hold them."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
