"""The program: one way in and one way out, from its first moment to its last.

Loading takes longer than many a command, and may be interrupted like everything after it. So nothing is loaded here
before somebody listens.
"""

import sys


def main() -> None:
    """Runs the command of this process's arguments, and ends the process with one of the exit codes of `ExitCode`."""
    code = 130
    try:
        _end_like_ctrl_c()
        _keep_garbage()
        from edgecerts.cli.app import app
        from edgecerts.cli.exits import run

        _accept_every_character()
        code = run(app, sys.argv[1:])
    except KeyboardInterrupt:
        # It came before anything was done, or a second time while the first was being told.
        pass
    finally:
        _end_undisturbed()
    sys.exit(code)


def _end_like_ctrl_c() -> None:
    """SIGTERM and a closed terminal take the same way out, so that what is half-written is cleaned up."""
    import signal

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What is ignored stays so, as under nohup.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _keep_garbage() -> None:
    """A fleet is millions of objects, all of which are in use until the end.

    Looking for those that only refer to each other took a third of the time that a plan of 10,000 takes, and found next
    to none. What nobody refers to goes at once.
    """
    import gc

    gc.disable()


def _end_undisturbed() -> None:
    """All is done and said: what comes now would only spoil the exit code, or look for garbage one last time."""
    import gc
    import signal

    gc.freeze()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _accept_every_character() -> None:
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that this terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
