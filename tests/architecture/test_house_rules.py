"""Rules about our own code that import-linter cannot say. Each names why it is there."""

import ast
import re
from collections.abc import Iterator

import checkout

# Where a bug must not end the process: once per request, per task, per stream (style 18). Whoever
# adds a line here says what the edge is the edge of.
PROCESS_EDGES = {
    "src/tradewind/gateway/guard/check_data.py": "data that a check prepares; the check's failure",
    "src/tradewind/gateway/guard/runner.py": "one examination by a check; the others must go on",
    "src/tradewind/gateway/http/batch.py": "one connection's write must not cost the others theirs",
    "src/tradewind/gateway/http/connection.py": "a request",
    "src/tradewind/gateway/http/upstream.py": "a call upstream",
    "src/tradewind/gateway/http/upstream_connection.py": "a call upstream",
    "src/tradewind/plugins/engines/keeper.py": "the care for one replica; work for another thread",
    "src/tradewind/plugins/engines/registry.py": "code of a third party, loaded by entry point",
    "src/tradewind/plugins/redteam/drivers/pyrit_driver.py": "one attack; the others go on",
    "src/tradewind/serve/up.py": "starting: whatever happens, what was started is stopped again",
    "src/tradewind/worker/outbox.py": "one message; the others of its batch are handled",
    "src/tradewind/worker/webhooks.py": "one delivery; the others must go out",
    "src/tradewind/worker/validate.py": "one model that is tried; the others must be",
    "src/tradewind/worker/reconcile.py": "a thread that must go on; engines of third parties",
    "src/tradewind/serve/loops.py": "a thread, whose error the main thread raises again",
    "src/tradewind/serve/worker.py": "a thread, whose error the main thread raises again",
}
VAGUE_NAMES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
BUILDERS_OF_SQL = {"delete", "insert", "literal_column", "select", "text", "update", "values"}
SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s|COPY\s+\S+"
    r"|CREATE\s+(TABLE|INDEX|UNIQUE|FUNCTION|DATABASE|ROLE)\s|ALTER\s+\w+\s|DROP\s+\w+\s|TRUNCATE\s"
    r"|LISTEN\s|NOTIFY\s|SET\s+LOCAL\s)"
)
CLOCK_READS = {"now", "utcnow", "today", "monotonic", "time_ns", "perf_counter"}


def test_every_package_opens_with_what_it_is():
    silent = [
        module.name
        for module in checkout.source_modules()
        if module.name.endswith("__init__.py") and not ast.get_docstring(module.tree)
    ]
    assert not silent, "an __init__ without a paragraph on what the package is"


def test_no_module_has_a_name_that_could_mean_anything():
    vague = [
        name
        for name in checkout.texts()
        if name.endswith(".py")
        and VAGUE_NAMES & {part.removesuffix(".py") for part in name.split("/")}
    ]
    assert not vague, "name the module for what is in it"


def test_sql_is_written_where_one_looks_for_it():
    """Repositories, tables, read models, migrations, `db` and test builders may hold SQL."""
    strays: list[str] = []
    for module in checkout.source_modules():
        if may_hold_sql(module.name):
            continue
        strays += [
            f"{module.name}: builds statements with sqlalchemy.{name.rsplit('.', 1)[1]}"
            for name in checkout.imports(module.tree)
            if name.startswith("sqlalchemy.") and name.rsplit(".", 1)[1] in BUILDERS_OF_SQL
        ]
        strays += [
            f"{module.name}:{line}: {text.strip()[:40]!r}"
            for line, text in written_texts(module.tree)
            if SQL.match(text)
        ]
    assert not strays


def test_broad_excepts_stand_at_named_edges_only():
    strays = [
        f"{module.name}:{node.lineno}"
        for module in checkout.source_modules()
        if module.name not in PROCESS_EDGES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    ]
    assert not strays, "catch the narrowest type, or name the process edge in this file"


