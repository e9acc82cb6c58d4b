"""Second factors of users."""

import click

from rtapp.services.change_second_factor import remove_second_factor

from .find import user_with
from .group import Group

second_factor = Group("second-factor", help="Two-step sign-in.")


@second_factor.command("remove")
@click.argument("email")
def remove(email: str) -> None:
    """Have a user who lost the authenticator app sign in with the password alone. Administrators
    have a button for it."""
    if not remove_second_factor(user_with(email)):
        click.echo(f"{email} has no second factor. Nothing was changed.")
        return
    click.echo(f"{email} signs in with the password alone, and should set it up anew.")
