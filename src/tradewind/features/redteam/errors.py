"""What red teaming raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, InvalidInput


class CampaignOver(Conflict):
    """The campaign ended, or was not begun yet."""

    code = "campaign_over"


class SeedsRefused(InvalidInput):
    """An uploaded data set cannot be read, or is larger than allowed."""

    code = "seeds_refused"
