"""The members of the family by name. One line adds one."""

from tradewind.plugins.redteam.base import RedTeamTool
from tradewind.plugins.redteam.fake import FakeTool
from tradewind.plugins.redteam.garak import Garak
from tradewind.plugins.redteam.pyrit import PyRit


def red_team_tools() -> dict[str, RedTeamTool]:
    members: tuple[RedTeamTool, ...] = (PyRit(), Garak(), FakeTool())
    return {member.name: member for member in members}
