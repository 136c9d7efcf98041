"""Decides whether a chat template may be used, from its syntax tree alone.

Engines render templates with Jinja for every call, in sandboxes that have been escaped from. So a
template may do what formatting messages takes and nothing else: a closed list of functions,
filters and methods; no attribute that begins with an underscore, however it is spelled; no import;
no loop whose length it chooses itself. Nothing is rendered here: parsing does not even fold
constants. What a static check cannot see (a name put together from pieces while it is rendered) is
refused where it would be used, as the key of a subscript.
"""

from collections.abc import Iterator

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tradewind.features.artifacts.errors import FileRefused
from tradewind.features.artifacts.schemas import MOST_TEMPLATE_BYTES

_MOST_NODES = 50_000
_MOST_LOOP_DEPTH = 5
_MOST_CHOSEN_DEPTH = 2
_LONGEST_RANGE = 1_000
_MOST_FACTOR = 1_000

_FUNCTIONS = frozenset({"raise_exception", "strftime_now", "namespace", "range", "dict", "caller"})
# Jinja's own globals that formatting does not need: they are known as ways out of the sandbox.
_FORBIDDEN_NAMES = frozenset({"cycler", "joiner", "lipsum", "self"})
_FILTERS = frozenset({
    "abs", "batch", "capitalize", "default", "d", "dictsort", "e", "escape", "first", "float",
    "forceescape", "groupby", "indent", "int", "items", "join", "last",
    "length", "count", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
    "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "sum", "title",
    "tojson", "trim", "truncate", "unique", "upper", "urlencode", "wordcount", "from_json",
})  # fmt: skip
# They read attributes that an argument names.
_ATTRIBUTE_FILTERS = frozenset({"map", "selectattr", "rejectattr", "groupby", "sort", "sum", "min",
                                "max", "unique", "join"})  # fmt: skip
_METHODS = frozenset({
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
    "replace", "upper", "lower", "title", "capitalize", "items", "keys", "values", "get", "join",
    "find", "rfind", "index", "count", "removeprefix", "removesuffix", "partition", "rpartition",
    "isdigit", "isspace", "isalpha", "isalnum", "append", "cycle", "changed",
})  # fmt: skip
_TESTS = frozenset({
    "odd", "even", "divisibleby", "defined", "undefined", "none", "boolean", "false", "true",
    "integer", "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable",
    "callable", "sameas", "escaped", "in", "==", "eq", "equalto", "!=", "ne", ">", "gt",
    "greaterthan", "ge", ">=", "<", "lt", "lessthan", "<=", "le",
})  # fmt: skip


