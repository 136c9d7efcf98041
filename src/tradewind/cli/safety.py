"""`tradewind safety`: policies and blocklists. Heavy imports wait."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradewind.cli import safety_evaluate
from tradewind.cli.settings import load_settings
from tradewind.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewind.features.safety.schemas import DryRunRow, PolicyRow, SubjectKind

_WHETHER = "Works while the platform runs, and while it does not."
safety = typer.Typer(
    help="What is looked at in prompts and answers, and what follows.", no_args_is_help=True
)
policies = typer.Typer(
    help=f"Safety policies, version by version. {_WHETHER}", no_args_is_help=True
)
blocklists = typer.Typer(help=f"Lists of terms for policies. {_WHETHER}", no_args_is_help=True)
safety.add_typer(policies, name="policies")
safety.add_typer(blocklists, name="blocklists")
safety_evaluate.register(safety)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object as the last line.")]
OfOption = Annotated[
    str | None,
    typer.Option("--of", help="Id of an organization; else the one that runs the platform."),
]
PolicyArgument = Annotated[str, typer.Argument(help="Name or id of a policy.")]
SubjectArgument = Annotated[
    str,
    typer.Argument(
        help="Id of a project, an endpoint or a deployment; the organization itself without it."
    ),
]


@policies.command("list")
def list_policies(of: OfOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List the platform's policies and the organization's own."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    rows = safety_commands.list_policies(settings, of)
    if json:
        typer.echo(jsonlib.dumps({"policies": [_told(row) for row in rows]}))
        return
    for row in rows:
        typer.echo(
            f"{row.policy_id}  {row.name}  version {row.version},"
            f" {len(row.content.rules)} rules, {len(row.content.checks)} checks"
        )


@policies.command("show")
def show_policy(
    policy: PolicyArgument,
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print a policy as YAML, each rule with its sentence; `apply` takes it back."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    shown = safety_commands.show_policy(settings, of, policy)
    if json:
        bound = [{"kind": row.kind, "subject": row.subject_id} for row in shown.bindings]
        typer.echo(jsonlib.dumps({**_told(shown.row), "bindings": bound}))
        return
    typer.echo(shown.yaml, nl=False)


@policies.command("apply")
def apply_policy(
    file: Annotated[Path, typer.Argument(help="A policy as YAML.")],
    why: Annotated[str, typer.Option(help="Why it is changed; kept with the version.")] = "",
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make the policy of this name say what the file says. Says so when it does already."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    row, is_changed = safety_commands.apply_policy(settings, of, file, why=why)
    if json:
        typer.echo(jsonlib.dumps({**_told(row), "is_changed": is_changed}))
        return
    state = "is now" if is_changed else "is still"
    typer.echo(f"{row.policy_id}  {row.name} {state} version {row.version}.")


@policies.command("bind")
def bind(
    policy: PolicyArgument,
    subject: SubjectArgument = "",
    of: OfOption = None,
    data: DataOption = None,
) -> None:
    """Have a policy hold for a project, an endpoint, a deployment or the whole organization."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    row = safety_commands.bind(settings, of, policy, _kind(subject), subject)
    typer.echo(f"{policy} holds for the {row.kind} {row.name or row.subject_id}.")


@policies.command("unbind")
def unbind(
    policy: PolicyArgument,
    subject: SubjectArgument = "",
    of: OfOption = None,
    data: DataOption = None,
) -> None:
    """Have a policy no longer hold there."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    kind = _kind(subject)
    safety_commands.unbind(settings, of, policy, kind, subject)
    typer.echo(f"{policy} is not bound to this {kind}.")


@policies.command("delete")
def delete_policy(policy: PolicyArgument, of: OfOption = None, data: DataOption = None) -> None:
    """Delete a policy that is bound to nothing. What it has said is kept."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    safety_commands.delete_policy(settings, of, policy)
    typer.echo(f"{policy} is deleted.")


