"""The command line: thin, and calling the same functions as the notebooks.

Exit status: 0 done; 1 an expected failure, with one line on stderr; 2 a usage error; 130 after
Ctrl-C. With `--json` stdout holds one JSON document and nothing else.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from playground._version import __version__
from playground.errors import PlaygroundError
from playground.render import printable

_GROUPS = {
    "quote": "playground.cli.quotes:quote",
    "sizes": "playground.cli.quotes:sizes",
    "better": "playground.cli.quotes:better",
    "bill": "playground.cli.quotes:bill",
    "models": "playground.cli.about:models",
    "prices": "playground.cli.about:prices",
    "doctor": "playground.cli.about:doctor",
    "generate": "playground.cli.spend:generate",
    "caption": "playground.cli.caption:caption",
    "batches": "playground.cli.batches:batches",
    "gallery": "playground.cli.gallery:gallery",
    "serve": "playground.cli.services:serve",
    "lab": "playground.cli.services:lab",
    "offline": "playground.cli.services:offline",
    "demo": "playground.cli.services:demo",
}


class _Lazy(click.Group):
    """Imports a command only when it is called: a quote must not wait for the gallery."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        where = _GROUPS.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command = getattr(__import__(module, fromlist=[name]), name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Example:  playground quote image "a glass desert" --size 976x704 --quality low',
)
@click.version_option(__version__, prog_name="playground")
def playground() -> None:
    """Halfpenny: pictures and captions whose quote is the bill.

    Without a key everything runs on the embedded provider: sample pictures, real prices.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        result = playground.main(
            args=list(arguments) if arguments is not None else None,
            prog_name="playground",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except click.UsageError as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return _say("stopped", 130)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except PlaygroundError as error:
        return _say(str(error), 1)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not a failure, and nothing to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _say(_system_problem(error), 1)
    return result if isinstance(result, int) else 0


def _say(message: str, status: int) -> int:
    click.echo(f"playground: {printable(message)}", err=True)
    return status


def _system_problem(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{where}; free some space and run the command again"
    if isinstance(error, PermissionError):
        what = error.filename or "what the command needs"
        return f"this user may not use {what}; change its permissions, or name another place"
    return f"{error.strerror or error}{where}"
