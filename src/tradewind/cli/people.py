"""`tradewind organizations`, `members` and `projects`. Heavy imports wait."""

import json as jsonlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tradewind.cli.settings import load_settings

_WHETHER = "Works while the platform runs, and while it does not."
organizations = typer.Typer(
    help=f"List organizations, and make others. {_WHETHER}", no_args_is_help=True
)
members = typer.Typer(
    help=f"Who belongs to an organization: list, invite, change roles, remove. {_WHETHER}",
    no_args_is_help=True,
)
projects = typer.Typer(
    help=f"List an organization's projects, and add others. {_WHETHER}", no_args_is_help=True
)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OfOption = Annotated[
    str | None,
    typer.Option("--of", help="Id of an organization; else the one that runs the platform."),
]


class _Role(StrEnum):
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


@organizations.command("list")
def list_organizations(data: DataOption = None, json: JsonOption = False) -> None:
    """List all organizations by name."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    rows = served.organizations(settings)
    if json:
        listed = [
            {
                "id": row.organization_id,
                "name": row.name,
                "is_platform": row.is_platform,
                "members": row.members,
                "projects": row.projects,
            }
            for row in rows
        ]
        typer.echo(jsonlib.dumps({"organizations": listed}))
        return
    for row in rows:
        note = "  runs the platform" if row.is_platform else ""
        typer.echo(f"{row.organization_id}  {row.name}  {row.members} members{note}")


@organizations.command("add")
def add_organization(
    name: Annotated[str, typer.Argument(help="Of the organization.")],
    administrator: Annotated[str, typer.Option(help="E-mail address of its first one.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make an organization, and print the link that lets its administrator in."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    made, url = served.add_organization(settings, name, administrator)
    if json:
        typer.echo(jsonlib.dumps({"id": made.row.organization_id, "url": url}))
        return
    typer.echo(f"{made.row.organization_id}  {made.row.name}")
    typer.echo(f"Hand this link to {made.invitation.row.email}; it works once, for a week:\n{url}")


@members.command("list")
def list_members(of: OfOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List members, and who is invited."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    rows, invited = served.members(settings, of)
    if json:
        there = [
            {"id": row.user_id, "name": row.name, "email": row.email, "role": row.role.value}
            for row in rows
        ]
        waiting = [
            {"id": row.invitation_id, "email": row.email, "role": row.role.value} for row in invited
        ]
        typer.echo(jsonlib.dumps({"members": there, "invitations": waiting}))
        return
    for row in rows:
        typer.echo(f"{row.user_id}  {row.role.value:9}  {row.name} <{row.email}>")
    for row in invited:
        typer.echo(f"{row.invitation_id}  {row.role.value:9}  invited: {row.email}")


@members.command()
def invite(
    email: Annotated[str, typer.Argument(help="Address of whoever is to come.")],
    role: Annotated[_Role, typer.Option()] = _Role.DEVELOPER,
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print a link that lets somebody in, once."""
    settings = load_settings(data=data)
    from tradewind.core.permissions import Role  # noqa: PLC0415
    from tradewind.serve import people as served  # noqa: PLC0415

    made, url = served.invite(settings, of, email, Role(role.value))
    if json:
        typer.echo(jsonlib.dumps({"id": made.row.invitation_id, "url": url}))
        return
    typer.echo(f"Hand this link to {made.row.email}; it works once, for a week:\n{url}")


@members.command()
def role(
    user: Annotated[str, typer.Argument(help="Id of a member: user_…")],
    role: Annotated[_Role, typer.Argument()],
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Change what somebody may do."""
    settings = load_settings(data=data)
    from tradewind.core.permissions import Role  # noqa: PLC0415
    from tradewind.serve import people as served  # noqa: PLC0415

    row = served.change_role(settings, of, user, Role(role.value))
    if json:
        typer.echo(jsonlib.dumps({"id": row.user_id, "role": row.role.value}))
        return
    typer.echo(f"{row.name} is {row.role.value} now.")


@members.command()
def remove(
    user: Annotated[str, typer.Argument(help="Id of a member: user_…")],
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take somebody out of an organization. Their account stays."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    served.remove_member(settings, of, user)
    typer.echo(jsonlib.dumps({"removed": user}) if json else f"{user} is out.")


@projects.command("list")
def list_projects(of: OfOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List projects, the oldest first."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    rows = served.projects(settings, of)
    if json:
        listed = [{"id": row.project_id, "name": row.name} for row in rows]
        typer.echo(jsonlib.dumps({"projects": listed}))
        return
    for row in rows:
        typer.echo(f"{row.project_id}  {row.name}")


@projects.command("add")
def add_project(
    name: Annotated[str, typer.Argument(help="Of the project.")],
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Add a project: its keys, requests and spending are its own."""
    settings = load_settings(data=data)
    from tradewind.serve import people as served  # noqa: PLC0415

    row = served.add_project(settings, of, name)
    if json:
        typer.echo(jsonlib.dumps({"id": row.project_id, "name": row.name}))
        return
    typer.echo(f"{row.project_id}  {row.name}")
