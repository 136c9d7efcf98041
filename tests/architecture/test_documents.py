"""The documents say what is there: every verb, setting, error and decision, and nothing else."""

import ast
import re

import checkout
import pytest

from tradewind.core.settings import Settings

MOST_VERBS = 12
HEADINGS_OF_A_DECISION = ("Context", "Decision", "Consequences", "What was refused")
DECISIONS = sorted((checkout.ROOT / "docs" / "decisions").glob("*.md"))
DOCUMENTS = sorted(name for name in checkout.texts() if name.endswith(".md"))


def test_the_makefile_has_few_verbs_and_explains_each():
    makefile = checkout.texts()["Makefile"]
    verbs = makefile_verbs()
    assert 0 < len(verbs) <= MOST_VERBS
    for verb in verbs:
        assert re.search(rf"^{verb}:.*## \S", makefile, re.MULTILINE), (
            f"make help is silent: {verb}"
        )


def test_continuous_integration_runs_make_test_and_nothing_else():
    commands = [
        line
        for line in checkout.texts()[".ci/run"].splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["exec make test"]


def test_every_setting_has_a_heading():
    settings = {f"TRADEWIND_{name.upper()}" for name in Settings.model_fields}
    assert headings("docs/reference/settings.md", level=3) == settings


def test_every_error_code_has_a_heading():
    assert headings("docs/reference/errors.md", level=3) == error_codes()


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_record_has_its_four_parts(decision):
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+", decision.stem)
    parts = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)
    assert tuple(parts) == HEADINGS_OF_A_DECISION


def test_decision_records_are_numbered_without_gaps():
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_in_documents_lead_somewhere(document):
    place = (checkout.ROOT / document).parent
    text = without_code(checkout.texts()[document])
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (place / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_verbs_that_exist(document):
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", checkout.texts()[document], re.MULTILINE))
    assert named <= makefile_verbs()


def test_the_architecture_page_names_every_package():
    page = checkout.texts()["ARCHITECTURE.md"]
    packages = {path.parent.name for path in checkout.PACKAGE.glob("*/__init__.py")}
    assert not {name for name in packages if f"`{name}/`" not in page}


def makefile_verbs() -> set[str]:
    return set(re.findall(r"^([a-z]+):", checkout.texts()["Makefile"], re.MULTILINE))


def headings(document: str, *, level: int) -> set[str]:
    found = re.findall(rf"^#{{{level}}} `?([^`\n]+?)`?$", checkout.texts()[document], re.MULTILINE)
    assert len(found) == len(set(found)), "a heading stands twice"
    return set(found)


def error_codes() -> set[str]:
    """Every stable code a caller can meet: of our error classes and of the gateway's refusals."""
    codes: set[str] = set()
    for module in checkout.source_modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                codes |= set(filter(None, map(class_level_code, node.body)))
            elif isinstance(node, ast.Call):
                given = [word.value for word in node.keywords if word.arg == "code"]
                if isinstance(node.func, ast.Name) and node.func.id == "RequestRefused":
                    given += node.args[1:2]
                codes |= set(filter(None, map(checkout.text_of, given)))
    return codes


def class_level_code(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return None
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return checkout.text_of(statement.value) if names == ["code"] else None


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
