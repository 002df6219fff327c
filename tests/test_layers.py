"""The house of docs/architecture.md, held against the source: who imports whom, and who touches the outside."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "edgecerts"

GROUND_FLOOR = ("edgecerts", "errors", "schemas", "pki")
FLOORS = (
    *("manifest", "desired", "observed", "plan", "saved", "status"),
    *("requests", "adoption", "apply", "report", "cli"),
)
"""In the order of the data's flow: each imports from those before it, and from the ground floor."""

MOST_LINES = 400
MOST_FUNCTION_LINES = 60

_CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
_PATH_WRITERS = frozenset(
    {"write_text", "write_bytes", "touch", "mkdir", "rmdir", "unlink", "rename", "chmod", "symlink_to", "hardlink_to"}
)
_OS_WRITERS = frozenset(
    {
        *("rename", "renames", "replace", "link", "symlink", "mkfifo", "mknod", "mkdir", "makedirs"),
        *("unlink", "remove", "removedirs", "rmdir", "truncate", "ftruncate", "copy_file_range", "sendfile"),
        *("chmod", "fchmod", "chown", "fchown", "utime"),
    }
)
_OS_FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"})
_SHUTIL_READERS = frozenset({"which", "get_terminal_size", "disk_usage"})
_PROCESS_MODULES = frozenset({"subprocess", "multiprocessing", "pty"})
_PROCESS_CALLS = ("os.system", "os.popen", "os.fork", "os.exec", "os.spawn", "os.posix_spawn")

FILE_WRITERS = ("apply/", "cli/init.py")
PROCESS_STARTERS = ("apply/crew.py", "apply/secrets.py", "observed/repository.py")
SPEAKERS = ("cli/console.py",)
CLOCKS = ("cli/clock.py",)
STOPWATCHES = ("cli/clock.py", "apply/lock.py", "apply/secrets.py")
"""Who may see how long something takes: what is shown, and what is waited for."""

VERSION_SPEAKER = "cli/app.py"
"""May use Typer's own echo, for `--version` alone."""


@dataclass(frozen=True)
class Source:
    """A module's path below the package, and its syntax tree."""

    path: str
    tree: ast.Module
    lines: int

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def source_of(path: str, text: str) -> Source:
    return Source(path=path, tree=ast.parse(text), lines=text.count("\n"))


