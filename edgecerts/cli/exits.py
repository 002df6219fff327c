"""How a run ends: every way out of a command becomes one message on standard error and one exit code."""

import warnings
from pathlib import Path

import typer

from edgecerts.cli.console import Console
from edgecerts.errors import EdgecertsError, ExitCode, InterruptedApplyError, ManifestError, MissingSecretsError

DEBUG_FLAG = "--debug"

_PACKAGE = Path(__file__).parent.parent


def run(app: typer.Typer, arguments: list[str]) -> int:
    """Runs a command.

    Args:
        app: the commands.
        arguments: without the program's name.

    Returns:
        the exit code. Nothing is raised.
    """
    console = Console()
    debug = DEBUG_FLAG in arguments
    arguments = [argument for argument in arguments if argument != DEBUG_FLAG]
    try:
        with warnings.catch_warnings():
            # The library warns of certificates that other tools made, by lines of our code. What is wrong with them is
            # for the commands to say.
            warnings.simplefilter("ignore", UserWarning)
            code = int(app(arguments, prog_name="edgecerts", standalone_mode=False) or ExitCode.DONE)
    except typer.TyperException as error:
        return _usage_error(console, error)
    except ManifestError as error:
        from edgecerts.report.problems import render_problems

        console.tell(render_problems(error))
        return error.exit_code
    except InterruptedApplyError as error:
        console.tell(f"\ninterrupted: {error.message}; {error.hint}\n")
        return error.exit_code
    except EdgecertsError as error:
        for one in error.errors if isinstance(error, MissingSecretsError) else (error,):
            console.error(one.message, hint=one.hint)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:
        hint = "please report it with the command that you ran"
        console.error(_where(error), hint=hint if debug else f"{hint}, and with what it prints with {DEBUG_FLAG}")
        if debug:
            console.tell(_traceback(error))
        return ExitCode.ERROR
    if code == ExitCode.INTERRUPTED:
        console.tell(f"\ninterrupted: every file is whole; {_next_step(arguments)}\n")
    return code


def _next_step(arguments: list[str]) -> str:
    """What to do after an interruption. An import writes its manifest last, so there is nothing to plan yet."""
    if next((text for text in arguments if not text.startswith("-")), None) == "import":
        return "run the same import again, and it goes on from there"
    return "edgecerts plan shows where things stand"


def _usage_error(console: Console, error: typer.TyperException) -> int:
    """Typer's own code, 2, would read as `changes pending` in CI."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        console.tell(error.format_message() + "\n")
    else:
        hint = f"edgecerts {context.info_name} --help" if context is not None and context.parent else "edgecerts --help"
        console.error(error.format_message().rstrip("."), hint=f"see {hint}")
    return ExitCode.USAGE


def _traceback(error: BaseException) -> str:
    """The places in the code that led to a bug and to what caused it: no variables and no messages."""
    import traceback

    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = _traceback(cause) + "which led to\n" if cause is not None else ""
    return before + "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n"


def _where(error: Exception) -> str:
    """A bug's kind and place. Its message and its variables may hold secrets, so they are not shown."""
    traceback = error.__traceback__
    place = "?"
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        if file.is_relative_to(_PACKAGE) or place == "?":
            place = f"{file.name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"this is a bug in edgecerts: {type(error).__name__} at {place}"
