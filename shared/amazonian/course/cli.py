"""The command ``amazonian``."""

import os
import sys
from itertools import groupby
from pathlib import Path

import click

SITE_PORT, LAB_PORT, CLOUD_PORT = 8000, 8888, 4566


@click.group()
def main() -> None:
    """The Amazonian Feat: build the site, do the labs, see what is yours."""


@main.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a file differs.")
def labs(check: bool) -> None:
    """Make labs/ and solutions/ from their masters in labs/src/."""
    from amazonian.course.labs import generate

    changed = [os.path.relpath(path) for path in generate(check_only=check)]
    if check and changed:
        sys.exit("Not in step with their masters: " + ", ".join(changed) + ". Run: amazonian labs")
    for path in changed:
        click.echo(f"wrote {path}" if os.path.exists(path) else f"removed {path}")
    if not changed:
        click.echo("Labs and solutions are in step with their masters.")


@main.command()
def progress() -> None:
    """Show which exercises are yours, chapter by chapter."""
    from rich.console import Console
    from rich.table import Table

    from amazonian.course import catalogue
    from amazonian.course import progress as kept

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Lab", "Exercise", "Runs on"):
        table.add_column(heading)
    mine = {name for lab in catalogue.labs() for name in lab.exercises if kept.kept(name)}
    total = 0
    for chapter, chapter_labs in groupby(catalogue.labs(), key=lambda lab: lab.chapter):
        found = list(chapter_labs)
        names = [name for lab in found for name in lab.exercises]
        total += len(names)
        table.add_row("", "", "")
        yours = f"{len(mine.intersection(names))} of {len(names)} are yours"
        table.add_row("", f"[bold]Chapter {chapter}[/bold]", f"[bold]{yours}[/bold]")
        for lab in found:
            table.add_row(lab.number, f"[bold]{lab.title}[/bold]", "")
            for name in lab.exercises:
                runs_on = "your version" if name in mine else "the course's"
                table.add_row("", name.removeprefix("amazonian."), runs_on)
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"\n{len(mine)} of {total} exercises are yours. Their source: {kept.home()}/answers"
    )


@main.command()
@click.option("--port", default=CLOUD_PORT, show_default=True)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Kept there; by default in your home."
)
@click.option("--users", type=click.Path(exists=True, path_type=Path), help="Fixed users and keys.")
@click.option("--dsn", help="PostgreSQL for S3's metadata, instead of SQLite.")
@click.option("--mine", is_flag=True, help="Run on your own answers, where a check has passed.")
def up(port: int, data: Path | None, users: Path | None, dsn: str | None, mine: bool) -> None:
    """Start the cloud on one loopback endpoint for AWS clients."""
    from amazonian.course import up as running
    from amazonian.course.progress import home

    try:
        running.up(port, data or home() / "cloud", users, dsn, mine)
    except running.UpError as error:
        sys.exit(str(error))


@main.command()
@click.argument("notebook", type=click.Path(path_type=Path))
def watch(notebook: Path) -> None:
    """Check a lab again at each save; show the first exercise that is not yet right."""
    from amazonian.course import watch as watching

    try:
        watching.watch(notebook)
    except watching.WatchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        click.echo()


@main.command()
def book() -> None:
    """Build the site into _build/html."""
    _site(lambda site: site.build())


@main.command()
@click.option("--site-port", default=SITE_PORT, show_default=True)
@click.option("--lab-port", default=LAB_PORT, show_default=True)
def start(site_port: int, lab_port: int) -> None:
    """Start JupyterLab, build the site, serve it."""
    _site(lambda site: site.start(site_port, lab_port))


@main.command()
@click.option("--lab-port", default=LAB_PORT, show_default=True)
def lab(lab_port: int) -> None:
    """Start JupyterLab on the labs."""
    _site(lambda site: site.lab_only(lab_port))


def _site(action) -> None:
    from amazonian.course import site

    try:
        action(site)
    except site.SiteError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        click.echo()
