"""Catalogs to measure with: made up from a fixed seed, and copied straight into the tables.

For `tradewind bench catalog` alone, on a database that it has made for itself.
"""

import random
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, LiteralString, NamedTuple

import psycopg
from sqlalchemy import Connection, text

_SEED = 8812
_NOW = datetime(2030, 1, 1, tzinfo=UTC)
_DAY = date(2030, 1, 1)
BATCH = 10_000
_KNOWN = (
    "llama",
    "qwen3",
    "mistral",
    "gemma",
    "gpt",
    "claude",
    "gemini",
    "deepseek",
    "phi",
    "grok",
)
_STARTS = ("ar", "bel", "cor", "dra", "el", "fal", "gra", "hel", "ix", "jun", "kal", "lum", "mor")
_MIDDLES = ("a", "ade", "ani", "eri", "i", "ilo", "o", "ono", "u", "ura")
_ENDS = ("bit", "don", "gen", "lex", "mind", "net", "pha", "ron", "sis", "tor", "via", "x")
_SIZES = ("1b", "3b", "7b", "8b", "13b", "14b", "30b-a3b", "32b", "70b", "235b-a22b")
_KINDS = ("instruct", "base", "chat", "vision", "coder", "thinking", "mini", "large", "embedding")
_VERSIONS = ("1", "2", "2.5", "3", "3.1", "3.3", "4", "v3", "r1", "5.6")
_LICENCES = ("", "Apache-2.0", "MIT", "LicenseRef-Llama-3.3", "CC-BY-NC-4.0", "LicenseRef-Gemma")
_OPERATIONS = ("chat", "chat", "chat", "chat", "embeddings", "images", "speech", "rerank", None)
_CONTEXTS = (None, 4_096, 8_192, 32_768, 131_072, 200_000, 1_000_000)
_CAPABILITIES = ("tools", "structured_output", "reasoning", "attachments", "temperature")
_REGIONS = ("", "eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-1")
_PRICES = (None, 0, 20_000_000, 75_000_000, 150_000_000, 600_000_000, 3_000_000_000, 15_000_000_000)
_LIVES = ("ga", "ga", "ga", "ga", "preview", "legacy")

_COPY_MODELS = """
    COPY model (id, publisher_slug, slug, display_name, description, family, licence, operation,
        context_tokens, max_output_tokens, released_on, input_modalities, output_modalities,
        capabilities, open_weights, lifecycle, origin, created_at, updated_at)
    FROM STDIN
"""
_COPY_OFFERS = """
    COPY offer (id, model_id, host, upstream_model, region, input_nanos, output_nanos, status,
        source, observed_on, first_seen_at, changed_at)
    FROM STDIN
"""
_ADD_PUBLISHER = "INSERT INTO publisher (slug, name, created_at) VALUES (%s, %s, %s)"


_COUNT = text("""
    SELECT (SELECT count(*) FROM model) AS models, (SELECT count(*) FROM offer) AS offers,
        pg_database_size(current_database()) AS size, pg_backend_pid() AS pid
""")
_TOUCH = text("UPDATE model SET updated_at = now() WHERE id = (SELECT min(id) FROM model)")
_TIDY = (b"VACUUM ANALYZE model", b"VACUUM ANALYZE offer", b"ANALYZE")


class Seeded(NamedTuple):
    making_up_s: float
    """Of the time that passed, what it took to invent them,"""
    making_up_cpu_s: float
    """and of this process's CPU time."""


class Measured(NamedTuple):
    """What lies in the database, and which backend was asked."""

    models: int
    offers: int
    size: int
    pid: int


def count_all(tx: Connection) -> Measured:
    return Measured(*tx.execute(_COUNT).one())


def touch_one(tx: Connection) -> None:
    """Change one model, so that there is something new to index."""
    tx.execute(_TOUCH)


def tidy(connection: psycopg.Connection) -> None:
    """Do what PostgreSQL would do by itself in time. Takes a connection in autocommit."""
    for statement in _TIDY:
        connection.execute(statement)


def seed(connection: psycopg.Connection, models: int) -> Seeded:
    """Copy so many made-up models, each with an offer or more, into an empty catalog."""
    chance = random.Random(_SEED)  # noqa: S311  the same catalog every time, nothing secret
    families = _families(chance, min(20_000, 50 + models // 100))
    publishers = [f"{name}-{chance.choice(('ai', 'labs', 'research'))}" for name in families]
    with connection.cursor() as cursor:
        cursor.executemany(
            _ADD_PUBLISHER, [(slug, _title(slug), _NOW) for slug in dict.fromkeys(publishers)]
        )
    making_up_s = making_up_cpu_s = 0.0
    for start in range(0, models, BATCH):
        began, began_s = time.monotonic(), time.process_time()
        numbers = range(start, min(models, start + BATCH))
        made = [_model(chance, number, families, publishers) for number in numbers]
        offered = [offer for model in made for offer in _offers(chance, model[0])]
        making_up_s += time.monotonic() - began
        making_up_cpu_s += time.process_time() - began_s
        _copy(connection, _COPY_MODELS, made)
        _copy(connection, _COPY_OFFERS, offered)
        connection.commit()
    return Seeded(making_up_s, making_up_cpu_s)


def _families(chance: random.Random, most: int) -> list[str]:
    """Return names, the known ones first: earlier ones are picked more often."""
    found: dict[str, None] = dict.fromkeys(_KNOWN)
    while len(found) < most:
        parts = (chance.choice(_STARTS), chance.choice(_MIDDLES), chance.choice(_ENDS))
        name = "".join(parts)
        found[name if name not in found else chance.choice(_STARTS) + name] = None
    return list(found)


def _model(
    chance: random.Random, number: int, families: list[str], publishers: list[str]
) -> tuple[Any, ...]:
    # A few families have most of the models, as in the world.
    place = int(len(families) * chance.random() ** 4)
    family = families[place]
    parts = (family, chance.choice(_VERSIONS), chance.choice(_SIZES), chance.choice(_KINDS))
    slug = f"{'-'.join(parts)}-{number:x}"
    operation = chance.choice(_OPERATIONS)
    return (
        f"model_{number:026d}",
        publishers[place if chance.random() < 0.6 else chance.randrange(len(publishers))],
        slug,
        _title(slug),
        f"A {chance.choice(_KINDS)} model of the {family} family for {operation or 'video'}.",
        family,
        chance.choice(_LICENCES),
        operation,
        chance.choice(_CONTEXTS),
        4_096,
        _DAY - timedelta(days=int(1_500 * chance.random())) if chance.random() < 0.9 else None,
        ["text", "image"] if chance.random() < 0.3 else ["text"],
        ["text"],
        chance.sample(_CAPABILITIES, chance.randrange(4)),
        chance.choice((True, True, False, None)),
        chance.choice(_LIVES),
        "synced",
        _NOW,
        _NOW,
    )


def _offers(chance: random.Random, model_id: str) -> Iterator[tuple[Any, ...]]:
    number = model_id.removeprefix("model_")
    for one in range(1 + int(3 * chance.random() ** 3)):
        price = chance.choice(_PRICES)
        yield (
            f"off_{one}{number}",
            model_id,
            f"host-{one}",
            number,
            chance.choice(_REGIONS),
            price,
            None if price is None else 4 * price,
            "active",
            "made_up",
            _DAY,
            _NOW,
            _NOW,
        )


def _title(slug: str) -> str:
    return slug.replace("-", " ").title()


def _copy(
    connection: psycopg.Connection, statement: LiteralString, rows: Iterable[tuple[Any, ...]]
) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