SOURCES = [
    source_of(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
]


def floor_of(name: str) -> str:
    """The package, or the module on the ground floor, that a dotted name or a path belongs to."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    parts = parts[1:] if parts[0] == "edgecerts" else parts
    return parts[0] if parts and parts[0] not in ("", "__init__", "__version__") else "edgecerts"


def imports_of(source: Source) -> Iterator[str]:
    """Every module that is imported, also inside functions."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.path}:{node.lineno} has a relative import"
            if node.module == "edgecerts":
                yield from (f"edgecerts.{alias.name}" for alias in node.names)
            elif node.module is not None:
                yield node.module


def may_import(importer: str, imported: str) -> bool:
    if importer == "__main__":
        return imported == "cli"
    if imported in GROUND_FLOOR or importer == imported:
        # A wheel's own package knows its version and nothing else.
        return importer != "edgecerts"
    if importer in GROUND_FLOOR or imported not in FLOORS:
        return False
    return FLOORS.index(imported) < FLOORS.index(importer)


def wrong_imports(source: Source) -> list[str]:
    importer = floor_of(source.path)
    ours = (name for name in imports_of(source) if name.split(".")[0] == "edgecerts")
    return sorted({name for name in ours if not may_import(importer, floor_of(name))})


def dotted(node: ast.expr) -> str:
    """`os.path.join` of the syntax tree of it; `?` stands for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return "?"


def clock_reads(source: Source) -> list[str]:
    names = (dotted(call.func) for call in source.calls())
    return [
        name
        for name in names
        if (name.rpartition(".")[2] in _CLOCK_CALLS and "." in name)
        or name in ("time.time", "time.time_ns", "time.localtime", "time.gmtime")
    ]


def stopwatch_reads(source: Source) -> list[str]:
    names = (dotted(call.func) for call in source.calls())
    return [name for name in names if name.startswith(("time.monotonic", "time.perf_counter", "time.process_time"))]


def speech(source: Source) -> list[str]:
    found = []
    for call in source.calls():
        name = dotted(call.func)
        if name in ("print", "typer.echo", "typer.secho") or (
            name.startswith(("sys.stdout", "sys.stderr", "sys.__std")) and name.rpartition(".")[2].startswith("write")
        ):
            found.append(name)
    return found


def file_writes(source: Source) -> list[str]:
    return [dotted(call.func) for call in source.calls() if _writes_a_file(call)]


def _writes_a_file(call: ast.Call) -> bool:
    name = dotted(call.func)
    root, _, last = name.rpartition(".")
    if name == "os.open":
        # What goes to the null device goes nowhere.
        to_nowhere = bool(call.args) and dotted(call.args[0]) == "os.devnull"
        return not to_nowhere and any(
            isinstance(node, ast.Attribute) and node.attr in _OS_FLAGS for node in ast.walk(call)
        )
    if root == "os":
        return last in _OS_WRITERS
    if root == "shutil":
        return last not in _SHUTIL_READERS
    if root == "tempfile":
        return True
    if last == "open":
        return _opens_for_writing(call, is_method=bool(root))
    if last == "replace":  # text and moments are replaced with two arguments, or by keyword
        return bool(root) and len(call.args) == 1
    return bool(root) and last in _PATH_WRITERS


def _opens_for_writing(call: ast.Call, *, is_method: bool) -> bool:
    position = 0 if is_method else 1
    modes = [*call.args[position : position + 1], *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    return len(texts) != len(modes) or any(set(text) & set("wax+") for text in texts)


def process_starts(source: Source) -> list[str]:
    imported = [name for name in imports_of(source) if name.split(".")[0] in _PROCESS_MODULES]
    calls = [dotted(call.func) for call in source.calls()]
    return imported + [
        name for name in calls if name.startswith(_PROCESS_CALLS) or name.endswith("ProcessPoolExecutor")
    ]


def long_functions(source: Source) -> list[str]:
    functions = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        function.name
        for function in functions
        if (function.end_lineno or function.lineno) - function.lineno + 1 > MOST_FUNCTION_LINES
    ]


def offenders(find: Callable[[Source], list[str]], allowed: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """What was found, by module, outside the modules that are allowed to."""
    found = {source.path: find(source) for source in SOURCES if not source.path.startswith(allowed or ("\0",))}
    return {path: places for path, places in found.items() if places}


def test_every_package_has_its_floor() -> None:
    assert len(SOURCES) > 50
    assert {floor_of(source.path) for source in SOURCES} == {"__main__", *GROUND_FLOOR, *FLOORS}


def test_a_package_imports_only_from_those_above_it() -> None:
    assert offenders(wrong_imports) == {}


def test_only_one_module_reads_the_clock() -> None:
    assert offenders(clock_reads, CLOCKS) == {}


def test_who_sees_how_long_something_takes() -> None:
    assert offenders(stopwatch_reads, STOPWATCHES) == {}


def test_only_the_console_writes_to_the_terminal() -> None:
    found = offenders(speech, SPEAKERS)
    assert found.pop(VERSION_SPEAKER, []) in ([], ["typer.echo"])
    assert found == {}


def test_only_apply_and_init_write_files() -> None:
    assert offenders(file_writes, FILE_WRITERS) == {}


def test_only_the_secrets_and_the_repository_start_processes() -> None:
    assert offenders(process_starts, PROCESS_STARTERS) == {}


def test_no_file_and_no_function_is_long() -> None:
    assert {source.path: source.lines for source in SOURCES if source.lines > MOST_LINES} == {}
    assert offenders(long_functions) == {}


def test_what_is_allowed_is_used() -> None:
    """An exception that nobody needs any more would hide the next offence."""
    for find, places in (
        (clock_reads, CLOCKS),
        (stopwatch_reads, STOPWATCHES),
        (speech, SPEAKERS),
        (file_writes, FILE_WRITERS),
        (process_starts, PROCESS_STARTERS),
    ):
        for place in places:
            assert any(find(source) for source in SOURCES if source.path.startswith(place)), place


@pytest.mark.parametrize(
    ("find", "path", "text"),
    [
        (wrong_imports, "pki/x.py", "from edgecerts.manifest import parse_manifest\n"),
        (wrong_imports, "plan/x.py", "def f():\n    import edgecerts.apply.lock\n"),
        (wrong_imports, "report/x.py", "from edgecerts.cli.clock import current_time\n"),
        (wrong_imports, "apply/x.py", "from edgecerts import report\n"),
        (wrong_imports, "errors.py", "from edgecerts.plan.model import Action\n"),
        (clock_reads, "plan/x.py", "now = datetime.now(UTC)\n"),
        (clock_reads, "plan/x.py", "now = datetime.datetime.utcnow()\n"),
        (clock_reads, "plan/x.py", "now = time.time()\n"),
        (stopwatch_reads, "cli/x.py", "time.monotonic()\n"),
        (speech, "plan/x.py", "print('x')\n"),
        (speech, "plan/x.py", "sys.stdout.write('x')\n"),
        (speech, "plan/x.py", "sys.stderr.buffer.writelines([])\n"),
        (file_writes, "plan/x.py", "open(p, 'w')\n"),
        (file_writes, "plan/x.py", "p.open(mode='xb')\n"),
        (file_writes, "plan/x.py", "p.open(mode)\n"),
        (file_writes, "plan/x.py", "os.open(p, os.O_WRONLY | os.O_CREAT)\n"),
        (file_writes, "plan/x.py", "os.rename(a, b)\n"),
        (file_writes, "plan/x.py", "Path(a).replace(b)\n"),
        (file_writes, "plan/x.py", "Path(a).write_text('x')\n"),
        (file_writes, "plan/x.py", "shutil.rmtree(a)\n"),
        (process_starts, "plan/x.py", "import subprocess\n"),
        (process_starts, "plan/x.py", "os.execvp('x', [])\n"),
        (long_functions, "plan/x.py", "def f():\n" + "    pass\n" * 60),
    ],
)
def test_the_guards_see(find: Callable[[Source], list[str]], path: str, text: str) -> None:
    assert find(source_of(path, text))


@pytest.mark.parametrize(
    ("find", "path", "text"),
    [
        (wrong_imports, "cli/x.py", "from edgecerts.report.style import Style\nimport json\n"),
        (
            wrong_imports,
            "report/x.py",
            "from edgecerts.apply.report import Status\nfrom edgecerts import __version__\n",
        ),
        (wrong_imports, "pki/x.py", "from edgecerts.pki.pem import split_pem\nfrom edgecerts.errors import Problem\n"),
        (clock_reads, "plan/x.py", "moment.replace(microsecond=0)\nnow(1)\n"),
        (file_writes, "plan/x.py", "open(p)\np.open('rb')\n'a'.replace('a', 'b')\nos.open(p, os.O_RDONLY)\n"),
        (file_writes, "cli/x.py", "os.open(os.devnull, os.O_WRONLY)\nshutil.get_terminal_size()\n"),
        (speech, "cli/x.py", "sys.stdout.flush()\nsys.stdout.isatty()\n"),
    ],
)
def test_the_guards_do_not_cry_wolf(find: Callable[[Source], list[str]], path: str, text: str) -> None:
    assert not find(source_of(path, text))