def test_named_edges_are_still_there():
    with_broad_excepts = {
        module.name
        for module in checkout.source_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    }
    assert not PROCESS_EDGES.keys() - with_broad_excepts, "no longer an edge: remove the line"


def test_features_call_only_the_service_of_another_feature():
    """Whoever reads another feature's tables goes through `readmodels` (ARCHITECTURE.md).

    `catalog.folding` has no tables: it says what a model at a host is called, and endpoints call it
    the same.
    """
    strays: list[str] = []
    for module in checkout.source_modules():
        match = re.fullmatch(r"src/tradewind/features/(\w+)/.*", module.name)
        if not match:
            continue
        for imported in checkout.imports(module.tree):
            parts = imported.split(".")
            if parts[:2] != ["tradewind", "features"] or len(parts) < 4 or parts[2] == match[1]:
                continue
            if parts[3] not in {"service", "schemas", "errors"} and parts[2:4] != [
                "catalog",
                "folding",
            ]:
                strays.append(f"{module.name} imports {imported}")
    assert not strays


def test_members_of_a_plugin_family_do_not_know_each_other():
    """What registry names as a member can be taken out without touching another member."""
    strays: list[str] = []
    for module in checkout.source_modules():
        match = re.fullmatch(r"src/tradewind/plugins/(\w+)/(\w+)\.py", module.name)
        if not match or match[2] in {"__init__", "registry"}:
            continue
        family = f"tradewind.plugins.{match[1]}"
        others = members_of(match[1]) - {match[2]}
        strays += [
            f"{module.name} imports {imported}"
            for imported in checkout.imports(module.tree)
            if imported.startswith(f"{family}.") and imported.split(".")[3] in others
        ]
    assert not strays


def test_undecoded_members_have_no_other_type():
    """`Raw | None` takes nothing but null: every other value is refused as malformed, which only
    the rare answer that has one shows. An absent member is an empty `Raw`, or `null`.
    """
    strays = [
        f"{module.name}:{node.lineno}"
        for module in checkout.source_modules()
        for record in ast.walk(module.tree)
        if isinstance(record, ast.ClassDef)
        for member in record.body
        if isinstance(member, ast.AnnAssign)
        for node in ast.walk(member.annotation)
        if isinstance(node, ast.BinOp) and any(map(_is_raw, (node.left, node.right)))
    ]
    assert not strays, "give the member the type Raw and a default instead"


def _is_raw(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name == "Raw"


def test_rules_read_no_clock():
    """import-linter keeps `time` out; `datetime` must stay, so its clock is looked for here."""
    strays = [
        f"{module.name}:{node.lineno}"
        for module in checkout.source_modules()
        if module.name.endswith("/rules.py")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCK_READS
    ]
    assert not strays, "hand the time in"


def may_hold_sql(name: str) -> bool:
    inside = name.removeprefix("src/tradewind/")
    if inside.startswith(("readmodels/", "migrations/", "db/", "testing/")):
        return True
    # Evidence is a file of SQLite, of another program's making: no table of ours is in it.
    if inside.startswith(("plugins/redteam/drivers/", "plugins/redteam/evidence.py")):
        return True
    return inside.endswith(("/repository.py", "/tables.py")) or "/repository/" in inside


def members_of(family: str) -> set[str]:
    """Return the modules that the family's registry imports, without what they are made from."""
    registry = next(
        (
            module
            for module in checkout.source_modules()
            if module.name == f"src/tradewind/plugins/{family}/registry.py"
        ),
        None,
    )
    prefix = f"tradewind.plugins.{family}."
    names = checkout.imports(registry.tree) if registry else ()
    members = {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}
    return members - {"base"}


def is_broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(is_broad, caught.elts))
    return caught is None or (
        isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"}
    )


def written_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string but docstrings; of f-strings, each plain part."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            match node.value:
                case str(text):
                    yield node.lineno, text
                case bytes(raw):
                    yield node.lineno, raw.decode("latin-1")
                case _:
                    pass
