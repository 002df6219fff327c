"""What git says of the output folder: which files it would take in, and which it has.

Git is asked only inside a work tree, with nothing of this process's environment but what it needs to find itself and
the user's settings, and with everything switched off by which a repository can make it run other programs.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 30

_PASSED_ON = ("PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID")
"""Git, run by root, trusts a work tree of the user who called sudo, and of nobody else."""

_ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    # A repository may lack objects and have them fetched, by whatever program its settings name.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
}
_SAFE = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "safe.bareRepository=explicit"),
)
_NO_REPOSITORY = "fatal: not a git repository"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """Git could not be asked, or gave no answer.

    Attributes:
        problem: why, in words.
    """

    problem: str


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnoreRule:
    """The line that decides whether git ignores a path: the last one that fits.

    Attributes:
        source: its file, relative to the top of the work tree or absolute.
        pattern: the line.
    """

    source: str
    line: int
    pattern: str

    @property
    def lets_in(self) -> bool:
        """Whether the line is an exception from others that ignore."""
        return self.pattern.startswith("!")


def find_work_tree(folder: Path) -> Path | None:
    """The top of the work tree that a folder lies in, or None. No process is started."""
    place = Path(os.path.realpath(folder))
    return next((parent for parent in (place, *place.parents) if os.path.lexists(parent / ".git")), None)


def find_ignore_rules(folder: Path, paths: Iterable[str]) -> Mapping[str, IgnoreRule | None] | Unknown | None:
    """The line that decides about each path, whether or not git has the file already.

    Args:
        folder: what the paths are relative to.
        paths: of files that need not exist.

    Returns:
        by path a line, or None where no line fits; None where the folder is in no work tree.
    """
    asked = list(paths)
    given = b"".join(os.fsencode(path) + b"\0" for path in asked)
    answer = _ask(folder, "check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin", given=given)
    if answer is None or isinstance(answer, Unknown):
        return answer
    words = [os.fsdecode(word) for word in answer.split(b"\0")[:-1]]
    try:
        sources, lines, patterns, named = (words[start::4] for start in range(4))
        rules = {
            path: IgnoreRule(source=source, line=int(line), pattern=pattern) if source else None
            for source, line, pattern, path in zip(sources, lines, patterns, named, strict=True)
        }
    except ValueError:
        rules = {}
    return rules if rules.keys() == set(asked) else Unknown(problem="git answers in another way than expected")


def find_tracked(folder: Path, patterns: Iterable[str]) -> frozenset[str] | Unknown | None:
    """The files that git has.

    Args:
        folder: where to look, and what the result is relative to.
        patterns: which files, as git's pathspecs.

    Returns:
        their paths; None where the folder is in no work tree.
    """
    answer = _ask(folder, "ls-files", "--cached", "-z", "--", *patterns)
    if answer is None or isinstance(answer, Unknown):
        return answer
    return frozenset(os.fsdecode(path) for path in answer.split(b"\0")[:-1])


def _ask(folder: Path, *arguments: str, given: bytes = b"") -> bytes | Unknown | None:
    """What git prints; None where the folder is in no work tree."""
    if not os.access(folder, os.X_OK) or find_work_tree(folder) is None:
        return None
    program = shutil.which("git")
    if program is None or not Path(program).is_absolute():
        return Unknown(problem="git is not installed")
    # Imported here because only a folder in a work tree needs it.
    import subprocess

    inherited = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    try:
        done = subprocess.run(  # noqa: S603 (no shell; the program is git, and the paths go to its standard input)
            [program, "--no-pager", *_SAFE, *arguments],
            cwd=folder,
            input=given,
            capture_output=True,
            env=inherited | _ENVIRONMENT,
            timeout=GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Unknown(problem=f"git did not answer within {GIT_SECONDS} seconds")
    except OSError as error:
        return Unknown(problem=f"git cannot be run: {error.strerror}")
    complaint = (os.fsdecode(done.stderr).splitlines() or ["git failed and did not say why"])[0]
    # check-ignore ends with 1 where no path is ignored.
    if done.returncode == 0 or (done.returncode == 1 and arguments[0] == "check-ignore"):
        return done.stdout
    if complaint.startswith(_NO_REPOSITORY):
        return None
    return Unknown(problem=complaint.removeprefix("fatal: "))
