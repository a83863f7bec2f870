"""`playground serve`, `lab`, `offline`, `demo`: what keeps running until Ctrl-C."""

from __future__ import annotations

import threading
from typing import Any

import click

from playground.cli import options


@click.command(epilog="Example:  playground serve --gallery ./gallery --port 8866")
@options.gallery_option
@click.option("--port", type=click.IntRange(0, 65535), help="Default: 8866, or any free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def serve(gallery_place: str, port: int | None, no_browser: bool) -> None:
    """The gallery page in Voilà, for its owner: the printed address holds a token."""
    from playground import serve as service

    service.serve(gallery_place, port, not no_browser, say=click.echo)


@click.command(epilog="Example:  playground lab --no-browser")
@click.option("--port", type=click.IntRange(0, 65535), help="Default: 8888, or any free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def lab(port: int | None, no_browser: bool) -> None:
    """JupyterLab on the notebooks."""
    from playground import serve as service

    service.lab(port, not no_browser, say=click.echo)


@click.command(epilog="Example:  playground offline --port 8123 --latency-ms 180 --faults mix10")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: any free one.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0.0, help="Added to every answer.")
@click.option("--faults", metavar="FILE|NAME", help="Faults to inject (see --faults list).")
@click.option("--seed", type=int, default=0, show_default=True, help="Which calls they hit.")
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute that are allowed.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens a minute that are allowed.")
@options.json_option
def offline(as_json: bool, faults: str | None, **settings: Any) -> None:
    """OpenAI's HTTP API on this machine: samples instead of pictures, real token counts.

    Prints its base URL. GET /_truth lists what it saw and what it would have billed.
    """
    from playground.provider.offline import faults as known_faults
    from playground.provider.offline import server

    if faults == "list":
        for name, what in known_faults.NAMES.items():
            click.echo(f"{name:22} {what}")
        return
    with server.serve(faults=faults, **settings) as running:
        if as_json:
            options.print_json({"base_url": running.base_url, "truth": running.truth_url})
        else:
            click.echo(running.base_url)
        threading.Event().wait()


@click.command(epilog="Example:  playground demo ./demo-gallery")
@click.argument("folder", default="demo-gallery", type=click.Path())
def demo(folder: str) -> None:
    """Fill a folder with the sample gallery: no key, no network, no cost."""
    from playground import demo as samples

    samples.make_demo(folder)
