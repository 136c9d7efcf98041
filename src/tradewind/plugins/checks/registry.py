"""The members of the family by name. One line adds one."""

from functools import cache

from tradewind.plugins.checks.azure_content_safety import AzureContentSafety
from tradewind.plugins.checks.base import AnyCheck
from tradewind.plugins.checks.blocklist import Blocklist
from tradewind.plugins.checks.custom_category import CustomCategory
from tradewind.plugins.checks.granite_guardian import GraniteGuardian
from tradewind.plugins.checks.groundedness import Groundedness
from tradewind.plugins.checks.harms import Harms
from tradewind.plugins.checks.llama_guard import LlamaGuard
from tradewind.plugins.checks.openai_moderation import OpenaiModeration
from tradewind.plugins.checks.pii import Pii
from tradewind.plugins.checks.presidio import Presidio
from tradewind.plugins.checks.profanity import Profanity
from tradewind.plugins.checks.prompt_guard import PromptGuard
from tradewind.plugins.checks.prompt_shield import PromptShield
from tradewind.plugins.checks.protected_material import ProtectedMaterial
from tradewind.plugins.checks.secrets import Secrets
from tradewind.plugins.checks.shieldgemma import ShieldGemma


def checks() -> dict[str, AnyCheck]:
    """Return one instance of each, the same ones in all of a process: they keep nothing of what
    they are asked, and the weights of some are megabytes.
    """
    return {member.name: member for member in _members()}


@cache
def _members() -> tuple[AnyCheck, ...]:
    return (
        *(Blocklist(), Pii(), Secrets(), PromptShield(), Harms(), Profanity()),
        *(ProtectedMaterial(), Groundedness(), CustomCategory()),
        *(Presidio(), AzureContentSafety(), OpenaiModeration()),
        *(LlamaGuard(), ShieldGemma(), GraniteGuardian(), PromptGuard()),
    )
