"""What abuse raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, Forbidden


class CaseMove(Conflict):
    """A case, an appeal, an opt-out or an incident cannot go from this state into that one."""

    code = "abuse_move"


class AnotherPerson(Forbidden):
    """Somebody else has to decide this."""

    code = "another_person"


class NotLookedAt(Forbidden):
    """Nobody may look at contents of this organization, or not now."""

    code = "look_refused"


class PostmortemMissing(Conflict):
    """An incident is closed when it says what was learned."""

    code = "postmortem_missing"
