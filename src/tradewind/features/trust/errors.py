"""What trust raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, Forbidden, InvalidInput


class ReleaseBlocked(Conflict):
    """Something that a release needs is not there; the message names it."""

    code = "release_blocked"


class AssessmentIncomplete(InvalidInput):
    """Fields of the form are empty; the message names them."""

    code = "assessment_incomplete"


class AssessmentMove(Conflict):
    """An assessment cannot go from this state into that one."""

    code = "assessment_move"


class SecondPerson(Forbidden):
    """Somebody else has to decide this."""

    code = "second_person"


class NotWaivable(Conflict):
    """No waiver lets anything through this gate."""

    code = "not_waivable"
