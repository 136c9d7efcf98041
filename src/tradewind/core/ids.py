"""Prefixed, sortable, typed identifiers: `OrganizationId("org_0682...")`.

The part after the prefix is a UUIDv7 (RFC 9562, section 5.7) in 26 characters of Crockford's base
32, so ids sort by creation time as text and as bytes.
"""

import os
import re
import time
from typing import ClassVar, Self
from uuid import UUID

from tradewind.core.errors import MalformedId

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_SUFFIX_LENGTH = 26
# The 80 bits behind the time: 4 of version, 12 random, 2 of variant, 62 random.
_VERSION_AND_VARIANT = 0x7000_8000_0000_0000_0000
_RANDOM_BITS = 0x0FFF_3FFF_FFFF_FFFF_FFFF
_END_BYTES = 10
_ENDS = 400
_WITH_VERSION = bytes(0x70 | byte & 0x0F for byte in range(256))
_WITH_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))
_REQUEST_ID = re.compile(r"req_([0-9a-f]{32})")


def uuid7_bytes(unix_ms: int | None = None) -> bytes:
    """Return 16 bytes of UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    random = int.from_bytes(os.urandom(10), "big")
    number = milliseconds << 80 | random & _RANDOM_BITS | _VERSION_AND_VARIANT
    return number.to_bytes(16, "big")


class Uuid7Source:
    """Makes UUIDv7s for one thread, from random bytes taken in bulk.

    A system call for each id was 5 % of a small request's CPU. Not to be shared over a fork.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: list[bytes] = []

    def new(self, unix_ms: int) -> bytes:
        """Return 16 bytes, as `uuid7_bytes`."""
        if not self._ends:
            self._ends = _random_ends()
        return unix_ms.to_bytes(6, "big") + self._ends.pop()


def _random_ends() -> list[bytes]:
    """Return what stands behind the time in the next ids, version and variant in place: as bytes,
    since numbers of 128 bits cost 0.2 us an id.
    """
    random = bytearray(os.urandom(_END_BYTES * _ENDS))
    random[0::_END_BYTES] = random[0::_END_BYTES].translate(_WITH_VERSION)
    random[2::_END_BYTES] = random[2::_END_BYTES].translate(_WITH_VARIANT)
    ends = bytes(random)
    return [ends[at : at + _END_BYTES] for at in range(0, len(ends), _END_BYTES)]


def encode_base32(raw: bytes) -> str:
    """Return 16 bytes as 26 characters of Crockford's base 32."""
    number = int.from_bytes(raw, "big")
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


