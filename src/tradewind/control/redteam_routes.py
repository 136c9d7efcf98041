"""The routes of red teaming."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit
from tradewind.control.redteam_answers import (
    AttackAnswer,
    AttackPage,
    CampaignAnswer,
    CampaignBody,
    CampaignPage,
    ChangeAnswer,
    ChoicesAnswer,
    ComparisonAnswer,
    DatasetAnswer,
    DatasetBody,
    DatasetList,
    EstimateAnswer,
    ResultsAnswer,
    ResumeBody,
    RevealAnswer,
    RevealBody,
    RevealEntry,
    RevealList,
    ScheduleAnswer,
    ScheduleBody,
    ScheduleChange,
    ScheduleList,
    SpecBody,
    ToolList,
)
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.redteam.schemas import Every, Outcome

_Id = Annotated[str, Path(max_length=100)]
_Number = Annotated[int, Path(ge=0, lt=2**63)]
_READS, _WRITES = Permission.REDTEAM_READ, Permission.REDTEAM_WRITE


def add_redteam_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/red-team`."""
    _add_campaign_routes(routes, services)
    _add_result_routes(routes, services)
    _add_dataset_routes(routes, services)
    _add_schedule_routes(routes, services)


def _add_campaign_routes(routes: Routes, services: ControlServices) -> None:
    red_team = services.red_team

    @routes.get("/red-team/tools", permission=_READS, summary="What a campaign can choose from")
    def tools(call: Call) -> ToolList:
        del call
        return ToolList(
            tools=[
                ChoicesAnswer.of(name, tool.catalog.version, red_team.choices(name))
                for name, tool in red_team.tools.items()
            ]
        )

    @routes.post(
        "/red-team/estimates", permission=_WRITES, summary="What a campaign would take and cost"
    )
    def estimate(call: Call, body: SpecBody) -> EstimateAnswer:
        return EstimateAnswer.of(red_team.estimate(call.tx, call.holder, body.to_spec()))

    @routes.get("/red-team/campaigns", permission=_READS, summary="Campaigns, the newest first")
    def campaigns(
        call: Call,
        limit: Limit = 50,
        after: After = None,
        target: Annotated[str | None, Query(max_length=200)] = None,
    ) -> CampaignPage:
        rows = red_team.list_campaigns(
            call.tx, call.holder, before=after, limit=limit + 1, target=target
        )
        shown = rows[:limit]
        return CampaignPage(
            campaigns=[CampaignAnswer.of(row) for row in shown],
            next=shown[-1].campaign_id if len(rows) > limit else None,
        )

    @routes.post("/red-team/campaigns", permission=_WRITES, summary="Begin a campaign")
    def begin(call: Call, body: CampaignBody, response: Response) -> CampaignAnswer:
        by = acting(services, call)
        row = red_team.begin(call.tx, call.holder, by, body.name, body.spec.to_spec())
        response.headers["location"] = f"/api/red-team/campaigns/{row.campaign_id}"
        return CampaignAnswer.of(row)

    @routes.get("/red-team/campaigns/{campaign_id}", permission=_READS, summary="A campaign")
    def campaign(call: Call, campaign_id: _Id) -> CampaignAnswer:
        return CampaignAnswer.of(red_team.get(call.tx, call.holder, campaign_id))

    @routes.post(
        "/red-team/campaigns/{campaign_id}/cancel", permission=_WRITES, summary="End a campaign"
    )
    def cancel(call: Call, campaign_id: _Id) -> CampaignAnswer:
        return CampaignAnswer.of(red_team.cancel(call.tx, call.holder, campaign_id))

    @routes.post(
        "/red-team/campaigns/{campaign_id}/resume",
        permission=_WRITES,
        summary="Carry on a campaign that ended early",
    )
    def resume(call: Call, campaign_id: _Id, body: ResumeBody) -> CampaignAnswer:
        row = red_team.resume(call.tx, call.holder, campaign_id, budget_tokens=body.budget_tokens)
        return CampaignAnswer.of(row)


