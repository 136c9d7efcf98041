"""Builds what watches over abuse."""

from tradewind.core.clock import Clock
from tradewind.features.abuse.ports import AbuseReaders
from tradewind.features.abuse.services import AbuseServices
from tradewind.features.accounts.suspensions import Suspensions
from tradewind.readmodels.abuse import (
    count_findings,
    has_key,
    organization_names,
    organizations_found,
)
from tradewind.readmodels.abuse_calls import (
    find_flagged_call,
    find_rated,
    flagged_calls,
    keeps_content,
    read_content,
)
from tradewind.readmodels.abuse_stops import find_endpoint, last_token


def build_abuse(clock: Clock, *, allows_self_review: bool = False) -> AbuseServices:
    readers = AbuseReaders(
        count_findings=count_findings,
        organizations=organizations_found,
        flagged_calls=flagged_calls,
        find_flagged_call=find_flagged_call,
        read_content=read_content,
        keeps_content=keeps_content,
        names=organization_names,
        has_key=has_key,
        find_endpoint=find_endpoint,
        last_token=last_token,
        find_rated=find_rated,
    )
    return AbuseServices.build(
        clock, readers, Suspensions(clock), allows_self_review=allows_self_review
    )
