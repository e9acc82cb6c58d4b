"""A check of the whole installation, through the public address too."""

import sys

import click
from flask.cli import with_appcontext

from rtapp.doctor.finding import worst
from rtapp.doctor.run import run


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the database, Redis, clocks, proxies and streams, beside the running servers.

    Ends with 1 if there is a problem. Run it with the settings of the servers.
    """
    findings = run()
    for finding in findings:
        click.echo(f"{finding.verdict:8} {finding.check}: {finding.sentence}")
        if finding.remedy:
            click.echo(f"{'':8} {finding.remedy}")
    if worst(findings) == "problem":
        sys.exit(1)
