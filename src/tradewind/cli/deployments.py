"""`tradewind deploy`, `pull` and `deployments`. Heavy imports wait until their verb needs them."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradewind.cli.settings import load_settings
from tradewind.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewind.features.deployments.schemas import Deployable, Strategy
    from tradewind.readmodels.deployments import DeploymentView, RevisionView

deployments = typer.Typer(help="What runs on this machine.", no_args_is_help=True)

DataOption = Annotated[Path | None, typer.Option(help="Folder of everything the platform keeps.")]
JsonOption = Annotated[bool, typer.Option(help="Print one JSON object.")]
ModelArgument = Annotated[str, typer.Argument(metavar="PUBLISHER/MODEL")]
NamedArgument = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help="Its id, or the name of its model.")
]
OverrideOption = Annotated[
    bool, typer.Option("--override", help="Though it is not estimated to fit.")
]
StrategyOption = Annotated[
    str | None,
    typer.Option(help="start-first or stop-first; by default what fits."),
]
_MIB = 1024 * 1024
_VERDICTS = {"fits": "fits", "tight": "is tight", "does_not_fit": "does not fit"}


def deploy(  # noqa: PLR0917  options of a command, always named
    model: ModelArgument,
    data: DataOption = None,
    version: Annotated[
        str | None, typer.Option(help="Label or digest; by default the newest that is here.")
    ] = None,
    slots: Annotated[int, typer.Option(help="Requests worked on at once.")] = 4,
    context: Annotated[
        int | None, typer.Option(help="Tokens each has; by default the most that fits.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of each replica.")] = 1,
    replicas: Annotated[int, typer.Option(help="Engines that share the calls.")] = 1,
    override: OverrideOption = False,
    dry_run: Annotated[bool, typer.Option(help="Show the estimate and change nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Return when it is ready.")] = True,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for.")] = 900,
    json: JsonOption = False,
) -> None:
    """Run a model on this machine, and have it answer under its name."""
    settings = load_settings(data=data)
    from tradewind.features.deployments.schemas import NewDeployment  # noqa: PLC0415
    from tradewind.serve import deploying  # noqa: PLC0415

    asked = NewDeployment(
        model=model,
        version=version,
        slots=slots,
        context_tokens=context,
        threads=threads,
        replicas=replicas,
        is_override=override,
    )
    if dry_run:
        found = deploying.look(settings, asked)
        if json:
            typer.echo(jsonlib.dumps(_fit_as_json(found)))
        else:
            _tell_fit(found)
        return
    seen: list[str] = []

    def show(view: "DeploymentView") -> None:
        line = _state_line(view)
        if line not in seen:
            seen.append(line)
            typer.echo(line, err=True)

    done = deploying.deploy(settings, asked, wait_s=timeout if wait else None, show=show)
    if json:
        typer.echo(jsonlib.dumps({**as_json(done.view), "is_new": done.is_new}))
        return
    _tell_fit(done.look)
    word = "Deployed" if done.is_new else "Was deployed already"
    typer.echo(f"{word}: {done.view.deployment_id}, called as {done.view.endpoint}")


def pull(  # noqa: PLR0917  options of a command, always named
    model: ModelArgument,
    data: DataOption = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A GGUF file, or a folder with one, to put into the store."),
    ] = None,
    to: Annotated[
        Path, typer.Option(help="Where files of the store are written to, without --from.")
    ] = Path(),
    version: Annotated[str | None, typer.Option(help="Its label.")] = None,
    licence: Annotated[str, typer.Option(help="SPDX id; by default what the file says.")] = "",
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Keep it encrypted, for engines only.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Fetch an open model's files out of the store, or bring files of yours into it."""
    settings = load_settings(data=data)
    from tradewind.serve import pulling  # noqa: PLC0415

    def report(line: str) -> None:
        typer.echo(line, err=True)

    if source is not None:
        about = pulling.Described(model, version, licence, sealed)
        pulled = pulling.bring_in(settings, source, about, report)
    else:
        pulled = pulling.take_out(settings, model, version, to, report)
    if json:
        told = {**pulled._asdict(), "to": None if pulled.to is None else str(pulled.to)}
        typer.echo(jsonlib.dumps(told))
        return
    where = "in the store" if pulled.to is None else f"in {pulled.to}"
    typer.echo(
        f"{pulled.model} {pulled.version}: {pulled.files} files,"
        f" {pulled.size / _MIB:,.1f} MiB, {where}"
    )
    if pulled.to is None:
        typer.echo(f"Run it with: tradewind deploy {pulled.model}")


