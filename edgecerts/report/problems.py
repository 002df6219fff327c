"""The mistakes of a manifest as lines that editors and people can follow."""

from edgecerts.errors import ManifestError, Problem
from edgecerts.report.printable import printable

_AT_MOST = 100


def render_problems(error: ManifestError) -> str:
    """Renders every mistake as one line `source:line:column: message; hint`.

    Args:
        error: the manifest's mistakes.

    Returns:
        the lines in the order of the text, each with its line end; after 100 of them one line that counts the rest.
    """
    lines = [_line(error.source, problem) for problem in error.problems[:_AT_MOST]]
    rest = len(error.problems) - len(lines) + error.more
    if rest:
        lines.append(f"{printable(error.source)}: {rest} more mistake{'s' if rest != 1 else ''}")
    return "".join(f"{line}\n" for line in lines)


def _line(source: str, problem: Problem) -> str:
    hint = f"; {problem.hint}" if problem.hint else ""
    return printable(f"{problem.file or source}:{problem.line}:{problem.column}: {problem.message}{hint}")
