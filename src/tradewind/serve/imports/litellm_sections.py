"""What LiteLLM's configuration says beside its models, and where that lives here.

Source: docs.litellm.ai, "All settings" (proxy/config_settings).
"""

from typing import NamedTuple

from tradewind.serve.imports.findings import Findings
from tradewind.serve.imports.litellm_values import mapping
from tradewind.serve.imports.plan import shown


class Said(NamedTuple):
    why: str
    instead: str = ""
    is_needless: bool = False
    """The platform does it by itself, or has nothing that it would change."""


def _by_itself(why: str) -> Said:
    return Said(why, is_needless=True)


_FALLBACKS = Said(
    "models to fall back to are named by the call",
    "send `models`: [the model, the one to fall back to, …] in the request",
)
_CALLBACKS = Said(
    "calls are not sent to other services by callbacks",
    "see the request log, the metrics at /metrics, and spans by TRADEWIND_TRACE_SHARE",
)
_CACHE = Said(
    "the cache is a choice of each organization, and holds exact answers",
    "set cache_ttl_s of the organization's limits",
)
_REDIS = _by_itself("gateways share their limits and health without it; see TRADEWIND_VALKEY_URL")
_HEALTH = _by_itself(
    "a host rests after three failures in a row, or for as long as its 429 asks for"
)
_TIMEOUTS = Said("timeouts are not taken", "callers end a call by closing the connection")
_LOGS = _by_itself("logs are JSON lines, without prompts")
_RETENTION = Said("how long calls are kept is a setting", "set TRADEWIND_REQUEST_LOG_DAYS")
_KEYS = Said(
    "keys of LiteLLM do not work here, and neither does its master key",
    "make keys in the portal",
)
_DATABASE = _by_itself("the platform has a database of its own; see TRADEWIND_DATABASE_URL")
_IN_DATABASE = Said(
    "models, keys and teams that were added in LiteLLM's pages are in its database, not in this"
    " file",
    "write those models into the file, and make keys here",
)
_BUDGETS = Said("budgets are not taken", "set budgets with POST /api/budgets")
_NOT_HERE = Said("this is not in this release")

