"""Walks every route of the control API: who gets in, and who does not."""

from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from tradewind.control.access import PUBLIC
from tradewind.control.api import api_routes
from tradewind.core import api_keys
from tradewind.core.ids import (
    AbuseCaseId,
    AppealId,
    ArtifactId,
    AssessmentId,
    BillingCloseId,
    BlocklistId,
    BlocklistItemId,
    BudgetId,
    CalendarLinkId,
    CampaignId,
    CatalogChangeId,
    ConnectionId,
    CorpusId,
    CustomCategoryId,
    DeliveryId,
    DeploymentId,
    EndpointId,
    EntryId,
    IncidentId,
    InvitationId,
    InvoiceId,
    KillSwitchId,
    LedgerAccountId,
    ListingId,
    OptOutId,
    OrganizationId,
    PayoutId,
    PriceMarginId,
    PriceProposalId,
    ProjectId,
    ProviderStatementId,
    PublisherApplicationId,
    ReconciliationRunId,
    RedTeamScheduleId,
    SafetyPolicyId,
    SavedViewId,
    SeedsId,
    TaxRuleId,
    UploadId,
    UserId,
    WaiverId,
    WebhookId,
    request_id,
    uuid7_bytes,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import KEY_PERMISSIONS, KeyPurpose

pytestmark = pytest.mark.postgres

LINK = ("GET", "/catalog/calendars/{token}.ics")
CORRECT = ("POST", "/usage-events/{request_id}:correct")
RECEIPT_KEYS = {("GET", "/receipts/keys"), ("GET", "/receipts/keys.pem")}
PUBLIC_ROUTES = {("GET", "/health"), LINK} | RECEIPT_KEYS
ROUTES = {
    ("GET", "/health"),
    ("GET", "/whoami"),
    ("GET", "/models"),
    ("GET", "/keys"),
    ("GET", "/keys/{key_id}"),
    ("GET", "/organization"),
    ("PATCH", "/organization"),
    ("GET", "/organizations"),
    ("POST", "/organizations"),
    ("GET", "/projects"),
    ("POST", "/projects"),
    ("PATCH", "/projects/{project_id}"),
    ("GET", "/members"),
    ("PATCH", "/members/{user_id}"),
    ("DELETE", "/members/{user_id}"),
    ("GET", "/invitations"),
    ("POST", "/invitations"),
    ("DELETE", "/invitations/{invitation_id}"),
    ("GET", "/usage"),
    ("GET", "/usage/forecast"),
    ("POST", "/budgets:preview"),
    ("GET", "/reconciliation"),
    ("GET", "/reconciliation/runs"),
    ("POST", "/reconciliation/runs"),
    ("GET", "/reconciliation/runs/{run_id}"),
    ("GET", "/reconciliation/statements"),
    ("POST", "/reconciliation/statements"),
    ("DELETE", "/reconciliation/statements/{statement_id}"),
    ("GET", "/catalog/search"),
    ("GET", "/catalog/stats"),
    ("GET", "/catalog/models/{publisher}/{slug}"),
    ("GET", "/catalog/publishers"),
    ("GET", "/catalog/licences"),
    ("PUT", "/catalog/models/{publisher}/{slug}/licence"),
    ("GET", "/catalog/models/{publisher}/{slug}/lifecycle"),
    ("PUT", "/catalog/models/{publisher}/{slug}/lifecycle"),
    ("GET", "/catalog/models.ics"),
    ("GET", "/catalog/calendar-links"),
    ("POST", "/catalog/calendar-links"),
    ("DELETE", "/catalog/calendar-links/{link_id}"),
    LINK,
    ("GET", "/catalog/views"),
    ("POST", "/catalog/views"),
    ("GET", "/catalog/views/{view_id}"),
    ("PATCH", "/catalog/views/{view_id}"),
    ("DELETE", "/catalog/views/{view_id}"),
    ("GET", "/catalog/syncs"),
    ("POST", "/catalog/syncs"),
    ("GET", "/catalog/changes"),
    ("POST", "/catalog/changes/{change_id}/apply"),
    ("POST", "/catalog/changes/{change_id}/dismiss"),
    ("GET", "/requests"),
    ("GET", "/requests/{request_id}"),
    ("GET", "/requests/{request_id}/content"),
    *RECEIPT_KEYS,
    ("GET", "/receipts"),
    ("GET", "/receipts/sales/{publisher}"),
    ("GET", "/receipts/{request_id}"),
    ("GET", "/receipts/{request_id}/proof"),
    CORRECT,
    ("GET", "/hosts"),
    ("GET", "/hosts/{host_id}/models"),
    ("GET", "/connections"),
    ("POST", "/connections"),
    ("GET", "/connections/{connection_id}"),
    ("PATCH", "/connections/{connection_id}"),
    ("DELETE", "/connections/{connection_id}"),
    ("PUT", "/connections/{connection_id}/credential"),
    ("POST", "/connections/{connection_id}/models"),
    ("GET", "/deployments"),
    ("POST", "/deployments"),
    ("GET", "/deployment-fit/{publisher}/{slug}"),
    ("GET", "/catalog/models/{publisher}/{slug}/call-through"),
    ("POST", "/catalog/models/{publisher}/{slug}/call-through"),
    ("GET", "/deployments/{deployment_id}"),
    ("PATCH", "/deployments/{deployment_id}"),
    ("DELETE", "/deployments/{deployment_id}"),
    ("POST", "/deployments/{deployment_id}/stop"),
    ("POST", "/deployments/{deployment_id}/start"),
    ("POST", "/deployments/{deployment_id}/rollback"),
    ("GET", "/deployments/{deployment_id}/revisions"),
    ("GET", "/deployments/{deployment_id}/logs"),
    ("GET", "/deployments/{deployment_id}/logs/download"),
    ("GET", "/endpoints"),
    ("POST", "/endpoints"),
    ("GET", "/endpoints/{endpoint_id}"),
    ("PATCH", "/endpoints/{endpoint_id}"),
    ("DELETE", "/endpoints/{endpoint_id}"),
    ("PUT", "/endpoints/{endpoint_id}/targets"),
    ("GET", "/sales/offers"),
    ("POST", "/sales/offers"),
    ("POST", "/sales/offers/{offer_id}:publish"),
    ("POST", "/sales/offers/{offer_id}:withdraw"),
    ("POST", "/sales/offers/{offer_id}/plans"),
    ("GET", "/sales/offers/{offer_id}/subscriptions"),
    ("GET", "/sales/offers/{offer_id}/private-offers"),
    ("POST", "/sales/offers/{offer_id}/private-offers"),
    ("POST", "/sales/private-offers/{private_offer_id}:withdraw"),
    ("PUT", "/sales/offers/{offer_id}/fee"),
    ("POST", "/sales/subscriptions/{subscription_id}:activate"),
    ("POST", "/sales/subscriptions/{subscription_id}:suspend"),
    ("POST", "/sales/subscriptions/{subscription_id}:reinstate"),
    ("POST", "/sales/subscriptions/{subscription_id}:cancel"),
    ("PUT", "/billing/accounts/{organization_id}/payer"),
    ("GET", "/private-offers"),
    ("POST", "/private-offers/{private_offer_id}:accept"),
    ("GET", "/offers-for-sale"),
    ("GET", "/subscriptions"),
    ("POST", "/subscriptions"),
    ("GET", "/subscriptions/{subscription_id}"),
    ("GET", "/subscriptions/{subscription_id}/events"),
    ("GET", "/subscriptions/{subscription_id}/change-preview"),
    ("POST", "/subscriptions/{subscription_id}:change"),
    ("POST", "/subscriptions/{subscription_id}:pause"),
    ("POST", "/subscriptions/{subscription_id}:resume"),
    ("POST", "/subscriptions/{subscription_id}:renew"),
    ("POST", "/subscriptions/{subscription_id}:cancel"),
    ("GET", "/billing/payer"),
    ("PUT", "/billing/payer"),
    ("POST", "/usageEvent"),
    ("POST", "/batchUsageEvent"),
    ("GET", "/usageEvents"),
    ("POST", "/usageEvent:amend"),
    ("POST", "/saas/subscriptions/resolve"),
    ("GET", "/saas/subscriptions"),
    ("GET", "/saas/subscriptions/{subscription_id}"),
    ("PATCH", "/saas/subscriptions/{subscription_id}"),
    ("DELETE", "/saas/subscriptions/{subscription_id}"),
    ("GET", "/saas/subscriptions/{subscription_id}/listAvailablePlans"),
    ("POST", "/saas/subscriptions/{subscription_id}/activate"),
    ("GET", "/saas/subscriptions/{subscription_id}/operations"),
    ("GET", "/saas/subscriptions/{subscription_id}/operations/{operation_id}"),
    ("PATCH", "/saas/subscriptions/{subscription_id}/operations/{operation_id}"),
    ("GET", "/sales/offers/{offer_id}/app"),
    ("PUT", "/sales/offers/{offer_id}/app"),
    ("POST", "/subscriptions/{subscription_id}:set-up"),
    ("GET", "/subscriptions/{subscription_id}/operations"),
    ("GET", "/sinks"),
    ("POST", "/sinks"),
    ("GET", "/sinks/{sink_id}"),
    ("PATCH", "/sinks/{sink_id}"),
    ("DELETE", "/sinks/{sink_id}"),
    ("GET", "/ledger/accounts"),
    ("GET", "/ledger/accounts/{account_id}/statement"),
    ("GET", "/ledger/entries/{entry_id}"),
    ("POST", "/ledger/entries/{entry_id}:reverse"),
    ("GET", "/ledger/fx-rates"),
    ("POST", "/ledger/fx-rates"),
    ("GET", "/billing/account"),
    ("GET", "/billing/invoices"),
    ("GET", "/billing/invoices/{invoice_id}"),
    ("GET", "/billing/invoices/{invoice_id}/paper"),
    ("GET", "/billing/credit-notes/{credit_note_id}/paper"),
    ("GET", "/billing/labels"),
    ("PUT", "/billing/labels/{project_id}"),
    ("GET", "/billing/accounts"),
    ("POST", "/billing/settlements"),
    ("GET", "/billing/drafts"),
    ("GET", "/billing/issuer"),
    ("PUT", "/billing/issuer"),
    ("GET", "/billing/accounts/{organization_id}"),
    ("PUT", "/billing/accounts/{organization_id}"),
    ("GET", "/billing/tax-rules"),
    ("POST", "/billing/tax-rules"),
    ("DELETE", "/billing/tax-rules/{rule_id}"),
    ("POST", "/billing/drafts"),
    ("POST", "/billing/invoices/{invoice_id}:finalize"),
    ("POST", "/billing/invoices/{invoice_id}:void"),
    ("POST", "/billing/invoices/{invoice_id}:credit"),
    ("GET", "/billing/closes"),
    ("POST", "/billing/closes"),
    ("POST", "/billing/closes/{close_id}:cancel"),
    ("GET", "/limits"),
    ("GET", "/limits/{subject_id}"),
    ("PUT", "/limits/{subject_id}"),
    ("GET", "/keys/{key_id}/limits"),
    ("GET", "/budgets"),
    ("POST", "/budgets"),
    ("GET", "/budgets/{budget_id}"),
    ("PATCH", "/budgets/{budget_id}"),
    ("DELETE", "/budgets/{budget_id}"),
    ("GET", "/webhooks"),
    ("POST", "/webhooks"),
    ("GET", "/webhooks/{webhook_id}"),
    ("PATCH", "/webhooks/{webhook_id}"),
    ("DELETE", "/webhooks/{webhook_id}"),
    ("POST", "/webhooks/{webhook_id}/secret"),
    ("POST", "/webhooks/{webhook_id}/test"),
    ("GET", "/webhooks/{webhook_id}/deliveries"),
    ("POST", "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    ("GET", "/uploads"),
    ("POST", "/uploads"),
    ("GET", "/uploads/{upload_id}"),
    ("DELETE", "/uploads/{upload_id}"),
    ("PUT", "/uploads/{upload_id}/parts/{number}"),
    ("POST", "/uploads/{upload_id}/complete"),
    ("GET", "/artifacts"),
    ("POST", "/artifacts"),
    ("GET", "/artifacts/{artifact_id}"),
    ("DELETE", "/artifacts/{artifact_id}"),
    ("POST", "/artifacts/{artifact_id}/signatures"),
    ("GET", "/artifacts/{artifact_id}/files/{sha256}"),
    ("GET", "/publishing/applications"),
    ("POST", "/publishing/applications"),
    ("POST", "/publishing/applications/{application_id}/proof"),
    ("POST", "/publishing/applications/{application_id}/decision"),
    ("GET", "/publishing/listings"),
    ("POST", "/publishing/listings"),
    ("GET", "/red-team/tools"),
    ("POST", "/red-team/estimates"),
    ("GET", "/red-team/campaigns"),
    ("POST", "/red-team/campaigns"),
    ("GET", "/red-team/campaigns/{campaign_id}"),
    ("POST", "/red-team/campaigns/{campaign_id}/cancel"),
    ("POST", "/red-team/campaigns/{campaign_id}/resume"),
    ("GET", "/red-team/campaigns/{campaign_id}/results"),
    ("GET", "/red-team/campaigns/{campaign_id}/attacks"),
    ("GET", "/red-team/campaigns/{campaign_id}/scorecard"),
    ("POST", "/red-team/campaigns/{campaign_id}/attacks/{number}/reveal"),
    ("GET", "/red-team/campaigns/{campaign_id}/reveals"),
    ("GET", "/red-team/campaigns/{campaign_id}/compared-with/{other_id}"),
    ("GET", "/red-team/datasets"),
    ("POST", "/red-team/datasets"),
    ("DELETE", "/red-team/datasets/{dataset_id}"),
    ("GET", "/red-team/schedules"),
    ("POST", "/red-team/schedules"),
    ("PATCH", "/red-team/schedules/{schedule_id}"),
    ("DELETE", "/red-team/schedules/{schedule_id}"),
    ("GET", "/publishing/listings/{listing_id}"),
    ("PATCH", "/publishing/listings/{listing_id}"),
    ("DELETE", "/publishing/listings/{listing_id}"),
    ("POST", "/publishing/listings/{listing_id}/submit"),
    ("POST", "/publishing/listings/{listing_id}/withdraw"),
    ("POST", "/publishing/listings/{listing_id}/delist"),
    ("POST", "/publishing/listings/{listing_id}/validation"),
    ("DELETE", "/publishing/listings/{listing_id}/validation"),
    ("POST", "/publishing/listings/{listing_id}/approve"),
    ("POST", "/publishing/listings/{listing_id}/send-back"),
    ("GET", "/publishing/reviews"),
    ("GET", "/publishing/reviews/applications"),
    ("GET", "/wallet"),
    ("PUT", "/wallet/settings"),
    ("GET", "/wallet/payments"),
    ("POST", "/wallet/bank-top-ups"),
    ("POST", "/wallet/credits"),
    ("GET", "/payouts"),
    ("GET", "/payouts/statements"),
    ("GET", "/payouts/statements/{statement_id}"),
    ("GET", "/payouts/publishers/{slug}/earnings"),
    ("GET", "/payouts/publishers/{slug}/profile"),
    ("PUT", "/payouts/publishers/{slug}/profile"),
    ("PUT", "/payouts/publishers/{slug}/terms"),
    ("PUT", "/payouts/publishers/{slug}/hold"),
    ("DELETE", "/payouts/publishers/{slug}/hold"),
    ("GET", "/payouts/owed"),
    ("GET", "/payouts/sources"),
    ("PUT", "/payouts/sources"),
    ("GET", "/payouts/runs"),
    ("POST", "/payouts/runs"),
    ("GET", "/payouts/runs/{run_id}"),
    ("GET", "/payouts/runs/{run_id}/file"),
    ("GET", "/payouts/runs/{run_id}/payouts.csv"),
    ("POST", "/payouts/runs/{run_id}:approve"),
    ("POST", "/payouts/runs/{run_id}:export"),
    ("POST", "/payouts/runs/{run_id}:cancel"),
    ("POST", "/payouts/runs/{run_id}:confirm"),
    ("POST", "/payouts/{payout_id}:confirm"),
    ("POST", "/payouts/{payout_id}:fail"),
    ("GET", "/bank/lines"),
    ("POST", "/bank/statements"),
    ("POST", "/bank/lines/{line_id}:assign"),
    ("POST", "/bank/lines/{line_id}:set-aside"),
    ("GET", "/prices"),
    ("GET", "/prices/models/{publisher}/{slug}"),
    ("PUT", "/prices/models/{publisher}/{slug}"),
    ("GET", "/prices/unpriced"),
    ("POST", "/prices:simulate"),
    ("GET", "/prices/margins"),
    ("PUT", "/prices/margins"),
    ("POST", "/prices/margins:preview"),
    ("DELETE", "/prices/margins/{margin_id}"),
    ("GET", "/prices/proposals"),
    ("POST", "/prices/proposals/{proposal_id}:accept"),
    ("POST", "/prices/proposals/{proposal_id}:refuse"),
    ("GET", "/prices/files"),
    ("POST", "/prices/files"),
    ("GET", "/prices/keys"),
    ("POST", "/prices/keys"),
    ("POST", "/prices/keys/{key_id}:revoke"),
    ("GET", "/safety/checks"),
    ("GET", "/safety/effective"),
    ("POST", "/safety/try"),
    ("GET", "/safety/policies"),
    ("POST", "/safety/policies"),
    ("GET", "/safety/policies/{policy_id}"),
    ("PUT", "/safety/policies/{policy_id}"),
    ("DELETE", "/safety/policies/{policy_id}"),
    ("GET", "/safety/policies/{policy_id}/versions"),
    ("GET", "/safety/policies/{policy_id}/versions/{number}"),
    ("GET", "/safety/policies/{policy_id}/bindings"),
    ("POST", "/safety/policies/{policy_id}/bindings"),
    ("DELETE", "/safety/policies/{policy_id}/bindings/{subject_id}"),
    ("GET", "/safety/blocklists"),
    ("POST", "/safety/blocklists"),
    ("GET", "/safety/blocklists/{blocklist_id}"),
    ("PATCH", "/safety/blocklists/{blocklist_id}"),
    ("DELETE", "/safety/blocklists/{blocklist_id}"),
    ("GET", "/safety/blocklists/{blocklist_id}/items"),
    ("POST", "/safety/blocklists/{blocklist_id}/items"),
    ("DELETE", "/safety/blocklists/{blocklist_id}/items/{item_id}"),
    ("GET", "/safety/categories"),
    ("POST", "/safety/categories"),
    ("GET", "/safety/categories/{category_id}"),
    ("PUT", "/safety/categories/{category_id}"),
    ("DELETE", "/safety/categories/{category_id}"),
    ("GET", "/safety/corpora"),
    ("POST", "/safety/corpora"),
    ("GET", "/safety/corpora/{corpus_id}"),
    ("DELETE", "/safety/corpora/{corpus_id}"),
    ("POST", "/safety/corpora/{corpus_id}/texts"),
    ("GET", "/safety/dry-runs"),
    ("POST", "/safety/dry-runs"),
    ("GET", "/safety/dry-runs/{run_id}"),
    ("POST", "/safety/dry-runs/{run_id}/cancel"),
    ("GET", "/trust/gates"),
    ("GET", "/trust/trail"),
    ("GET", "/trust/rules"),
    ("PATCH", "/trust/rules"),
    ("GET", "/trust/rules/versions"),
    ("GET", "/trust/reviews"),
    ("GET", "/trust/assessments"),
    ("POST", "/trust/assessments"),
    ("GET", "/trust/assessments/{assessment_id}"),
    ("PUT", "/trust/assessments/{assessment_id}"),
    ("POST", "/trust/assessments/{assessment_id}/submit"),
    ("POST", "/trust/assessments/{assessment_id}/withdraw"),
    ("POST", "/trust/assessments/{assessment_id}/decision"),
    ("GET", "/trust/waivers"),
    ("POST", "/trust/waivers"),
    ("POST", "/trust/waivers/{waiver_id}/decision"),
    ("POST", "/trust/waivers/{waiver_id}/revoke"),
    ("GET", "/catalog/models/{publisher}/{slug}/transparency-note"),
    ("GET", "/catalog/models/{publisher}/{slug}/transparency-note/versions"),
    ("GET", "/abuse/standing"),
    ("GET", "/abuse/trail"),
    ("GET", "/abuse/organizations/{organization_id}/standing"),
    ("POST", "/abuse/organizations/{organization_id}/score"),
    ("GET", "/abuse/queue"),
    ("GET", "/abuse/cases"),
    ("POST", "/abuse/cases"),
    ("GET", "/abuse/cases/{case_id}"),
    ("GET", "/abuse/cases/{case_id}/trail"),
    ("GET", "/abuse/cases/{case_id}/calls"),
    ("GET", "/abuse/cases/{case_id}/appeals"),
    ("POST", "/abuse/cases/{case_id}/appeals"),
    ("POST", "/abuse/cases/{case_id}/take"),
    ("POST", "/abuse/cases/{case_id}/notice"),
    ("POST", "/abuse/cases/{case_id}/suspend"),
    ("POST", "/abuse/cases/{case_id}/lift"),
    ("POST", "/abuse/cases/{case_id}/close"),
    ("POST", "/abuse/appeals/{appeal_id}/decision"),
    ("GET", "/abuse/cases/{case_id}/grants"),
    ("POST", "/abuse/cases/{case_id}/grants"),
    ("POST", "/abuse/cases/{case_id}/looks"),
    ("GET", "/abuse/opt-outs"),
    ("GET", "/abuse/opt-out-terms"),
    ("POST", "/abuse/opt-outs"),
    ("POST", "/abuse/opt-outs/{opt_out_id}/decision"),
    ("POST", "/abuse/opt-outs/{opt_out_id}/revoke"),
    ("POST", "/feedback"),
    ("GET", "/feedback"),
    ("GET", "/feedback/models"),
    ("GET", "/abuse/incidents"),
    ("POST", "/abuse/incidents"),
    ("GET", "/abuse/incidents/{incident_id}"),
    ("PATCH", "/abuse/incidents/{incident_id}"),
    ("POST", "/abuse/incidents/{incident_id}/close"),
    ("GET", "/abuse/incidents/{incident_id}/trail"),
    ("GET", "/abuse/kill-switches"),
    ("POST", "/abuse/kill-switches"),
    ("POST", "/abuse/kill-switches/{switch_id}/lift"),
    ("GET", "/contentsafety/text/blocklists"),
    ("GET", "/contentsafety/text/blocklists/{name}"),
    ("PATCH", "/contentsafety/text/blocklists/{name}"),
    ("DELETE", "/contentsafety/text/blocklists/{name}"),
    ("POST", "/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems"),
    ("POST", "/contentsafety/text/blocklists/{name}:removeBlocklistItems"),
    ("GET", "/contentsafety/text/blocklists/{name}/blocklistItems"),
    ("GET", "/contentsafety/text/blocklists/{name}/blocklistItems/{item_id}"),
}
# A body that each route that takes one can read, so that refusals are about who asks.
BODIES = {
    ("POST", "/red-team/estimates"): {"target": "tw/a", "datasets": ["airt_hate"]},
    ("POST", "/red-team/campaigns"): {
        "name": "First",
        "spec": {"target": "tw/a", "datasets": ["airt_hate"]},
    },
    ("POST", "/red-team/campaigns/{campaign_id}/resume"): {},
    ("POST", "/red-team/campaigns/{campaign_id}/attacks/{number}/reveal"): {"reason": "a test"},
    ("POST", "/red-team/datasets"): {"name": "Mine", "content": "value\none\n"},
    ("POST", "/red-team/schedules"): {
        "name": "Each day",
        "spec": {"target": "tw/a", "datasets": ["airt_hate"]},
        "every": "daily",
    },
    ("PATCH", "/red-team/schedules/{schedule_id}"): {"is_enabled": False},
    ("POST", "/connections"): {"credential": None, "base_url": "https://api.example/v1"},
    ("PATCH", "/connections/{connection_id}"): {},
    ("PUT", "/connections/{connection_id}/credential"): {"credential": None},
    ("POST", "/catalog/models/{publisher}/{slug}/call-through"): {"provider": "groq"},
    ("POST", "/connections/{connection_id}/models"): {"models": [{"upstream_model": "m"}]},
    ("POST", "/deployments"): {"model": "tw/a"},
    ("PATCH", "/deployments/{deployment_id}"): {},
    ("POST", "/deployments/{deployment_id}/rollback"): {},
    ("POST", "/endpoints"): {"model": "tw/a"},
    ("PATCH", "/endpoints/{endpoint_id}"): {},
    ("PUT", "/endpoints/{endpoint_id}/targets"): {"targets": []},
    ("POST", "/sales/offers/{offer_id}/plans"): {"name": "Small", "terms": {"currency": "USD"}},
    ("POST", "/sales/offers/{offer_id}/private-offers"): {
        "name": "For one",
        "buyers": ["org_01m81s7tyaea58wk4q177bmkgf"],
        "starts_at": "2030-01-01T00:00:00Z",
        "ends_at": "2031-01-01T00:00:00Z",
        "accept_by": "2030-02-01T00:00:00Z",
        "percent": 1000,
    },
    ("POST", "/private-offers/{private_offer_id}:accept"): {"terms_sha256": "0" * 64},
    ("POST", "/subscriptions/{subscription_id}:change"): {
        "quantity": 2,
        "confirmation": {"payer": "A", "price": "1 USD", "cap": "none"},
    },
    ("POST", "/subscriptions/{subscription_id}:cancel"): {"now": False},
    ("PUT", "/sales/offers/{offer_id}/fee"): {"percent": "2.5"},
    ("POST", "/sales/subscriptions/{subscription_id}:suspend"): {"reason": "odd traffic"},
    ("POST", "/sales/subscriptions/{subscription_id}:cancel"): {"now": False},
    ("PUT", "/billing/accounts/{organization_id}/payer"): {
        "payer": "Some",
        "price": "list prices",
        "cap": "no cap",
    },
    ("POST", "/ledger/entries/{entry_id}:reverse"): {"key": "k", "reason": "r"},
    ("PUT", "/billing/issuer"): {"party": {"legal_name": "A", "country": "DE"}},
    ("PUT", "/billing/accounts/{organization_id}"): {
        "mode": "postpaid",
        "currency": "USD",
        "party": {"legal_name": "A", "country": "DE"},
        "buyer_kind": "business",
        "billed_from": "2030-01-01T00:00:00Z",
    },
    ("POST", "/billing/tax-rules"): {
        "seller_country": "DE",
        "buyer_country": "*",
        "treatment": "S",
        "rate_ppm": 190_000,
        "jurisdiction": "DE",
        "valid_from": "2030-01-01",
    },
    ("POST", "/billing/drafts"): {"organization": "org_x", "until": "2030-01-01T00:00:00Z"},
    ("POST", "/billing/invoices/{invoice_id}:credit"): {"key": "k", "reason": "r"},
    ("POST", "/billing/closes"): {"period_end": "2030-01-01T00:00:00Z"},
    ("PUT", "/wallet/settings"): {"low": "1"},
    ("POST", "/wallet/bank-top-ups"): {"amount": "1", "currency": "USD", "key": "k"},
    ("POST", "/wallet/credits"): {
        "organization": "org_x",
        "amount": "1",
        "currency": "USD",
        "key": "k",
    },
    ("PUT", "/payouts/publishers/{slug}/profile"): {
        "name": "A",
        "iban": "DE89370400440532013000",
        "currency": "EUR",
    },
    ("PUT", "/payouts/publishers/{slug}/terms"): {"hold_days": 7},
    ("PUT", "/payouts/publishers/{slug}/hold"): {"reason": "r"},
    ("PUT", "/payouts/sources"): {
        "currency": "EUR",
        "name": "A",
        "iban": "DE89370400440532013000",
    },
    ("POST", "/payouts/runs"): {"currency": "EUR", "key": "k"},
    ("POST", "/payouts/{payout_id}:confirm"): {},
    ("POST", "/payouts/{payout_id}:fail"): {"reason": "r"},
    ("POST", "/bank/statements"): {"content": ""},
    ("POST", "/bank/lines/{line_id}:assign"): {"to": "INV-1"},
    ("POST", "/bank/lines/{line_id}:set-aside"): {"note": "n"},
    CORRECT: {"key": "k", "reason": "r", "quantities": {"images": -1}},
    ("POST", "/ledger/fx-rates"): {
        "base": "EUR",
        "quote": "USD",
        "rate": "1.08",
        "source": "s",
        "valid_from": "2030-01-01T00:00:00Z",
    },
    ("PUT", "/prices/models/{publisher}/{slug}"): {"currency": "USD", "is_free": True},
    ("POST", "/prices:simulate"): {"terms": {"currency": "USD"}},
    ("PUT", "/prices/margins"): {"scope": "all", "percent": "10"},
    ("POST", "/prices/margins:preview"): {"scope": "all", "percent": "10"},
    ("POST", "/prices/files"): {"content": "", "key_id": "0" * 64, "signature": ""},
    ("POST", "/prices/keys"): {"name": "n", "public_key": ""},
    ("PUT", "/sales/offers/{offer_id}/app"): {
        "landing_page": "https://a.example/in",
        "webhook": "https://a.example/told",
    },
    ("POST", "/saas/subscriptions/{subscription_id}/activate"): {"planId": "p"},
    ("PATCH", "/saas/subscriptions/{subscription_id}"): {"quantity": 2},
    ("PATCH", "/saas/subscriptions/{subscription_id}/operations/{operation_id}"): {
        "status": "Success"
    },
    ("POST", "/sinks"): {"name": "s", "kind": "lago", "credential": "c"},
    ("PATCH", "/sinks/{sink_id}"): {},
    ("PUT", "/limits/{subject_id}"): {},
    ("POST", "/budgets"): {"name": "b", "currency": "USD", "amount": "1", "period": "day"},
    ("POST", "/budgets:preview"): {"name": "b", "currency": "USD", "amount": "1", "period": "day"},
    ("POST", "/reconciliation/statements"): {"host": "openai", "content": "{}"},
    ("PATCH", "/budgets/{budget_id}"): {},
    ("PUT", "/billing/labels/{project_id}"): {},
    ("PATCH", "/organization"): {"name": "A"},
    ("POST", "/organizations"): {"name": "A", "administrator": "a@a.example"},
    ("POST", "/projects"): {"name": "A"},
    ("PATCH", "/projects/{project_id}"): {"name": "A"},
    ("PATCH", "/members/{user_id}"): {"role": "viewer"},
    ("POST", "/invitations"): {"email": "a@a.example", "role": "viewer"},
    ("POST", "/webhooks"): {"url": "https://hooks.example/", "events": ["budget.alert"]},
    ("PATCH", "/webhooks/{webhook_id}"): {},
    ("PUT", "/catalog/models/{publisher}/{slug}/licence"): {"licence": "MIT"},
    ("PUT", "/catalog/models/{publisher}/{slug}/lifecycle"): {"state": "legacy"},
    ("POST", "/catalog/calendar-links"): {"name": "c"},
    ("POST", "/catalog/views"): {"name": "v", "query": ""},
    ("PATCH", "/catalog/views/{view_id}"): {},
    ("POST", "/catalog/syncs"): {"source": "models_dev"},
    ("POST", "/uploads"): {"name": "model.gguf", "size": 1},
    ("POST", "/artifacts"): {"files": [{"path": "model.gguf", "upload": "upl_none"}]},
    ("POST", "/artifacts/{artifact_id}/signatures"): {"public_key": "", "signature": ""},
    ("POST", "/publishing/applications"): {
        "publisher": "a",
        "name": "A",
        "website": "https://a.example",
        "contact": "a@a.example",
    },
    ("POST", "/publishing/applications/{application_id}/decision"): {"is_accepted": True},
    ("POST", "/publishing/listings"): {"publisher": "a", "model": "b"},
    ("PATCH", "/publishing/listings/{listing_id}"): {},
    ("POST", "/publishing/listings/{listing_id}/delist"): {"reason": "r"},
    ("POST", "/publishing/listings/{listing_id}/send-back"): {"reason": "r"},
    ("PATCH", "/trust/rules"): {"reason": "r"},
    ("POST", "/trust/assessments"): {"subject": "model:nobody/nothing"},
    ("PUT", "/trust/assessments/{assessment_id}"): {},
    ("POST", "/trust/assessments/{assessment_id}/decision"): {"approves": True, "reason": "r"},
    ("POST", "/trust/waivers"): {
        "subject": "model:nobody/nothing",
        "gate": "red_team",
        "reason": "r",
        "expires_at": "2030-01-01T00:00:00Z",
    },
    ("POST", "/trust/waivers/{waiver_id}/decision"): {"grants": True},
    ("POST", "/trust/waivers/{waiver_id}/revoke"): {"reason": "r"},
    ("POST", "/abuse/cases"): {"organization_id": "nobody", "reason": "r"},
    ("POST", "/abuse/cases/{case_id}/notice"): {"text": "t"},
    ("POST", "/abuse/cases/{case_id}/suspend"): {"reason": "r"},
    ("POST", "/abuse/cases/{case_id}/lift"): {"reason": "r"},
    ("POST", "/abuse/cases/{case_id}/close"): {"reason": "r"},
    ("POST", "/abuse/cases/{case_id}/appeals"): {"reason": "r"},
    ("POST", "/abuse/cases/{case_id}/grants"): {"reason": "r"},
    ("POST", "/abuse/cases/{case_id}/looks"): {"request_id": "req_1"},
    ("POST", "/abuse/appeals/{appeal_id}/decision"): {"grants": True, "reason": "r"},
    ("POST", "/abuse/opt-outs"): {
        "terms_sha256": "0" * 64,
        "reason": "r",
        "expires_at": "2030-01-01T00:00:00Z",
    },
    ("POST", "/abuse/opt-outs/{opt_out_id}/decision"): {"signs": True},
    ("POST", "/abuse/opt-outs/{opt_out_id}/revoke"): {"reason": "r"},
    ("POST", "/abuse/incidents"): {"severity": 1, "title": "t", "description": "d"},
    ("PATCH", "/abuse/incidents/{incident_id}"): {},
    ("POST", "/abuse/kill-switches"): {"endpoint": "tw/nothing", "reason": "r"},
    ("POST", "/abuse/kill-switches/{switch_id}/lift"): {"reason": "r"},
    ("POST", "/feedback"): {"request_id": "req_1", "rating": "up"},
    ("POST", "/safety/try"): {"text": "t"},
    ("POST", "/safety/policies"): {"name": "p"},
    ("PUT", "/safety/policies/{policy_id}"): {},
    ("POST", "/safety/policies/{policy_id}/bindings"): {
        "subject": "proj_01m81s7tyaea58wk4q177bmkgf"
    },
    ("POST", "/safety/blocklists"): {"name": "b"},
    ("PATCH", "/safety/blocklists/{blocklist_id}"): {"description": "d"},
    ("POST", "/safety/blocklists/{blocklist_id}/items"): {"items": [{"text": "t"}]},
    ("POST", "/safety/categories"): {"name": "c", "positives": ["p"], "is_rapid": True},
    ("PUT", "/safety/categories/{category_id}"): {"positives": ["p"], "is_rapid": True},
    ("POST", "/safety/corpora"): {"name": "c", "licence": "MIT", "citation": "https://a.example"},
    ("POST", "/safety/corpora/{corpus_id}/texts"): {"texts": [{"title": "t", "text": "t"}]},
    ("POST", "/safety/dry-runs"): {},
    ("PATCH", "/contentsafety/text/blocklists/{name}"): {"description": "d"},
    ("POST", "/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems"): {
        "blocklistItems": [{"text": "t"}]
    },
    ("POST", "/contentsafety/text/blocklists/{name}:removeBlocklistItems"): {
        "blocklistItemIds": ["i"]
    },
}
CLIENT = KEY_PERMISSIONS[KeyPurpose.CLIENT]
EVERY_KEY = Permission.MODELS_READ


@pytest.fixture
def routes(services):
    return api_routes(services)


@pytest.fixture
def ask(client, routes, foreign_key_id):
    """Call a route of the table, with ids that are well-formed and not the caller's."""
    ids = {
        "{key_id}": foreign_key_id,
        "{project_id}": ProjectId.new(),
        "{user_id}": UserId.new(),
        "{invitation_id}": InvitationId.new(),
        "{host_id}": "openai",
        "{request_id}": request_id(uuid7_bytes()),
        "{connection_id}": ConnectionId.new(),
        "{deployment_id}": DeploymentId.new(),
        "{endpoint_id}": EndpointId.new(),
        "{subject_id}": ProjectId.new(),
        "{budget_id}": BudgetId.new(),
        "{webhook_id}": WebhookId.new(),
        "{delivery_id}": DeliveryId.new(),
        "{upload_id}": UploadId.new(),
        "{publisher}": "nobody",
        "{slug}": "nothing",
        "{change_id}": CatalogChangeId.new(),
        "{link_id}": CalendarLinkId.new(),
        "{view_id}": SavedViewId.new(),
        "{token}": f"twcal_{'a' * 43}",
        "{number}": "1",
        "{assessment_id}": AssessmentId.new(),
        "{waiver_id}": WaiverId.new(),
        "{case_id}": AbuseCaseId.new(),
        "{appeal_id}": AppealId.new(),
        "{opt_out_id}": OptOutId.new(),
        "{incident_id}": IncidentId.new(),
        "{switch_id}": KillSwitchId.new(),
        "{policy_id}": SafetyPolicyId.new(),
        "{blocklist_id}": BlocklistId.new(),
        "{name}": "nothing",
        "{item_id}": BlocklistItemId.new(),
        "{category_id}": CustomCategoryId.new(),
        "{corpus_id}": CorpusId.new(),
        "{artifact_id}": ArtifactId.new(),
        "{sha256}": "0" * 64,
        "{application_id}": PublisherApplicationId.new(),
        "{listing_id}": ListingId.new(),
        "{account_id}": LedgerAccountId.new(),
        "{entry_id}": EntryId.new(),
        "{invoice_id}": InvoiceId.new(),
        "{organization_id}": OrganizationId.new(),
        "{rule_id}": TaxRuleId.new(),
        "{close_id}": BillingCloseId.new(),
        "{margin_id}": PriceMarginId.new(),
        "{payout_id}": PayoutId.new(),
        "{proposal_id}": PriceProposalId.new(),
        "{statement_id}": ProviderStatementId.new(),
        "{run_id}": ReconciliationRunId.new(),
        "{campaign_id}": CampaignId.new(),
        "{other_id}": CampaignId.new(),
        "{dataset_id}": SeedsId.new(),
        "{schedule_id}": RedTeamScheduleId.new(),
    }

    def ask(route, **how):
        method, address = route
        for name, value in ids.items():
            address = address.replace(name, value)
        return client.request(method, f"/api{address}", json=BODIES.get(route), **how)

    return ask


@pytest.fixture
def guarded(routes):
    """Every guarded route with its permission."""
    return {route: who for route, who in routes.permissions.items() if who is not PUBLIC}


def test_every_route_says_who_may_call_it_and_few_are_public(routes):
    added = {
        (method, route.path)
        for route in routes.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert len(added) == len(routes.router.routes)
    assert added == set(routes.permissions) == ROUTES
    assert {route for route, who in routes.permissions.items() if who is PUBLIC} == PUBLIC_ROUTES


def test_only_reading_takes_a_permission_to_read(guarded):
    for (method, path), permission in guarded.items():
        assert (method == "GET") == permission.value.endswith(":read"), (method, path)


def test_a_client_key_changes_nothing_and_may_only_say_what_it_thinks_of_an_answer(guarded):
    for (method, path), permission in guarded.items():
        is_feedback = (method, path) == ("POST", "/feedback")
        assert method == "GET" or is_feedback or permission not in CLIENT, (method, path)


def test_the_published_description_is_the_route_table(client, routes):
    description = client.get("/api/openapi.json").json()
    described = {
        (method.upper(), path): operation
        for path, operations in description["paths"].items()
        for method, operation in operations.items()
    }
    assert set(described) == set(routes.permissions)
    for route, operation in described.items():
        assert ("security" in operation) == (route not in PUBLIC_ROUTES)
    assert "api_key" in description["components"]["securitySchemes"]


def test_public_routes_answer_anyone(ask, problem):
    for route in PUBLIC_ROUTES - {LINK}:
        assert ask(route).status_code == 200
    problem(ask(LINK), 404, "not_found")


def test_nobody_gets_in_without_a_key(ask, guarded, problem):
    for route in guarded:
        answer = ask(route)
        problem(answer, 401, "key_refused")
        assert answer.headers["www-authenticate"] == 'Bearer realm="tradewind"'


def test_a_key_that_nobody_has_gets_401(ask, guarded, problem):
    stranger = {"authorization": f"Bearer {api_keys.mint(bytes(32)).text}"}
    for route in guarded:
        problem(ask(route, headers=stranger), 401, "key_refused")


def test_a_cookie_is_never_a_credential(ask, database, accounts, guarded, problem):
    with database.transaction() as tx:
        code = accounts.create_sign_in_link(tx, lifetime=timedelta(minutes=1))
        token = accounts.sign_in_with_link(tx, code).session_token
    cookies = f"tradewind_session={token}; __Host-tradewind={token}"
    for route in guarded:
        problem(ask(route, headers={"cookie": cookies}), 401, "key_refused")


def test_a_key_that_only_calls_models_gets_403_elsewhere(ask, guarded, with_weak_key, problem):
    for route, permission in guarded.items():
        answer = ask(route, headers=with_weak_key)
        if permission is EVERY_KEY:
            assert answer.status_code == 200
        else:
            assert permission.value in problem(answer, 403, "forbidden")["detail"]


def test_a_client_key_gets_403_where_the_platform_is_run(ask, guarded, with_key, problem):
    refused = {route: who for route, who in guarded.items() if who not in CLIENT}
    assert len(refused) == 356
    for route in refused:
        body = problem(ask(route, headers=with_key), 403, "forbidden")
        assert "management key" in body["hint"]


def test_what_is_not_there_or_of_another_organization_is_not_found(
    ask, guarded, with_management_key, problem
):
    with_object = [route for route in guarded if "{" in route[1] and "{host_id}" not in route[1]]
    with_object.remove(("PATCH", "/contentsafety/text/blocklists/{name}"))  # it makes what is not
    assert len(with_object) == 224
    for route in with_object:
        answer = ask(route, headers=with_management_key)
        if route[1].startswith("/saas/"):
            # In the shape of Azure's errors.
            assert (answer.status_code, answer.json()["code"]) == (404, "EntityNotFound"), route
        else:
            problem(answer, 404, "not_found")


def test_a_management_key_gets_into_every_list(ask, guarded, with_management_key):
    for route in guarded:
        if route[0] == "GET" and ("{" not in route[1] or "{host_id}" in route[1]):
            assert ask(route, headers=with_management_key).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_in_the_table_is_405(client, routes, with_management_key, problem, method):
    for path in {path for _, path in routes.permissions}:
        # What is meant for one subscription, or for one list, would take this for its id.
        is_taken = path == "/saas/subscriptions/resolve" or "}:" in path.partition("/text/")[2]
        if (method, path) not in routes.permissions and not is_taken:
            address = f"/api{path}".replace("{", "").replace("}", "")
            answer = client.request(method, address, headers=with_management_key)
            problem(answer, 405, "method_not_allowed")
