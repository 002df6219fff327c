"""Whether the certificates on a host are for its keys. Pure."""

from collections.abc import Collection, Mapping

from edgecerts.desired.graph import Identity
from edgecerts.desired.host import HostPlaces, Place
from edgecerts.observed.host import HostFiles
from edgecerts.observed.inventory import State
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import Remark
from edgecerts.requests.model import RequestNotice


def find_certificate(files: HostFiles, spki_sha256: str) -> Place | None:
    """Where the certificate for a key is, if it has arrived."""
    return next((place for place, found in files.certified.items() if found.value == spki_sha256), None)


def find_strangers(files: HostFiles, keys: Collection[KeyFacts | None]) -> list[Place]:
    """Where certificates are that are for none of these keys; nowhere, where one of the keys is not known."""
    known = {key.spki_sha256 for key in keys if key is not None}
    if len(known) < len(keys):
        return []
    return [place for place, found in files.certified.items() if found.value is not None and found.value not in known]


def note_stranger(
    identity: Identity, stranger: Place, files: HostFiles, keys: Mapping[Place, KeyFacts | None]
) -> Remark:
    """Tells that a certificate is for another key.

    Args:
        stranger: one of `find_strangers`.
        keys: the keys by their places; the first is the one that the request is for.
    """
    ours = {place: key.spki_sha256 for place, key in keys.items() if key is not None}
    right = next((found for key in ours.values() if (found := find_certificate(files, key)) is not None), None)
    if right is None:
        hint = (
            "it may be another host's: bring this one's own. Where it is the one that came back, another key was"
            " certified: compare the requests, and bring this host's to the authority again"
        )
    else:
        hint = f"{right} is the certificate for the key: put that in its place, then reload"
    told = ", ".join(f"{place} is sha256:{digest}" for place, digest in ours.items())
    theirs = f"it is for sha256:{files.certified[stranger].value}"
    return Remark(
        code=RequestNotice.CERTIFICATE_OF_ANOTHER_KEY.value,
        address=identity.address,
        message=f"{stranger} is the certificate of another key than this host's: {theirs}, and {told}",
        hint=hint,
    )


def note_unusable(identity: Identity, places: HostPlaces, files: HostFiles) -> list[Remark]:
    """Tells of files in a certificate's place that are none of a host, and of one that was named and is not there."""
    named = "--certificate names " if places.certificate_is_named else ""
    found = [
        (place, f"cannot be used: {found.problem}", "name the certificate of this host, or put it there")
        for place, found in files.certified.items()
        if found.state is State.UNREADABLE
    ]
    if places.certificate_is_named:
        absent = (place for place in places.certificates if place not in files.certified)
        hint = "run this again when it has come; or name the place where it is"
        found += [(place, "is not there", hint) for place in absent]
    return [
        Remark(
            code=RequestNotice.CERTIFICATE_UNUSABLE.value,
            address=identity.address,
            message=f"{named}{place}{', which' if named else ''} {what}",
            hint=hint,
        )
        for place, what, hint in found
    ]
