"""What publishing raises beyond the leaves of `core.errors`."""

from tradewind.core.errors import Conflict, Forbidden, InvalidInput


class ListingMove(Conflict):
    """A listing cannot go into this state from where it is."""

    code = "listing_move"


class ListingIncomplete(InvalidInput):
    """Fields of a listing are missing or wrong, so it cannot be submitted."""

    code = "listing_incomplete"


class SelfReview(Forbidden):
    """Whoever submitted a listing wants to approve it."""

    code = "self_review"


class NotPublisher(Forbidden):
    """The organization is not the verified owner of this publisher's name."""

    code = "not_publisher"


class PublisherTaken(Conflict):
    """The name of the publisher belongs to somebody else, or is asked for already."""

    code = "publisher_taken"


class TooManyListings(Conflict):
    code = "too_many_listings"
