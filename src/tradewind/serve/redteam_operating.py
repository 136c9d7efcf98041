"""What the command needs to act on campaigns: they belong to a project, so the first one's."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

from tradewind.core.acting import By
from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import NotFound
from tradewind.core.settings import Settings
from tradewind.db.database import Database
from tradewind.features.redteam.service import RedTeam
from tradewind.serve.operating import AT_THE_COMMAND, Operator, operating
from tradewind.serve.redteam import build_red_team

AT_COMMAND = By("command", AT_THE_COMMAND)


class RedTeamDesk(NamedTuple):
    database: Database
    red_team: RedTeam
    operator: Operator


@contextmanager
def red_team_desk(settings: Settings) -> Generator[RedTeamDesk]:
    """Yield what acts on the campaigns of a data folder, which has to run. Raises StartupError."""
    folder = DataFolder(settings.data.resolve())
    with operating(settings) as desk:
        with desk.database.transaction() as tx:
            projects = desk.services.people.list_projects(tx, desk.operator)
        if not projects:
            raise NotFound("there is no project yet", hint="start the platform once")
        operator = Operator(desk.operator.organization_id, projects[0].project_id)
        yield RedTeamDesk(desk.database, build_red_team(folder, desk.services.clock), operator)
