"""Where passwords may come from in a run of the command line."""

import getpass
import os

from edgecerts.apply.secrets import SecretSources
from edgecerts.cli.console import Console
from edgecerts.cli.project import Project


def secret_sources(project: Project, console: Console, *, command: str) -> SecretSources:
    """The sources of a project: its environment, its folder, and the terminal where there is one.

    Args:
        command: what was run, as a hint names it.
    """
    identities = project.graph.identities
    keys = [identity.private_key for identity in identities]
    declared = [*(key.password for key in keys), *(key.source for key in keys)]
    declared += [identity.request.password for identity in identities if identity.request is not None]
    return SecretSources(
        folder=project.folder,
        environ=os.environ,
        ask=getpass.getpass if console.can_ask else None,
        command=command,
        hidden=frozenset(source.env for source in declared if source is not None and source.env is not None),
    )