@deployments.command("list")
def list_all(data: DataOption = None, json: JsonOption = False) -> None:
    """List what is deployed."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    found = deploying.list_all(settings)
    if json:
        typer.echo(jsonlib.dumps({"deployments": [as_json(view) for view in found]}))
        return
    if not found:
        typer.echo("Nothing is deployed. Run one with: tradewind deploy publisher/model")
    for view in found:
        typer.echo(
            f"{view.deployment_id}  {view.model}  {view.version}  {view.state}"
            f"  {view.replicas_ready} of {view.replicas_wanted} ready"
        )


@deployments.command()
def show(deployment: NamedArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Show one with its replicas and revisions."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    view, revisions = deploying.show_one(settings, deployment)
    if json:
        told = {**as_json(view), "revisions": [_revision_as_json(each) for each in revisions]}
        typer.echo(jsonlib.dumps(told))
        return
    typer.echo(_state_line(view))
    for replica in view.replicas:
        stages = " > ".join(f"{stage} {at:%H:%M:%S}" for stage, at in replica.stages)
        typer.echo(f"  replica {replica.number}: {replica.state}  {stages}  {replica.detail}")
    for each in revisions:
        mark = "*" if each.number == view.revision else " "
        typer.echo(
            f" {mark}revision {each.number}: {each.version}, {each.slots} slots,"
            f" {each.context_tokens or view.trained_tokens:,} tokens, {each.state}: {each.reason}"
        )


@deployments.command()
def logs(
    deployment: NamedArgument,
    data: DataOption = None,
    replica: Annotated[int, typer.Option(help="Its number.")] = 1,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
) -> None:
    """Print the end of a replica's log."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    for text in deploying.logs(settings, deployment, replica, follows=follow):
        typer.echo(text, nl=False)


