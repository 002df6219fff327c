"""What a host has to do so that it has a private key and a request that says what is declared. Pure."""

import stat
from collections.abc import Iterator

from edgecerts.desired.graph import Identity
from edgecerts.desired.host import HostPlaces, Place
from edgecerts.errors import InvalidKeyError
from edgecerts.observed.host import HostFiles, KeyFile
from edgecerts.observed.inventory import Observed, State
from edgecerts.pki.certificate_requests import RequestFacts
from edgecerts.pki.private_keys import KeyFacts
from edgecerts.plan.model import Remark
from edgecerts.plan.request_checks import unusable_requested_key
from edgecerts.requests.certificates import find_certificate, find_strangers, note_stranger, note_unusable
from edgecerts.requests.model import Decision, KeyStep, RequestNotice, RequestStep

_COMMON_NAME = "common_name"


def choose_key(places: HostPlaces, files: HostFiles, *, rekey: bool) -> tuple[Place, Observed[KeyFile]] | None:
    """The private key that has to be opened to decide, or None. One that is asked to go need not be opened.

    Where another key is asked for, and one waits, that one need not open either: it is opened to see whether a
    certificate that is here is its own.

    Raises:
        InvalidKeyError: a file is in its place and is no private key; or it is damaged, and no other was asked for.
    """
    _check_keys(places, files)
    waiting = files.next_key.state is not State.ABSENT
    place, found = (places.next_key, files.next_key) if waiting else (places.key, files.key)
    if found.state is State.ABSENT:
        return None
    if rekey:
        arrived = any(found.state is State.PRESENT for found in files.certified.values())
        return (place, found) if waiting and found.state is State.PRESENT and arrived else None
    if found.state is State.PRESENT:
        return place, found
    raise InvalidKeyError(
        f"{place} cannot be used: {found.problem}",
        hint=found.hint or "bring it back from a backup; or have another key made beside it: --rekey",
    )


def _check_keys(places: HostPlaces, files: HostFiles) -> None:
    """What is no private key, or may be none, makes way for none: somebody else's it may be, and in use."""
    for place, found in ((places.key, files.key), (places.next_key, files.next_key)):
        if found.state is State.UNREADABLE and not found.damaged:
            named = f"--key names {place}, which" if places.key_is_named and place == places.key else str(place)
            raise InvalidKeyError(f"{named} cannot be used: {found.problem}", hint=found.hint)


def decide(
    identity: Identity,
    places: HostPlaces,
    files: HostFiles,
    opened: KeyFacts | None,
    *,
    rekey: bool,
    in_use: KeyFacts | None = None,
) -> Decision:
    """Says what is to be done.

    Args:
        identity: what is declared.
        places, files: where its files are on this host, and what they are.
        opened: the key of `choose_key`, or None; None, too, where it does not open and another was asked for.
        rekey: a new key was asked for.
        in_use: the key in use where `opened` is one that waits; None where it could not be opened, too.

    Raises:
        InvalidKeyError: the key is not here or cannot be certified, and no other was asked for.
    """
    waiting = files.next_key.state is not State.ABSENT
    absent = files.key.state is State.ABSENT
    if waiting and opened is not None and (_arrived(files, opened) or (absent and not rekey)):
        return _put_in_place(identity, places, files, opened, rekey=rekey)
    if rekey:
        step = KeyStep.MADE if absent else KeyStep.MADE_NEXT
        notices = _note_places(identity, places, files)
        return Decision(key=step, request=RequestStep.WRITTEN, sets_next_aside=waiting, notices=tuple(notices))
    if opened is None:
        _check_first(identity, places, files)
        notices = _note_places(identity, places, files)
        return Decision(key=KeyStep.MADE, request=RequestStep.WRITTEN, notices=tuple(notices))
    place = places.next_key if waiting else places.key
    problem = unusable_requested_key(identity, opened.key_type)
    if problem is not None:
        raise InvalidKeyError(f"{place} {problem}", hint="have another key made beside it: --rekey")
    notices = list(_note_file(identity, place, files.next_key if waiting else files.key))
    if waiting:
        notices.append(_key_waits(identity, place))
    notices += _note_places(identity, places, files)
    keys = {place: opened} | ({places.key: in_use} if waiting else {})
    strangers = find_strangers(files, keys.values())
    notices += [note_stranger(identity, stranger, files, keys) for stranger in strangers]
    return Decision(
        key=KeyStep.KEPT,
        request=_request_step(identity, files, opened),
        tidies=files.unfinished,
        strange=strangers[0] if strangers else None,
        notices=tuple(notices),
    )


