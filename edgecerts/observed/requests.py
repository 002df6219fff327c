"""The certificate requests that hosts have sent."""

from pathlib import Path

from edgecerts.desired.graph import Graph
from edgecerts.errors import InvalidRequestError
from edgecerts.observed.folder_reader import FolderReader, NotReadableError
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.certificate_requests import MAX_REQUEST_BYTES, RequestFacts, parse_request


def scan_requests(graph: Graph, manifest_folder: Path) -> dict[str, Observed[RequestFacts]]:
    """What hosts have sent, by path. No symbolic link below the manifest's folder is followed."""
    reader = FolderReader(manifest_folder)
    paths = (identity.request.path for identity in graph.end_entities if identity.request is not None)
    return {path: observe_request(reader, path) for path in paths}


def observe_request(reader: FolderReader, path: str) -> Observed[RequestFacts]:
    """What is in one file. Nothing that it holds makes this raise."""
    try:
        found = reader.read(path, limit=MAX_REQUEST_BYTES)
        if found is None:
            return Observed(state=State.ABSENT)
        facts = parse_request(found.data)
        return Observed(state=State.PRESENT, value=facts, mode=found.mode, folder_mode=found.folder_mode)
    except NotReadableError as error:
        return Observed(state=State.UNREADABLE, problem=error.problem)
    except InvalidRequestError as error:
        return Observed(state=State.UNREADABLE, problem=error.message, hint=error.hint, damaged=True)