_ROUTER = {
    "fallbacks": _FALLBACKS,
    "default_fallbacks": _FALLBACKS,
    "context_window_fallbacks": _FALLBACKS,
    "content_policy_fallbacks": _FALLBACKS,
    "max_fallbacks": _FALLBACKS,
    "redis_host": _REDIS,
    "redis_port": _REDIS,
    "redis_password": _REDIS,
    "redis_url": _REDIS,
    "redis_db": _REDIS,
    "cache_responses": _CACHE,
    "allowed_fails": _HEALTH,
    "allowed_fails_policy": _HEALTH,
    "cooldown_time": _HEALTH,
    "disable_cooldowns": _HEALTH,
    "retry_policy": _HEALTH,
    "model_group_retry_policy": _HEALTH,
    "retry_after": _HEALTH,
    "timeout": _TIMEOUTS,
    "stream_timeout": _TIMEOUTS,
    "enable_pre_call_checks": _by_itself("what is too long for a host is never sent there"),
    "routing_strategy_args": _by_itself("latency is measured without being told how"),
    "set_verbose": _LOGS,
    "debug_level": _LOGS,
    "provider_budget_config": _BUDGETS,
    "enable_tag_filtering": Said(
        "targets have no tags", "make an endpoint for each tag, and let keys call some of them"
    ),
}
_LIBRARY = {
    **{name: said for name, said in _ROUTER.items() if said is _FALLBACKS},
    "success_callback": _CALLBACKS,
    "failure_callback": _CALLBACKS,
    "callbacks": _CALLBACKS,
    "service_callbacks": _CALLBACKS,
    "callback_settings": _CALLBACKS,
    "langfuse_default_tags": _CALLBACKS,
    "cache": _CACHE,
    "cache_params": _CACHE,
    "enable_caching_on_provider_specific_optional_params": _CACHE,
    "request_timeout": _TIMEOUTS,
    "allowed_fails": _HEALTH,
    "drop_params": _by_itself(
        "a tuning knob that a host does not know is dropped, anything else is a clear 400"
    ),
    "modify_params": _by_itself("requests are translated as the host's own dialect wants them"),
    "set_verbose": _LOGS,
    "json_logs": _LOGS,
    "turn_off_message_logging": _by_itself("prompts and answers are in no log unless asked for"),
    "redact_user_api_key_info": _LOGS,
    "max_budget": _BUDGETS,
    "budget_duration": _BUDGETS,
    "max_internal_user_budget": _BUDGETS,
    "default_internal_user_params": _KEYS,
    "default_team_settings": _KEYS,
    "key_generation_settings": _KEYS,
    "upperbound_key_generate_params": _KEYS,
    "cost_margin_config": Said("margins are not taken", "set prices of the models"),
    "cost_discount_config": Said("discounts are not taken", "set prices of the models"),
    "guardrails": _NOT_HERE,
    "mcp_aliases": _NOT_HERE,
}
_GENERAL = {
    "master_key": _KEYS,
    "custom_auth": _KEYS,
    "enable_jwt_auth": _KEYS,
    "litellm_jwtauth": _KEYS,
    "database_url": _DATABASE,
    "database_connection_pool_limit": _DATABASE,
    "database_connection_timeout": _DATABASE,
    "proxy_batch_write_at": _DATABASE,
    "use_redis_transaction_buffer": _DATABASE,
    "allow_requests_on_db_unavailable": _by_itself("calls are answered without the database"),
    "store_model_in_db": _IN_DATABASE,
    "store_prompts_in_spend_logs": Said(
        "prompts are kept only where an organization wants it",
        "set content_days of the organization's limits",
    ),
    "disable_spend_logs": _RETENTION,
    "maximum_spend_logs_retention_period": _RETENTION,
    "maximum_spend_logs_retention_interval": _RETENTION,
    "alerting": _CALLBACKS,
    "alerting_threshold": _CALLBACKS,
    "alert_types": _CALLBACKS,
    "background_health_checks": _HEALTH,
    "health_check_interval": _HEALTH,
    "max_parallel_requests": Said(
        "limits are of keys, projects, organizations and models", "set concurrent_requests there"
    ),
    "global_max_parallel_requests": Said(
        "limits are of keys, projects, organizations and models", "set concurrent_requests there"
    ),
    "max_request_size_mb": Said("the size of a request is a setting", "TRADEWIND_MAX_BODY_BYTES"),
    "pass_through_endpoints": _NOT_HERE,
    "completion_model": Said("there is no model for calls that name none", "name it in the call"),
}
_SECTIONS = {
    "router_settings": _ROUTER,
    "litellm_settings": _LIBRARY,
    "general_settings": _GENERAL,
}
_WHOLE = {
    "guardrails": _NOT_HERE,
    "mcp_servers": _NOT_HERE,
    "vector_store_registry": _NOT_HERE,
    "search_tools": _NOT_HERE,
    "prompts": _NOT_HERE,
    "finetune_settings": _NOT_HERE,
    "files_settings": _NOT_HERE,
    "callback_settings": _CALLBACKS,
    "include": Said(
        "files that are included are not followed", "import each of them, with the models it names"
    ),
}
# Read elsewhere.
_KNOWN = {
    "model_list",
    "credential_list",
    "environment_variables",
    "router_settings.routing_strategy",
    "router_settings.model_group_alias",
    "router_settings.num_retries",
    "litellm_settings.num_retries",
}
_UNKNOWN = Said("this member is not known to this release")


def tell_sections(document: dict[str, object], findings: Findings) -> None:
    """Tell what the file says beside its models, a line for each reason."""
    for section, value in document.items():
        if section in _KNOWN:
            continue
        members = _SECTIONS.get(section)
        if members is None:
            _tell(findings, shown(section), _WHOLE.get(section, _UNKNOWN))
            continue
        for member in mapping(value):
            place = f"{section}.{shown(member)}"
            if place not in _KNOWN:
                _tell(findings, place, members.get(member, _UNKNOWN))


def _tell(findings: Findings, place: str, said: Said) -> None:
    if said.is_needless:
        findings.note(place, said.why, said.instead)
    else:
        findings.left_out(place, said.why, said.instead)