def _put_in_place(
    identity: Identity, places: HostPlaces, files: HostFiles, opened: KeyFacts, *, rekey: bool
) -> Decision:
    notice = Remark(
        code=RequestNotice.REKEY_NOT_BEGUN.value,
        address=identity.address,
        message="the new key of an earlier --rekey was put in its place; no further one was made",
        hint="if there has to be another, run it again",
    )
    return Decision(
        key=KeyStep.PUT_IN_PLACE,
        request=_request_step(identity, files, opened),
        strange=next(iter(find_strangers(files, [opened])), None),
        notices=(*((notice,) if rekey else ()), *_note_places(identity, places, files)),
    )


def _arrived(files: HostFiles, opened: KeyFacts) -> bool:
    return find_certificate(files, opened.spki_sha256) is not None


def _check_first(identity: Identity, places: HostPlaces, files: HostFiles) -> None:
    """A private key is never made again because the old one is not here: this may be another machine."""
    traces = [str(place) for place, found in files.certified.items() if found.state is State.PRESENT]
    facts, missing = files.request.value, f"{places.key} is not here, and"
    if facts is not None and not _is_for(identity, facts):
        raise InvalidKeyError(
            f"{missing} {places.request} is a request for {_describe(facts)}, not for {identity.address}",
            hint="move it away, or name another place with --out; if this host's key is lost: --rekey",
        )
    if files.request.state is State.UNREADABLE:
        raise InvalidKeyError(
            f"{missing} nobody can say whether there was one: {places.request} is a damaged request,"
            f" {files.request.problem}",
            hint="--key names the place where the key is; if it is lost: --rekey; if there never was one, remove the"
            " request",
        )
    traces += [str(places.request)] if facts is not None else []
    if traces:
        raise InvalidKeyError(
            f"{missing} {traces[0]} shows that there was a key; no other is made by itself",
            hint="--key names the place where it is; if it is lost: --rekey",
        )


def _is_for(identity: Identity, facts: RequestFacts) -> bool:
    """Whether a request is that of an identity, which may have got other names since."""
    spec = identity.certificate.spec
    common_name = dict(facts.subject).get(_COMMON_NAME)
    named = common_name is not None and common_name == spec.subject.common_name
    return named or not facts.alt_names.isdisjoint(str(name) for name in spec.alt_names)


def _describe(facts: RequestFacts) -> str:
    return dict(facts.subject).get(_COMMON_NAME) or ", ".join(sorted(facts.alt_names)) or "nobody by name"


def _request_step(identity: Identity, files: HostFiles, opened: KeyFacts) -> RequestStep:
    facts = files.request.value
    fits = facts is not None and facts.spki_sha256 == opened.spki_sha256 and _is_declared(identity, facts)
    return RequestStep.KEPT if fits else RequestStep.WRITTEN


def _is_declared(identity: Identity, facts: RequestFacts) -> bool:
    spec = identity.certificate.spec
    names = {str(name) for name in spec.alt_names}
    return facts.subject == spec.subject.items() and facts.alt_names == names and not facts.wants_authority


def _note_file(identity: Identity, place: Place, found: Observed[KeyFile]) -> Iterator[Remark]:
    assert found.value is not None  # noqa: S101 (it was opened)
    if found.value.mode & stat.S_IRWXO and not found.value.encrypted:
        yield Remark(
            code=RequestNotice.KEY_EXPOSED.value,
            address=identity.address,
            message=f"everybody on this host may read or write {place} (mode {found.value.mode:04o})",
            hint="chmod o-rwx, and have another key made if somebody may have read it: --rekey",
        )
    declared = identity.request is not None and identity.request.password is not None
    if declared and not found.value.encrypted:
        yield Remark(
            code=RequestNotice.KEY_NOT_ENCRYPTED.value,
            address=identity.address,
            message=f"{place} is not encrypted, although the manifest names a password",
            hint="--rekey makes one that is",
        )


def _note_places(identity: Identity, places: HostPlaces, files: HostFiles) -> list[Remark]:
    """What there is to know whatever is done."""
    unusable = note_unusable(identity, places, files)
    if files.sharing is None:
        return unusable
    return [
        Remark(
            code=RequestNotice.FOLDER_SHARED.value,
            address=identity.address,
            message=f"{files.sharing} may write to the folder of {places.key}, and exchange the key there",
            hint="chmod g-w, or keep the key in a folder that is yours alone: --key",
        ),
        *unusable,
    ]


def _key_waits(identity: Identity, place: Place) -> Remark:
    return Remark(
        code=RequestNotice.KEY_WAITS.value,
        address=identity.address,
        message=f"{place} waits for its certificate; the present key stays in use until that is here",
        hint="run this again when the certificate has come; for another key in its place: --rekey",
    )