def check_template(name: str, template: str) -> None:
    """Raises FileRefused with the line and the reason. Takes time linear in the template."""
    if len(template.encode("utf-8", "surrogatepass")) > MOST_TEMPLATE_BYTES:
        raise FileRefused(name, f"its chat template is longer than {MOST_TEMPLATE_BYTES} bytes")
    try:
        tree = _environment().parse(template)
        reason = _find_reason(tree)
    except TemplateError as error:
        raise FileRefused(name, f"its chat template cannot be parsed: {error}") from None
    except (RecursionError, ValueError, OverflowError):
        raise FileRefused(name, "its chat template is nested too deeply or malformed") from None
    if reason is not None:
        raise FileRefused(
            name,
            f"its chat template {reason}",
            hint="templates may format messages; they may not reach into Python",
        )


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}`, with which templates mark the assistant's part."""

    tags = {"generation"}  # noqa: RUF012  Jinja's own protocol

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols", "jinja2.ext.do"],
    )


def _find_reason(tree: nodes.Template) -> str | None:
    """Return why the template is refused, as what follows "its chat template"."""
    macros = {node.name for node in tree.find_all(nodes.Macro)}
    for count, (node, depth, chosen) in enumerate(_walk_loops(tree)):
        if count > _MOST_NODES:
            return f"has more than {_MOST_NODES} parts"
        if depth > _MOST_LOOP_DEPTH or chosen > _MOST_CHOSEN_DEPTH:
            return f"has loops in loops in loops, at line {node.lineno}"
        reason = _reason_against(node, macros)
        if reason is not None:
            return f"{reason}, at line {node.lineno}"
    return None


def _walk_loops(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int, int]]:
    """Yield every node with the number of loops around it, and of those among them that are as
    long as the template wants. Without recursion: a template can be nested deeply.
    """
    todo: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    while todo:
        node, depth, chosen = todo.pop()
        yield node, depth, chosen
        if isinstance(node, nodes.For):
            depth += 1
            chosen += any(
                isinstance(each, nodes.Literal)
                or (isinstance(each, nodes.Name) and each.name == "range")
                for each in _walk(node.iter)
            )
        todo += [(child, depth, chosen) for child in node.iter_child_nodes()]


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        todo += node.iter_child_nodes()


def _reason_against(node: nodes.Node, macros: set[str]) -> str | None:
    match node:
        case nodes.Import() | nodes.FromImport() | nodes.Include() | nodes.Extends():
            return "loads another template"
        case nodes.Block():
            return "has a block, which only inheritance needs"
        case nodes.Getattr(attr=name) if _is_private(name):
            return f"reads the attribute {name[:40]!r}"
        case nodes.Getattr(attr=name) if name in _INTROSPECTION:
            return f"reads the attribute {name[:40]!r}"
        case nodes.Getitem(arg=key):
            return _reason_against_key(key)
        case nodes.Const(value=str() as text) if "__" in text:
            return "holds a text with two underscores, as names of Python's inner parts have"
        case nodes.Name(name=name) if _is_private(name) or name in _FORBIDDEN_NAMES:
            return f"uses the name {name[:40]!r}"
        case nodes.Filter(name=name) if name not in _FILTERS:
            return f"uses the filter {name[:40]!r}, which is not among those allowed"
        case nodes.Filter(name=name) if any(_is_large(each) for each in node.args):
            return f"gives the filter {name!r} more than {_MOST_FACTOR}"
        case nodes.Filter(name=name) if name in _ATTRIBUTE_FILTERS:
            return _reason_against_attributes(node)
        case nodes.Call():
            return _reason_against_call(node, macros)
        case nodes.CallBlock():
            return None
        case nodes.Pow():
            return "raises to a power"
        case nodes.Mul(left=left, right=right) if _is_large(left) or _is_large(right):
            return f"multiplies by more than {_MOST_FACTOR}"
        case nodes.For(recursive=True):
            return "has a recursive loop"
        case nodes.ExtensionAttribute() | nodes.ImportedName() | nodes.InternalName():
            return "reaches into Jinja"
        case nodes.EnvironmentAttribute() | nodes.ContextReference():
            return "reaches into Jinja"
        case nodes.Mod(left=nodes.Const(value=str())):
            return "formats a text with %"
        case nodes.Test(name=name) if name not in _TESTS:
            return f"uses the test {name[:40]!r}, which is not known"
        case _:
            return None


_INTROSPECTION = frozenset({
    "mro", "gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame", "ag_code", "f_globals",
    "f_locals", "f_builtins", "func_globals", "func_code", "tb_frame", "im_func", "im_self",
    "format", "format_map", "subclasses",
})  # fmt: skip


def _is_private(name: str) -> bool:
    return name.startswith("_")


def _is_large(node: nodes.Expr) -> bool:
    return (
        isinstance(node, nodes.Const)
        and isinstance(node.value, (int, float))
        and (abs(node.value) > _MOST_FACTOR)
    )


def _reason_against_key(key: nodes.Node) -> str | None:
    """A key is a constant, a name, or arithmetic with numbers; nothing that makes a text."""
    for node in _walk(key):
        match node:
            case nodes.Const(value=str() as text) if node is not key or _is_private(text):
                if node is key:
                    return f"reads the attribute {text[:40]!r}"
                return "puts a key together from texts"
            case nodes.Const(value=str() as text) if text in _INTROSPECTION:
                return f"reads the attribute {text[:40]!r}"
            case nodes.Concat() | nodes.Call() | nodes.TemplateData() | nodes.List() | nodes.Mod():
                if isinstance(node, nodes.Mod) and not _has_text(node):
                    continue
                return "puts a key together while it is rendered"
            case nodes.Filter(name=name) if name not in {"length", "count", "int", "abs"}:
                return f"makes a key with the filter {name[:40]!r}"
            case _:
                continue
    return None


def _has_text(node: nodes.Node) -> bool:
    return any(
        isinstance(each, nodes.Const) and isinstance(each.value, str) for each in _walk(node)
    )


def _reason_against_attributes(node: nodes.Filter) -> str | None:
    """Filters that take the name of an attribute, or of another filter, get it as a constant."""
    args = [*node.args, *(pair.value for pair in node.kwargs)]
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return f"gives the filter {node.name!r} arguments that cannot be seen"
    if node.name == "map" and node.args:
        called = node.args[0]
        if not isinstance(called, nodes.Const) or called.value not in _FILTERS:
            return "maps with a filter that is not among those allowed"
    for arg in args:
        text = arg.value if isinstance(arg, nodes.Const) else None
        if (
            isinstance(text, str)
            and any(_is_private(part) or part in _INTROSPECTION for part in text.split("."))
            and (node.name != "join" or arg is not (node.args[0] if node.args else None))
        ):
            return f"reads the attribute {text[:40]!r}"
    named = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    if node.name in {"selectattr", "rejectattr", "groupby"}:
        named += node.args[:1]
    if any(not isinstance(each, nodes.Const) for each in named):
        return f"gives the filter {node.name!r} an attribute that is made while it is rendered"
    return None


def _reason_against_call(node: nodes.Call, macros: set[str]) -> str | None:
    match node.node:
        case nodes.Name(name="range"):
            return _reason_against_range(node)
        case nodes.Name(name=name) if name in _FUNCTIONS or name in macros:
            return None
        case nodes.Name(name="loop"):
            return "has a recursive loop"
        case nodes.Name(name=name):
            return f"calls {name[:40]!r}, which is not among the functions allowed"
        case nodes.Getattr(attr=name) if name in _METHODS:
            return None
        case nodes.Getattr(attr=name):
            return f"calls the method {name[:40]!r}, which is not among those allowed"
        case _:
            return "calls something that is made while it is rendered"


def _reason_against_range(node: nodes.Call) -> str | None:
    """A range is as long as something that exists, or a small number."""
    for arg in node.args:
        for each in _walk(arg):
            if (
                isinstance(each, nodes.Const)
                and isinstance(each.value, (int, float))
                and (abs(each.value) > _LONGEST_RANGE)
            ):
                return f"counts to more than {_LONGEST_RANGE}"
            if isinstance(each, (nodes.Mul, nodes.Pow)):
                return "counts to a product"
    return None
