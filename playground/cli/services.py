"""`playground serve`, `lab`, `offline`, `demo`: what keeps running until Ctrl-C."""

from __future__ import annotations

from typing import Any, Literal

import click

from playground.cli import options


@click.command(epilog="Example:  playground serve --gallery ./gallery --port 8866")
@options.gallery_option
@click.option("--port", type=click.IntRange(0, 65535), help="Default: 8866, or any free one.")
@click.option(
    "--pages",
    type=click.Choice(("all", "gallery")),
    default="all",
    show_default=True,
    help="gallery alone cannot spend and gets no key.",
)
@click.option(
    "--public",
    "snapshot",
    metavar="SNAPSHOT",
    help="Serve what `gallery publish` made, to strangers, instead of the gallery.",
)
@click.option(
    "--visitors",
    type=click.IntRange(1, 500),
    default=20,
    show_default=True,
    help="With --public: kernels at once (90 MB each); more visitors get the static site.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="With --public: a name under which a reverse proxy passes visitors on; repeatable.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def serve(
    gallery_place: str,
    port: int | None,
    pages: Literal["all", "gallery"],
    snapshot: str | None,
    visitors: int,
    hosts: tuple[str, ...],
    no_browser: bool,
) -> None:
    """The pages in Voilà, for their owner: the printed address holds a token.

    With --public: a published snapshot for strangers, in processes that have no key, cannot
    spend, and see nothing else of this machine.
    """
    if snapshot is not None:
        from playground.public import launch

        launch.serve(snapshot, port, not no_browser, visitors=visitors, hosts=hosts, say=click.echo)
        return
    from playground import serve as service

    service.serve(gallery_place, port, not no_browser, pages=pages, say=click.echo)


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
@click.option(
    "--faults",
    metavar="FILE|NAME",
    help="Faults to inject; `list` names them, mix10 is ten per cent of all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which calls they hit.")
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute that are allowed.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens a minute that are allowed.")
@options.json_option
def offline(as_json: bool, faults: str | None, **settings: Any) -> None:
    """OpenAI's HTTP API on this machine: samples instead of pictures, real token counts.

    Prints its base URL. GET /_truth lists what it saw and what it would have billed.
    """
    from playground.provider.offline.faults import FAULTS
    from playground.provider.offline.server import serve as start

    if faults == "list":
        rows = [(f.name, "billed" if f.billed else "", f.what) for f in FAULTS.values()]
        options.print_table(("fault", "", "what happens"), rows)
        return
    with start(faults=faults, **settings) as running:
        if as_json:
            truth = running.base_url.removesuffix("/v1") + "/_truth"
            options.print_json({"base_url": running.base_url, "truth": truth})
        else:
            click.echo(running.base_url)
        running.wait()


@click.command(epilog="Example:  playground demo ./demo-gallery")
@click.argument("folder", default="demo-gallery", type=click.Path())
def demo(folder: str) -> None:
    """Fill a folder with the sample gallery: no key, no network, no cost."""
    from playground import demo as samples

    samples.make_demo(folder)
