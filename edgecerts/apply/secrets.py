"""Passwords: fetched from where the manifest says, all of them before the first write, and never shown."""

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
from edgecerts.manifest.model import PasswordSource
from edgecerts.pki.profiles import CA_PASSWORD_LENGTH

COMMAND_SECONDS = 30
MAX_SECRET_BYTES = 1023
"""OpenSSL reads no longer password from a file or a variable."""

_READ_LIMIT = 2 * MAX_SECRET_BYTES
_BOM = b"\xef\xbb\xbf"

Ask = Callable[[str], str]
"""Asks for one line on a terminal without showing it. Absent where there is no terminal."""


class Secret:
    """A password that no `print`, log or traceback shows."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The password itself. Only what encrypts or decrypts may call this."""
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
    """Where passwords may come from in this run.

    Attributes:
        folder: the manifest's folder: what paths are relative to, and where commands run.
        environ: the environment.
        ask: asks on the terminal, or None where there is none.
        hidden: the variables that hold passwords; commands do not get them.
    """

    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    ask: Ask | None = None
    hidden: frozenset[str] = frozenset()
    _known: dict[PasswordSource, Secret] = field(default_factory=dict, repr=False)
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
                self._known[source] = self._read(source, owner)
            secret = self._known[source]
        if new and _is_authority(address) and len(secret) < CA_PASSWORD_LENGTH:
            raise SecretError(
                f"the password for {owner} has fewer than {CA_PASSWORD_LENGTH} characters ({source})",
                hint="a CA's key is worth a long one; a password manager makes it",
            )
        return secret

    def _is_given(self, name: str | None) -> bool:
        return name is not None and bool(self.environ.get(name))

    def _read(self, source: PasswordSource, owner: str) -> Secret:
        if source.env is not None:
            return self._read_variable(source.env, owner)
        if source.file is not None:
            return _usable(self._read_file(source.file, owner), owner, str(source))
        return _usable(self._run(source.command or (), owner), owner, str(source))

    def _read_variable(self, name: str, owner: str) -> Secret:
        value = self.environ.get(name)
        if not value:
            state = "is not set" if value is None else "is empty"
            raise SecretError(
                f"environment variable {name}, the password for {owner}, {state}",
                hint=f"set it for this command, for example from a password manager: {name}=... edgecerts apply",
            )
        return _usable(os.fsencode(value), owner, f"environment variable {name}", stripped=False)

    def _read_file(self, path: str, owner: str) -> bytes:
        try:
            descriptor = os.open(self.folder / path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return os.read(descriptor, _READ_LIMIT)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not a usable path"
            raise SecretError(f"file {path}, the password for {owner}, cannot be read: {problem}") from None
        raise SecretError(f"file {path}, the password for {owner}, is not a plain file")

    def _run(self, command: tuple[str, ...], owner: str) -> bytes:
        """Runs a password command without a shell. What it writes to standard error is dropped: it may be secret."""
        name = f"command {command[0]}, the password for {owner},"
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
        output, in_time = _read_output(process)
        if len(output) > _READ_LIMIT:
            raise SecretError(f"{name} gives more than {MAX_SECRET_BYTES} bytes")
        if not in_time:
            raise SecretError(f"{name} did not end within {COMMAND_SECONDS} seconds")
        if process.returncode < 0:
            raise SecretError(f"{name} was ended by signal {-process.returncode}", hint="run it by hand to see why")
        if process.returncode > 0:
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
            raise SecretError(f"the two passwords for {owner} differ", hint="run edgecerts apply again")
        return _usable(first.encode("utf-8", errors="surrogateescape"), owner, "the prompt", stripped=False)


def _usable(content: bytes, owner: str, source: str, *, stripped: bool = True) -> Secret:
    """What a source gave as a password; of a file or command without a BOM and one line end."""
    if len(content) > MAX_SECRET_BYTES + len(_BOM) + len(b"\r\n"):
        raise SecretError(f"{source}, the password for {owner}, gives more than {MAX_SECRET_BYTES} bytes")
    if stripped:
        content = content.removeprefix(_BOM)
        content = content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if not content:
        raise SecretError(f"{source}, the password for {owner}, gives nothing")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{source}, the password for {owner}, is not UTF-8 text") from None
    if len(content) > MAX_SECRET_BYTES or not text.strip() or any(character in text for character in "\0\n\r"):
        raise SecretError(f"{source}, the password for {owner}, is not one line that could be typed")
    return Secret(content)


def _read_output(process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """Reads what a command writes, up to a little more than a password may have.

    Returns:
        the output, and whether the command ended by itself in time. It is gone afterwards in any case.
    """
    output, deadline = b"", time.monotonic() + COMMAND_SECONDS
    with process, selectors.DefaultSelector() as selector:
        assert process.stdout is not None  # noqa: S101 (it was started with a pipe)
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while len(output) <= _READ_LIMIT and selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(process.stdout.fileno(), _READ_LIMIT + 1)
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