class Id(str):
    """An id with its type's prefix. Subclasses set `prefix`; one type never passes for another."""

    __slots__ = ()
    prefix: ClassVar[str]

    @classmethod
    def new(cls) -> Self:
        """Return a fresh id."""
        return cls(cls.prefix + encode_base32(uuid7_bytes()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return `text` as this type. Raises MalformedId when it is not one."""
        suffix = text[len(cls.prefix) :]
        if (
            not text.startswith(cls.prefix)
            or len(suffix) != _SUFFIX_LENGTH
            or not set(suffix) <= set(_ALPHABET)
        ):
            raise MalformedId(text, cls.prefix)
        return cls(text)


class OrganizationId(Id):
    __slots__ = ()
    prefix = "org_"


class ProjectId(Id):
    __slots__ = ()
    prefix = "proj_"


class UserId(Id):
    __slots__ = ()
    prefix = "user_"


class InvitationId(Id):
    __slots__ = ()
    prefix = "invite_"


class ModelId(Id):
    __slots__ = ()
    prefix = "model_"


class ModelVersionId(Id):
    __slots__ = ()
    prefix = "ver_"


class OfferId(Id):
    __slots__ = ()
    prefix = "off_"


class SyncId(Id):
    __slots__ = ()
    prefix = "sync_"


class CatalogChangeId(Id):
    __slots__ = ()
    prefix = "chg_"


class PriceId(Id):
    __slots__ = ()
    prefix = "price_"


class PriceFileId(Id):
    __slots__ = ()
    prefix = "pfile_"


class PriceMarginId(Id):
    __slots__ = ()
    prefix = "margin_"


class PriceProposalId(Id):
    __slots__ = ()
    prefix = "pprop_"


class DeploymentId(Id):
    __slots__ = ()
    prefix = "dep_"


class ReplicaId(Id):
    __slots__ = ()
    prefix = "rep_"


class DataKeyId(Id):
    __slots__ = ()
    prefix = "dk_"


class ConnectionId(Id):
    __slots__ = ()
    prefix = "conn_"


class EndpointId(Id):
    __slots__ = ()
    prefix = "ep_"


class EndpointTargetId(Id):
    __slots__ = ()
    prefix = "tgt_"


class BudgetId(Id):
    __slots__ = ()
    prefix = "bud_"


class MessageId(Id):
    __slots__ = ()
    prefix = "msg_"


class WebhookId(Id):
    __slots__ = ()
    prefix = "wh_"


class DeliveryId(Id):
    __slots__ = ()
    prefix = "del_"


class UploadId(Id):
    __slots__ = ()
    prefix = "upl_"


class BlobId(Id):
    __slots__ = ()
    prefix = "blob_"


class ArtifactId(Id):
    __slots__ = ()
    prefix = "art_"


class PublisherApplicationId(Id):
    __slots__ = ()
    prefix = "papp_"


class ListingId(Id):
    __slots__ = ()
    prefix = "lst_"


class ValidationRunId(Id):
    __slots__ = ()
    prefix = "val_"


class CalendarLinkId(Id):
    __slots__ = ()
    prefix = "cal_"


class SavedViewId(Id):
    __slots__ = ()
    prefix = "view_"


class LedgerAccountId(Id):
    __slots__ = ()
    prefix = "acct_"


class EntryId(Id):
    __slots__ = ()
    prefix = "ent_"


class SaleOfferId(Id):
    __slots__ = ()
    prefix = "sale_"


class PlanId(Id):
    __slots__ = ()
    prefix = "plan_"


class PrivateOfferId(Id):
    __slots__ = ()
    prefix = "poff_"


class SubscriptionId(Id):
    __slots__ = ()
    prefix = "sub_"


class InvoiceId(Id):
    __slots__ = ()
    prefix = "inv_"


class CreditNoteId(Id):
    __slots__ = ()
    prefix = "cn_"


class SettlementId(Id):
    __slots__ = ()
    prefix = "stl_"


class TaxRuleId(Id):
    __slots__ = ()
    prefix = "tax_"


class BillingCloseId(Id):
    __slots__ = ()
    prefix = "bcl_"


class PaymentId(Id):
    __slots__ = ()
    prefix = "pay_"


class WalletLotId(Id):
    __slots__ = ()
    prefix = "lot_"


class RefundId(Id):
    __slots__ = ()
    prefix = "ref_"


class ReconciliationRunId(Id):
    __slots__ = ()
    prefix = "rcr_"


class ProviderStatementId(Id):
    __slots__ = ()
    prefix = "pvs_"


class BankLineId(Id):
    __slots__ = ()
    prefix = "bln_"


class ClawbackId(Id):
    __slots__ = ()
    prefix = "clw_"


class PayoutRunId(Id):
    __slots__ = ()
    prefix = "prn_"


class PayoutStatementId(Id):
    __slots__ = ()
    prefix = "pst_"


class PayoutId(Id):
    __slots__ = ()
    prefix = "pyt_"


class MeteredUsageId(Id):
    __slots__ = ()
    prefix = "mu_"


class OperationId(Id):
    __slots__ = ()
    prefix = "op_"


class SinkId(Id):
    __slots__ = ()
    prefix = "sink_"


class SinkParcelId(Id):
    __slots__ = ()
    prefix = "prc_"


class SafetyPolicyId(Id):
    __slots__ = ()
    prefix = "policy_"


class BlocklistId(Id):
    __slots__ = ()
    prefix = "blocklist_"


class BlocklistItemId(Id):
    __slots__ = ()
    prefix = "blockitem_"


class CustomCategoryId(Id):
    __slots__ = ()
    prefix = "category_"


class CorpusId(Id):
    __slots__ = ()
    prefix = "corpus_"


class DryRunId(Id):
    __slots__ = ()
    prefix = "dryrun_"


class CampaignId(Id):
    __slots__ = ()
    prefix = "redteam_"


class SeedsId(Id):
    __slots__ = ()
    prefix = "seeds_"


class RedTeamScheduleId(Id):
    __slots__ = ()
    prefix = "rtschedule_"


def request_id(event_id: bytes) -> str:
    """Return the public `x-request-id` of a usage event; hex because it is made on the hot path."""
    return "req_" + event_id.hex()


def event_id_of_request(text: str) -> UUID:
    """Return the usage event a request id names. Raises MalformedId."""
    found = _REQUEST_ID.fullmatch(text)
    if found is None:
        raise MalformedId(text, "req_")
    return UUID(hex=found[1])


class AssessmentId(Id):
    __slots__ = ()
    prefix = "assess_"


class WaiverId(Id):
    __slots__ = ()
    prefix = "waiver_"


class AbuseCaseId(Id):
    __slots__ = ()
    prefix = "abuse_"


class LookGrantId(Id):
    __slots__ = ()
    prefix = "look_"


class AppealId(Id):
    __slots__ = ()
    prefix = "appeal_"


class OptOutId(Id):
    __slots__ = ()
    prefix = "optout_"


class IncidentId(Id):
    __slots__ = ()
    prefix = "incident_"


class KillSwitchId(Id):
    __slots__ = ()
    prefix = "stop_"