@blocklists.command("list")
def list_blocklists(of: OfOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List blocklists by name."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    rows = safety_commands.list_blocklists(settings, of)
    if json:
        listed = [{"id": row.blocklist_id, "name": row.name, "items": row.items} for row in rows]
        typer.echo(jsonlib.dumps({"blocklists": listed}))
        return
    if not rows:
        typer.echo("There is no blocklist.")
    for row in rows:
        typer.echo(f"{row.blocklist_id}  {row.name}  {row.items:,} terms")


@blocklists.command("load")
def load_terms(
    name: Annotated[str, typer.Argument(help="Of the blocklist; made if it is not there.")],
    file: Annotated[Path, typer.Argument(help="One term a line.")],
    of: OfOption = None,
    data: DataOption = None,
) -> None:
    """Add the terms of a file to a blocklist."""
    settings = load_settings(data=data)
    from tradewind.serve import safety_commands  # noqa: PLC0415

    row = safety_commands.load_terms(settings, of, name, file)
    typer.echo(f"{row.blocklist_id}  {row.name} has {row.items:,} terms.")


@safety.command("dry-run")
def dry_run(
    file: Annotated[Path, typer.Argument(help="A policy as YAML, applied or not.")],
    of: OfOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Tell what a policy would have done in the last week. Ctrl-C cancels it."""
    settings = load_settings(data=data)
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    from tradewind.serve.safety_dry_run import dry_run as run_it  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    is_shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not is_shown) as progress:
        task = progress.add_task("judging calls again", total=None)

        def tell(row: "DryRunRow") -> None:
            progress.update(task, completed=row.done, total=row.total or None)

        run = run_it(settings, of, file, tell)
    if json:
        typer.echo(jsonlib.dumps({"id": run.run_id, "state": run.state, **run.result}))
    else:
        for line in _run_lines(run):
            typer.echo(line)
    if run.state != "done":
        raise typer.Exit(1)


_REASONS = {
    "contents_not_kept": "a check that did not run then needs contents, and none are kept",
    "contents_cut": "their contents were too long to be kept whole",
    "asks_somebody": "a check asks a service or a model, which is not done again",
    "check_failed": "a check could not tell",
    "policies_changed_too_often": "policies changed too often since",
    "too_many_calls": "there are too many calls",
}


def _run_lines(run: "DryRunRow") -> list[str]:
    if run.state != "done":
        return [f"{run.run_id} {run.state}. {run.error}".rstrip()]
    told = run.result
    judged = told["judged_by_findings"] + told["judged_by_contents"]
    sum_up = (
        f"Of {told['calls']:,} calls in the last week {judged:,} were judged again:"
        f" {told['newly_blocked']:,} would be blocked that were not,"
        f" {told['no_longer_blocked']:,} were blocked that would not be."
    )
    lines = [sum_up]
    lines += [f"  {rule['calls']:>8,}  {rule['words']}" for rule in told["rules"]]
    lines += [
        f"Not judged: {count:,}, because {_REASONS.get(reason, reason)}."
        for reason, count in told["not_judged"].items()
    ]
    return lines


def _kind(subject: str) -> "SubjectKind":
    """Raises InvalidInput."""
    from tradewind.features.safety.schemas import SubjectKind  # noqa: PLC0415

    kinds = {
        "org_": SubjectKind.ORGANIZATION,
        "proj_": SubjectKind.PROJECT,
        "ep_": SubjectKind.ENDPOINT,
        "dep_": SubjectKind.DEPLOYMENT,
    }
    for prefix, kind in kinds.items():
        if subject.startswith(prefix):
            return kind
    if subject:
        raise InvalidInput(
            f"{subject[:80]!r} is nothing that policies are bound to",
            hint="name a project, an endpoint or a deployment by its id",
        )
    return SubjectKind.ORGANIZATION


def _told(row: "PolicyRow") -> dict[str, object]:
    from tradewind.features.safety.rules.content import plain_content  # noqa: PLC0415
    from tradewind.features.safety.rules.words import words_of_policy  # noqa: PLC0415

    return {
        "id": row.policy_id,
        "name": row.name,
        "standing": row.standing,
        "version": row.version,
        "why": row.why,
        **plain_content(row.content),
        "words": words_of_policy(row.content),
    }