@deployments.command()
def stop(deployment: NamedArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Stop it. Its name, its revisions and its logs stay."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    _tell(deploying.stop(settings, deployment), is_json=json)


@deployments.command()
def start(deployment: NamedArgument, data: DataOption = None, json: JsonOption = False) -> None:
    """Start it again, with as many replicas as before."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    _tell(deploying.start(settings, deployment), is_json=json)


@deployments.command()
def scale(
    deployment: NamedArgument,
    replicas: Annotated[int, typer.Argument(help="How many; 0 stops it.")],
    data: DataOption = None,
    override: OverrideOption = False,
    json: JsonOption = False,
) -> None:
    """Have this many replicas of it."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    _tell(deploying.scale(settings, deployment, replicas, is_override=override), is_json=json)


@deployments.command()
def change(  # noqa: PLR0917  options of a command, always named
    deployment: NamedArgument,
    data: DataOption = None,
    version: Annotated[str | None, typer.Option(help="Label or digest.")] = None,
    slots: Annotated[int | None, typer.Option(help="Requests worked on at once.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens each has.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each replica.")] = None,
    strategy: StrategyOption = None,
    override: OverrideOption = False,
    json: JsonOption = False,
) -> None:
    """Make another revision of it. What is not named stays as it is."""
    settings = load_settings(data=data)
    from msgspec import UNSET  # noqa: PLC0415

    from tradewind.features.deployments.schemas import DeploymentChanges  # noqa: PLC0415
    from tradewind.serve import deploying  # noqa: PLC0415

    changes = DeploymentChanges(
        version=UNSET if version is None else version,
        slots=UNSET if slots is None else slots,
        context_tokens=UNSET if context is None else context,
        threads=UNSET if threads is None else threads,
        is_override=override,
        strategy=_strategy_of(strategy),
    )
    _tell(deploying.change(settings, deployment, changes), is_json=json)


@deployments.command()
def rollback(
    deployment: NamedArgument,
    to: Annotated[
        int | None, typer.Option(help="Revision; by default the last other one that was ready.")
    ] = None,
    data: DataOption = None,
    strategy: StrategyOption = None,
    json: JsonOption = False,
) -> None:
    """Run an earlier revision again."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    view = deploying.roll_back(settings, deployment, to, _strategy_of(strategy))
    _tell(view, is_json=json)


@deployments.command()
def delete(deployment: NamedArgument, data: DataOption = None) -> None:
    """Stop it and forget it, with its revisions and logs. The model stays."""
    settings = load_settings(data=data)
    from tradewind.serve import deploying  # noqa: PLC0415

    gone = deploying.delete(settings, deployment)
    typer.echo(f"{gone.model} is not deployed any more.")


def as_json(view: "DeploymentView") -> dict[str, Any]:
    """Return a deployment as scripts get it."""
    return {
        "id": view.deployment_id,
        "model": view.model,
        "version": view.version,
        "state": view.state,
        "trouble": view.trouble,
        "slots": view.slots,
        "context_tokens": view.context_tokens,
        "threads": view.threads,
        "replicas_wanted": view.replicas_wanted,
        "replicas_ready": view.replicas_ready,
        "strategy": view.strategy,
        "revision": view.revision,
        "good_revision": view.good_revision,
        "endpoint": view.endpoint,
        "replicas": [
            {
                "number": each.number,
                "revision": each.revision,
                "state": each.state,
                "stage": each.stage,
                "percent": each.percent,
                "detail": each.detail,
                "stages": [[stage, at.isoformat()] for stage, at in each.stages],
            }
            for each in view.replicas
        ],
    }


def _revision_as_json(each: "RevisionView") -> dict[str, Any]:
    return {
        "number": each.number,
        "version": each.version,
        "slots": each.slots,
        "context_tokens": each.context_tokens,
        "threads": each.threads,
        "state": each.state,
        "reason": each.reason,
        "is_override": each.is_override,
        "created_by": each.created_by,
        "created_at": each.created_at.isoformat(),
    }


def _tell(view: "DeploymentView", *, is_json: bool) -> None:
    typer.echo(jsonlib.dumps(as_json(view)) if is_json else _state_line(view))


def _strategy_of(text: str | None) -> "Strategy | None":
    from tradewind.features.deployments.schemas import Strategy  # noqa: PLC0415

    if text is None:
        return None
    try:
        return Strategy(text.replace("-", "_"))
    except ValueError:
        raise InvalidInput(
            f"there is no strategy {text[:40]!r}", hint="choose start-first or stop-first"
        ) from None


def _state_line(view: "DeploymentView") -> str:
    percent = next((each.percent for each in view.replicas if each.percent is not None), None)
    parts = [f"{view.model} {view.version}: {view.state.replace('_', ' ')}"]
    if percent is not None and view.is_moving:
        parts.append(f"{percent} %")
    parts.append(f"{view.replicas_ready} of {view.replicas_wanted} ready")
    if view.trouble:
        parts.append(view.trouble)
    return ", ".join(parts)


def _tell_fit(found: "Deployable") -> None:
    fit = found.fit
    cache = "unknown" if fit.cache_bytes is None else f"{fit.cache_bytes // _MIB:,}"
    typer.echo(
        f"By estimate it {_VERDICTS[fit.verdict.value]}: weights {fit.weights_bytes // _MIB:,}"
        f" + cache {cache} ({fit.slots} x {fit.context_tokens:,} tokens)"
        f" + overhead {fit.overhead_bytes // _MIB:,} = {fit.replica_bytes // _MIB:,} MiB"
        f" x {fit.replicas}, of {fit.available_bytes // _MIB:,} MiB that are free"
    )
    for reason in fit.reasons:
        typer.echo(f"  {reason}")


def _fit_as_json(found: "Deployable") -> dict[str, Any]:
    fit = found.fit
    values = {name: getattr(fit, name) for name in fit.__struct_fields__}
    return {
        "model": found.model,
        "version": found.version,
        "deployment": found.deployment_id,
        "fit": {**values, "verdict": fit.verdict.value, "is_estimate": True},
    }