def _add_result_routes(routes: Routes, services: ControlServices) -> None:
    red_team = services.red_team

    @routes.get(
        "/red-team/campaigns/{campaign_id}/results",
        permission=_READS,
        summary="Rates of success by harm, strategy, converter and filter",
    )
    def results(call: Call, campaign_id: _Id) -> ResultsAnswer:
        return ResultsAnswer.of(red_team.results(call.tx, call.holder, campaign_id))

    @routes.get(
        "/red-team/campaigns/{campaign_id}/attacks",
        permission=_READS,
        summary="Attacks, without what was said",
    )
    def attacks(
        call: Call,
        campaign_id: _Id,
        limit: Limit = 100,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        outcome: Outcome | None = None,
    ) -> AttackPage:
        rows = red_team.attacks(
            call.tx, call.holder, campaign_id, after=after, limit=limit + 1, outcome=outcome
        )
        shown = rows[:limit]
        return AttackPage(
            attacks=[AttackAnswer.of(row) for row in shown],
            next=shown[-1].number if len(rows) > limit else None,
        )

    @routes.get(
        "/red-team/campaigns/{campaign_id}/scorecard",
        permission=_READS,
        summary="The scorecard of Azure's AI Red Teaming Agent",
    )
    def scorecard(
        call: Call,
        campaign_id: _Id,
        filter: Literal["on", "off"] = "on",  # noqa: A002  the parameter's name on the wire
    ) -> dict[str, Any]:
        return red_team.scorecard(call.tx, call.holder, campaign_id, is_filtered=filter == "on")

    @routes.post(
        "/red-team/campaigns/{campaign_id}/attacks/{number}/reveal",
        permission=Permission.REDTEAM_TRANSCRIPTS,
        summary="Read what was said in an attack; who does is noted",
    )
    def reveal(call: Call, campaign_id: _Id, number: _Number, body: RevealBody) -> RevealAnswer:
        by = acting(services, call)
        found = red_team.reveal(call.tx, call.holder, by, campaign_id, number, reason=body.reason)
        return RevealAnswer.of(found)

    @routes.get(
        "/red-team/campaigns/{campaign_id}/reveals",
        permission=_READS,
        summary="Who read what was said",
    )
    def reveals(call: Call, campaign_id: _Id) -> RevealList:
        rows = red_team.reveals(call.tx, call.holder, campaign_id)
        return RevealList(reveals=[RevealEntry.of(row) for row in rows])

    @routes.get(
        "/red-team/campaigns/{campaign_id}/compared-with/{other_id}",
        permission=_READS,
        summary="A campaign beside an earlier one: another version, or another policy",
    )
    def compare(call: Call, campaign_id: _Id, other_id: _Id) -> ComparisonAnswer:
        former, latter, changes = red_team.compare(call.tx, call.holder, other_id, campaign_id)
        return ComparisonAnswer(
            before=CampaignAnswer.of(former.campaign),
            after=CampaignAnswer.of(latter.campaign),
            changes=[ChangeAnswer.of(each) for each in changes],
        )


def _add_dataset_routes(routes: Routes, services: ControlServices) -> None:
    red_team = services.red_team

    @routes.get("/red-team/datasets", permission=_READS, summary="The organization's data sets")
    def datasets(call: Call) -> DatasetList:
        rows = red_team.list_datasets(call.tx, call.holder)
        return DatasetList(datasets=[DatasetAnswer.of(row) for row in rows])

    @routes.post("/red-team/datasets", permission=_WRITES, summary="Add a data set")
    def add_dataset(call: Call, body: DatasetBody) -> DatasetAnswer:
        row = red_team.add_dataset(
            call.tx,
            call.holder,
            acting(services, call),
            body.name,
            body.content.encode(),
            file_name=body.file_name,
        )
        return DatasetAnswer.of(row)

    @routes.delete(
        "/red-team/datasets/{dataset_id}", permission=_WRITES, summary="Delete a data set"
    )
    def delete_dataset(call: Call, dataset_id: _Id) -> None:
        red_team.delete_dataset(call.tx, call.holder, dataset_id)


def _add_schedule_routes(routes: Routes, services: ControlServices) -> None:
    red_team = services.red_team

    @routes.get("/red-team/schedules", permission=_READS, summary="Campaigns that are repeated")
    def schedules(call: Call) -> ScheduleList:
        rows = red_team.list_schedules(call.tx, call.holder)
        return ScheduleList(schedules=[ScheduleAnswer.of(row) for row in rows])

    @routes.post("/red-team/schedules", permission=_WRITES, summary="Repeat a campaign")
    def add_schedule(call: Call, body: ScheduleBody) -> ScheduleAnswer:
        row = red_team.add_schedule(
            call.tx,
            call.holder,
            acting(services, call),
            body.name,
            body.spec.to_spec(),
            every=Every(body.every),
            hour=body.hour,
            weekday=body.weekday,
        )
        return ScheduleAnswer.of(row)

    @routes.patch(
        "/red-team/schedules/{schedule_id}",
        permission=_WRITES,
        summary="Halt a schedule, or let it go on",
    )
    def set_schedule(call: Call, schedule_id: _Id, body: ScheduleChange) -> ScheduleAnswer:
        row = red_team.set_schedule(call.tx, call.holder, schedule_id, is_enabled=body.is_enabled)
        return ScheduleAnswer.of(row)

    @routes.delete(
        "/red-team/schedules/{schedule_id}", permission=_WRITES, summary="Delete a schedule"
    )
    def delete_schedule(call: Call, schedule_id: _Id) -> None:
        red_team.delete_schedule(call.tx, call.holder, schedule_id)
