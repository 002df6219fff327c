"""Passwords and the authority's key: fetched from where the manifest says, before the first write, and never shown."""

import contextlib
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecerts.desired.graph import Address
from edgecerts.errors import SecretError
from edgecerts.manifest.model import PasswordSource, PrivateKeySource
from edgecerts.pki.profiles import CA_PASSWORD_LENGTH

COMMAND_SECONDS = 30
MAX_SECRET_BYTES = 1023
"""OpenSSL reads no longer password from a file or a variable."""

MAX_KEY_BYTES = 64 * 1024
"""The private key of RSA with 16,384 bits has a fifth of this."""

_READ_LIMIT = 2 * MAX_SECRET_BYTES
_BOM = b"\xef\xbb\xbf"

Ask = Callable[[str], str]
"""Asks for one line on a terminal without showing it. Absent where there is no terminal."""


class Secret:
    """A password, or the text of a private key, that no `print`, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret itself. Only what encrypts, decrypts or parses may call this."""
        return self._value

    def __len__(self) -> int:
        """Its length in characters; in bytes where it is not UTF-8."""
        try:
            return len(self._value.decode("utf-8"))
        except UnicodeDecodeError:
            return len(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


@dataclass(kw_only=True)
class SecretSources:
    """Where secrets may come from in this run.

    Attributes:
        folder: the manifest's folder: what paths are relative to, and where commands run.
        environ: the environment.
        ask: asks on the terminal, or None where there is none.
        hidden: the variables that hold secrets; commands do not get them.
        command: what was run, as a hint names it.
    """

    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    ask: Ask | None = None
    hidden: frozenset[str] = frozenset()
    command: str = "edgecerts apply"
    _known: dict[PasswordSource | PrivateKeySource, Secret] = field(default_factory=dict, repr=False)
    _answers: dict[Address, Secret] = field(default_factory=dict, repr=False)

    def fetch(self, source: PasswordSource, address: Address, *, new: bool) -> Secret:
        """Gets one password.

        Args:
            source: where it comes from.
            address: the private key that it is for.
            new: it will encrypt a new key; then a prompt asks twice, and a CA's must be long enough.

        Raises:
            SecretError: the source gives nothing usable. The message names the source and never the password.
        """
        owner = str(address)
        if source.prompt and not self._is_given(source.env):
            # Where the plan has to be made again, nobody types anything again.
            if address not in self._answers:
                self._answers[address] = self._prompt(source, address, twice=new)
            secret = self._answers[address]
        else:
            if source not in self._known:
                what = f"the password for {owner}"
                content = self._read(source, what, _READ_LIMIT)
                place = f"environment variable {source.env}" if source.env is not None else str(source)
                self._known[source] = _usable(content, what, place, stripped=source.env is None)
            secret = self._known[source]
        if new and _is_authority(address) and len(secret) < CA_PASSWORD_LENGTH:
            raise SecretError(
                f"the password for {owner} has fewer than {CA_PASSWORD_LENGTH} characters ({source})",
                hint="a CA's key is worth a long one; a password manager makes it",
            )
        return secret

    def forget(self, address: Address) -> None:
        """Lets a password be typed again: the one that was opened nothing."""
        self._answers.pop(address, None)

    def fetch_key(self, source: PrivateKeySource) -> Secret:
        """Gets the text of the authority's private key, which may be encrypted.

        Raises:
            SecretError: the source gives nothing, or too much. The message names the source and never the key.
        """
        if source not in self._known:
            what = "the authority's private key"
            content = self._read(source, what, MAX_KEY_BYTES)
            if len(content) > MAX_KEY_BYTES:
                raise SecretError(f"{source}, {what}, gives more than {MAX_KEY_BYTES:,} bytes")
            if not content.strip():
                raise SecretError(f"{source}, {what}, gives nothing")
            self._known[source] = Secret(content)
        return self._known[source]

    def locate(self, source: PrivateKeySource) -> str:
        """The file of a source as the command line would name it; a word that stands for one where it has none."""
        return str(self.folder / source.file) if source.file is not None else "FILE"

    def _is_given(self, name: str | None) -> bool:
        return name is not None and bool(self.environ.get(name))

    def _read(self, source: PasswordSource | PrivateKeySource, what: str, limit: int) -> bytes:
        """What a source gives, up to a little more than the limit.

        Args:
            what: the secret in words, for messages.
        """
        if source.env is not None:
            example = f"for example from a password manager: {source.env}=... {self.command}"
            if isinstance(source, PrivateKeySource):
                example = f'as a secret of the CI job, or from a file: {source.env}="$(cat FILE)" {self.command}'
            return self._read_variable(source.env, what, example)
        if source.file is not None:
            return self._read_file(source.file, what, limit)
        return self._run(source.command or (), what, limit)

    def _read_variable(self, name: str, what: str, example: str) -> bytes:
        value = self.environ.get(name)
        if not value:
            state = "is not set" if value is None else "is empty"
            raise SecretError(
                f"environment variable {name}, {what}, {state}",
                hint=f"set it for this command, {example}",
            )
        return os.fsencode(value)

    def _read_file(self, path: str, what: str, limit: int) -> bytes:
        try:
            descriptor = os.open(self.folder / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return os.read(descriptor, limit + 1)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not a usable path"
            raise SecretError(f"file {path}, {what}, cannot be read: {problem}") from None
        raise SecretError(f"file {path}, {what}, is not a plain file")

    def _run(self, command: tuple[str, ...], what: str, limit: int) -> bytes:
        """Runs a command without a shell. What it writes to standard error is dropped: it may be secret."""
        name = f"command {command[0]}, {what},"
        environ = {key: value for key, value in self.environ.items() if key not in self.hidden}
        try:
            # A session of its own, so that a command that hangs can be ended with everything it started.
            process = subprocess.Popen(  # noqa: S603 (the manifest's own command, as a list)
                command,
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not a usable command"
            raise SecretError(f"{name} cannot be run: {problem}") from None
        output, in_time = _read_output(process, limit)
        if not in_time and len(output) <= limit:
            raise SecretError(f"{name} did not end within {COMMAND_SECONDS} seconds")
        if in_time and process.returncode < 0:
            raise SecretError(f"{name} was ended by signal {-process.returncode}", hint="run it by hand to see why")
        if in_time and process.returncode > 0:
            raise SecretError(f"{name} failed with exit code {process.returncode}", hint="run it by hand to see why")
        return output

    def _prompt(self, source: PasswordSource, address: Address, *, twice: bool) -> Secret:
        owner = str(address)
        if self.ask is None:
            variable = f"environment variable {source.env} is not set, and " if source.env else ""
            raise SecretError(
                f"{variable}the password for {owner} is asked for on a terminal, and there is none",
                hint=f"set {source.env}" if source.env else "for CI, give the password as {env: NAME}",
            )
        rule = f", at least {CA_PASSWORD_LENGTH} characters" if twice and _is_authority(address) else ""
        first = self.ask(f"Password for {owner}{rule}: ")
        if not first:
            raise SecretError(f"the password for {owner} is empty")
        if twice and self.ask(f"The same again, for {owner}: ") != first:
            raise SecretError(f"the two passwords for {owner} differ", hint=f"run {self.command} again")
        password = first.encode("utf-8", errors="surrogateescape")
        return _usable(password, f"the password for {owner}", "the prompt", stripped=False)


def _usable(content: bytes, what: str, source: str, *, stripped: bool = True) -> Secret:
    """What a source gave as a password; of a file or command without a BOM and one line end."""
    if len(content) > MAX_SECRET_BYTES + len(_BOM) + len(b"\r\n"):
        raise SecretError(f"{source}, {what}, gives more than {MAX_SECRET_BYTES} bytes")
    if stripped:
        content = content.removeprefix(_BOM)
        content = content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if not content:
        raise SecretError(f"{source}, {what}, gives nothing")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{source}, {what}, is not UTF-8 text") from None
    if len(content) > MAX_SECRET_BYTES or not text.strip() or any(character in text for character in "\0\n\r"):
        raise SecretError(f"{source}, {what}, is not one line that could be typed")
    return Secret(content)


def _read_output(process: subprocess.Popen[bytes], limit: int) -> tuple[bytes, bool]:
    """Reads what a command writes, up to a little more than the limit.

    Returns:
        the output, and whether the command ended by itself in time. It is gone afterwards in any case.
    """
    output, deadline = b"", time.monotonic() + COMMAND_SECONDS
    with process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None  # noqa: S101 (it was started with a pipe)
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while len(output) <= limit and selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(process.stdout.fileno(), limit + 1)
                if not piece:
                    process.wait(max(0.0, deadline - time.monotonic()))
                    return output, True
                output += piece
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.returncode is None:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
    return output, False


def _is_authority(address: Address) -> bool:
    return address.identity == "ca" or address.identity.startswith("ca/")
