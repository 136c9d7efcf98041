"""How the keys of well-known makers look. Pure.

Each form is what its maker documents or what its keys have looked like for years; group 1 is what
must look random. Repeats are bounded or never given back, so a try costs the length of the key.
"""

import re
from typing import NamedTuple

_EDGE = r"(?![A-Za-z0-9_-])"


class Form(NamedTuple):
    name: str
    prefixes: tuple[str, ...]
    pattern: re.Pattern[str]
    least_entropy: float = 3.0
    """Bits a character; random hexadecimal of 32 characters has about 3.6, a word under 3."""
    severity: int = 6
    context: tuple[str, ...] | None = None
    """One of these stands within 64 characters before, in lower case."""
    label: str = "API_KEY"


def _form(name: str, prefixes: str, body: str, **more: float) -> Form:
    starts = tuple(prefixes.split())
    either = "|".join(map(re.escape, starts))
    pattern = re.compile(rf"(?:{either})({body}){_EDGE}")
    return Form(
        name,
        starts,
        pattern,
        more.get("least_entropy", 3.0),
        int(more.get("severity", 6)),
    )


_WORDS = "[A-Za-z0-9]"
_WIDE = "[A-Za-z0-9_-]"

FORMS: tuple[Form, ...] = (
    _form("aws-access-key", "AKIA ASIA ABIA ACCA", "[A-Z0-9]{16}"),
    Form(
        "aws-secret-key",
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secretAccessKey", "SecretAccessKey"),
        re.compile(
            r"\w{15,21}[\"']?\s{0,2}[:=]{1,2}\s{0,2}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
        ),
        3.5,
    ),
    _form("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", f"{_WORDS}{{36,251}}+"),
    _form("github-token", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _form("gitlab-token", "glpat- gldt- glrt- glptt-", f"{_WIDE}{{20,64}}+"),
    _form("slack-token", "xoxa- xoxb- xoxe- xoxp- xoxr- xoxs- xapp-", "[A-Za-z0-9-]{20,200}+"),
    Form(
        "slack-webhook",
        ("hooks.slack.com/services/",),
        re.compile(
            r"hooks\.slack\.com/services/(T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{20,32}+)"
        ),
        label="WEBHOOK",
    ),
    _form("stripe-key", "sk_live_ rk_live_ sk_test_ rk_test_", f"{_WORDS}{{16,247}}+"),
    _form("webhook-secret", "whsec_", r"[A-Za-z0-9+/]{24,88}+={0,2}"),
    _form("google-api-key", "AIza", f"{_WIDE}{{35}}"),
    _form("google-oauth-secret", "GOCSPX-", f"{_WIDE}{{28}}"),
    _form("google-oauth-token", "ya29.", f"{_WIDE}{{30,1024}}+"),
    _form("openai-key", "sk-proj- sk-svcacct- sk-admin-", f"{_WIDE}{{20,200}}+", least_entropy=3.5),
    _form("anthropic-key", "sk-ant-", f"{_WIDE}{{24,160}}+", least_entropy=3.5),
    _form("openrouter-key", "sk-or-v1-", "[0-9a-f]{64}"),
    _form("tradewind-key", "sk-tw- tw-", f"{_WIDE}{{32,128}}+", least_entropy=3.5),
    _form("sk-key", "sk-", f"{_WORDS}{{32,128}}+", least_entropy=3.5, severity=4),
    _form("hugging-face-token", "hf_ api_org_", f"{_WORDS}{{34,40}}+", least_entropy=3.5),
    _form("npm-token", "npm_", f"{_WORDS}{{36}}", least_entropy=3.5),
    _form("pypi-token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZ", f"{_WIDE}{{50,512}}+"),
    _form("groq-key", "gsk_", f"{_WORDS}{{40,64}}+"),
    _form("replicate-token", "r8_", f"{_WORDS}{{37}}"),
    _form("xai-key", "xai-", f"{_WORDS}{{64,96}}+"),
    _form("perplexity-key", "pplx-", f"{_WORDS}{{40,64}}+"),
    _form("nvidia-key", "nvapi-", f"{_WIDE}{{60,80}}+"),
    _form("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", "[0-9a-f]{64}"),
    Form(
        "sendgrid-key",
        ("SG.",),
        re.compile(r"SG\.([A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])"),
        3.5,
    ),
    _form("shopify-token", "shpat_ shpca_ shppa_ shpss_", "[0-9a-fA-F]{32}"),
    _form("square-token", "sq0atp- sq0csp- sq0idp-", f"{_WIDE}{{22,43}}+"),
    _form("databricks-token", "dapi", "[0-9a-f]{32}(?:-[0-9])?"),
    _form("linear-key", "lin_api_", f"{_WORDS}{{40}}"),
    _form("notion-token", "ntn_ secret_", f"{_WORDS}{{43,50}}+", least_entropy=3.8),
    _form("postman-key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}"),
    _form("doppler-token", "dp.pt. dp.st. dp.ct.", f"{_WORDS}{{40,44}}+"),
    _form("vault-token", "hvs. hvb.", f"{_WIDE}{{24,256}}+"),
    _form("new-relic-key", "NRAK-", "[A-Z0-9]{27}"),
    _form("sentry-token", "sntrys_ sntryu_", r"[A-Za-z0-9+/=_-]{40,512}+"),
    _form("age-key", "AGE-SECRET-KEY-1", "[0-9A-Z]{58}"),
    _form("terraform-token", "ATATT3xFfGF0 atlasv1.", f"{_WIDE}{{60,256}}+"),
    _form("mailgun-key", "key-", "[0-9a-f]{32}"),
    Form(
        "twilio-key",
        ("SK",),
        re.compile(r"SK([0-9a-f]{32})(?![A-Za-z0-9])"),
        context=("twilio", "api_key", "apikey", "api key", "account_sid"),
    ),
    Form(
        "telegram-token",
        (":AA",),
        re.compile(r":(AA[A-Za-z0-9_-]{32,33})(?![A-Za-z0-9_-])"),
        3.5,
        context=("bot", "telegram"),
    ),
)

LONG_FORMS = frozenset(
    {"github-token", "openrouter-key", "sendgrid-key", "digitalocean-token", "pypi-token"}
    | {"xai-key", "nvidia-key", "postman-key", "age-key", "terraform-token"}
)
"""Those whose keys are about as long as what waits at the end of a stream, or longer."""
