"""From an output folder to what the history of one identity needs: few files, however large the fleet is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename, dirname
from typing import TypeVar

from edgecerts.desired.graph import REVOCATION_LIST
from edgecerts.observed.files import observe
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.observed.inventory import Observed, State
from edgecerts.observed.log_scan import FoundLog, scan_log
from edgecerts.pki.certificate_facts import CertificateFacts, parse_certificates
from edgecerts.pki.revocation_lists import RevocationListFacts, parse_revocation_lists

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundHistory:
    """What was found.

    Attributes:
        log: all of it.
        certificate: the identity's own file.
        revocation_list: the authority's.
        authority: the authority's certificate; only looked at where there is a list.
    """

    log: FoundLog
    certificate: Observed[tuple[CertificateFacts, ...]]
    revocation_list: Observed[tuple[RevocationListFacts, ...]]
    authority: Observed[tuple[CertificateFacts, ...]]


def scan_history(output: Path, path: str, *, authority: str) -> FoundHistory:
    """Reads the log, one certificate file and the revocation list, and nothing else.

    Args:
        output: the output folder; it need not exist.
        path: the certificate's, relative to it.
        authority: that of the authority's certificate.

    Raises:
        StorageError: the output folder itself is something else than a folder that this user may read.
    """
    reader = FolderReader(output)
    reader.check_root()
    lists = _observe(reader, REVOCATION_LIST, parse_revocation_lists)
    return FoundHistory(
        log=scan_log(reader),
        certificate=_observe(reader, path, parse_certificates),
        revocation_list=lists,
        authority=_observe(reader, authority, parse_certificates) if lists.value else Observed(state=State.ABSENT),
    )


def _observe(reader: FolderReader, path: str, parse: Callable[[bytes], T]) -> Observed[T]:
    try:
        with reader.open_folder(dirname(path)) as folder:
            return observe(folder, basename(path), parse)
    except NotReadableError as error:
        return Observed(state=State.UNREADABLE, problem=error.problem)
