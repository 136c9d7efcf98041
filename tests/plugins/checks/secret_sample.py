"""Secrets made up for tests, put together at run time so that no scanner of this repository takes
them for real ones; and what looks like a secret and is none.
"""

import base64
import json

_BODY = "a7Bq9ZkT3mXw5LrP1vNc8YdH2sJf6GuE4oKiRtVbCxAzQeWnMhSyDpFgUjLk0OiPa7Bq9ZkT3mXw5LrP1vNc8YdH2s"
_HEX = "9f3a7c21e85b04d6f1c9a27e3b6d80549f3a7c21e85b04d6f1c9a27e3b6d8054"
_UPPER = "Q3EGVZ4JTKYP7LMN2WXR5BDF8HC6SUA9Q3EGVZ4JTKYP7LMN2WXR5BDF8HC6SUA9"


def _jwt() -> str:
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': '1234', 'name': 'x'})}.{_BODY[:43]}"
    )


def secrets() -> list[tuple[str, str, str]]:
    """Return what it is found as, a text, and the secret in it."""
    made = [
        ("aws-access-key", "key {}", "AKIA" + _UPPER[:16]),
        ("aws-access-key", "ASIA: {}", "ASIA" + _UPPER[:16]),
        ("github-token", "token={}", "ghp_" + _BODY[:36]),
        ("github-token", "export T={}", "gho_" + _BODY[:36]),
        ("github-token", "{}", "github_pat_" + _BODY[:22] + "_" + _BODY[20:79]),
        ("gitlab-token", "'{}'", "glpat-" + _BODY[:20]),
        ("slack-token", "{}", "xoxb-" + "294857610293-" + _BODY[:24]),
        ("stripe-key", "{}", "sk_live_" + _BODY[:24]),
        ("webhook-secret", "{}", "whsec_" + _BODY[:32]),
        ("google-api-key", "?key={}", "AIza" + _BODY[:35]),
        ("google-oauth-secret", "{}", "GOCSPX-" + _BODY[:28]),
        ("openai-key", "{}", "sk-proj-" + _BODY[:64]),
        ("anthropic-key", "{}", "sk-ant-" + "api03-" + _BODY[:80]),
        ("openrouter-key", "{}", "sk-or-v1-" + _HEX),
        ("sk-key", "OPENAI_API_KEY={}", "sk-" + _BODY[:48]),
        ("tradewind-key", "{}", "sk-tw-" + _BODY[:40]),
        ("hugging-face-token", "{}", "hf_" + _BODY[:34]),
        ("npm-token", "{}", "npm_" + _BODY[:36]),
        ("pypi-token", "{}", "pypi-" + "AgEIcHlwaS5vcmc" + _BODY[:70]),
        ("groq-key", "{}", "gsk_" + _BODY[:52]),
        ("replicate-token", "{}", "r8_" + _BODY[:37]),
        ("xai-key", "{}", "xai-" + _BODY[:80]),
        ("digitalocean-token", "{}", "dop_v1_" + _HEX),
        ("sendgrid-key", "{}", "SG." + _BODY[:22] + "." + _BODY[30:73]),
        ("shopify-token", "{}", "shpat_" + _HEX[:32]),
        ("databricks-token", "{}", "dapi" + _HEX[:32]),
        ("linear-key", "{}", "lin_api_" + _BODY[:40]),
        ("postman-key", "{}", "PMAK-" + _HEX[:24] + "-" + _HEX[:34]),
        ("vault-token", "{}", "hvs." + _BODY[:60]),
        ("new-relic-key", "{}", "NRAK-" + _UPPER[:27]),
        ("jwt", "cookie: {}", _jwt()),
        ("url-with-password", "use {}/x", "postgres://app:" + "s3cr3tPw" + "@db.internal"),
        ("url-with-password", "{}/0", "redis://:" + "Zk29dkQQm" + "@cache.example.org"),
        ("url-with-password", "{}/", "https://bob:" + "hunter22" + "@git.example.org"),
        ("connection-string", "Server=db;User ID=sa;Password={};", "Zk29" + "dkQQm"),
        (
            "connection-string",
            "AccountName=x;AccountKey={};EndpointSuffix=y",
            base64.b64encode(bytes(range(40, 104))).decode(),
        ),
        ("authorization", "Authorization: Bearer {}", _HEX[:20] + _BODY[:10]),
        (
            "private-key",
            "{}",
            "-----BEGIN RSA PRIVATE" + " KEY-----\n" + _BODY + "\n-----END RSA PRIVATE KEY-----",
        ),
    ]
    return [(kind, text.format(value), value) for kind, text, value in made]


NO_SECRETS = (
    *("AKIAIOSFODNN7EXAMPLE", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sk-...", "ghp_"),
    *("sk-your-api-key-here-1234567890abcdef", "hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "AIza"),
    *(
        "ghp_" + "a" * 36,
        "sk_test_your_key_here",
        "task-force-of-many-people",
        "risk-averse-people",
    ),
    *("desk-" + "lamp" * 10, "npm_config_registry", "npm_lifecycle_event", "hf_hub_download"),
    *("sk-learn and sk-image", "eyJust a word.then.another", "eyJhbGciOi", "key-value-store-a-b-c"),
    *("postgres://user:password@localhost/db", "https://user:pass@example.com", "http://a:b@c"),
    *("redis://localhost:6379/0", "https://example.org:8443/@handle", "ssh://git@host:22/x"),
    *("postgres://app:${DB_PASSWORD}@db/x", "https://u:<password>@h.org", "amqp://guest:{{pw}}@q"),
    *("Password=secret;", "password=hunter2 is what he typed", "Password: ", "pwd=/srv/app/src"),
    *("Server=db;Password=${PW};", "Server=db;Password=changeme;", "bearer of good news today"),
    *(
        "Basic understanding of chemistry",
        "Authorization: Bearer <token>",
        "basic internationalism",
    ),
    *("-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "-----BEGIN A STORY-----"),
    *("d41d8cd98f00b204e9800998ecf8427e", "550e8400-e29b-41d4-a716-446655440000", "SKU 12345"),
    *(
        "secret_santa",
        "secret_sauce_recipe_for_a_summer_evening_with_friends",
        "whsec_",
        "tw-style",
    ),
    *("SG.1", "hvs.example", "xoxo-love", "dapi", "shpat_", "lin_api_docs", "AGE-SECRET-KEY-1"),
    *("glpat-xxxxxxxxxxxxxxxxxxxx", "sk-00000000000000000000000000000000000000000", "r8_", "xai-"),
    *("time 12:AAbb", "ratio 3:AAAA", "12345:AA", "SK" + "1" * 10, "Task" + _HEX[:32]),
)
