"""The house rules that no linter checks: no circles, nothing oversized without a reason, citations that lead somewhere.

A reason is a comment on the line of the `def` or above it (of a module: one of its own before the imports):

    # long: why the module has over MAX_MODULE lines, or the function over MAX_FUNCTION
    # many: why it takes over MAX_PARAMETERS

An import inside a function or under TYPE_CHECKING counts as any other, unless a comment beside it says why it is there.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.live import PROJECT

MAX_MODULE = 400  # lines
MAX_FUNCTION = 40  # lines, its signature included
MAX_PARAMETERS = 5  # without self and cls

PACKAGE = PROJECT / "xferzone"

_PATH = re.compile(r"(?<![\w/.*<-])((?:[\w-]+/)+[\w.-]+\.(?:py|md|sh|toml|cfg|service|conf))\b")
_PAGE = re.compile(r"(?<![\w/.-])([\w-]+\.md)\b")
_UNSHIPPED = re.compile(r"\bspec (?:xfer|artifacts|pitfalls|auth|http|delta)\b")
_FOREIGN = ("src/", "www/", "tools/", "test/")  # Fossil's own files


@cache
def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _read(path: Path) -> tuple[ast.Module, list[str]]:
    text = path.read_text("utf-8")
    return ast.parse(text), text.splitlines()


def test_no_module_imports_itself_by_way_of_others() -> None:
    imports = {module: set(_imports(module)) for module in _modules()}
    reached: dict[str, set[str]] = {}
    for module in imports:
        seen: set[str] = set()
        ahead = list(imports[module])
        while ahead:
            at = ahead.pop()
            if at not in seen:
                seen.add(at)
                ahead += imports[at]
        reached[module] = seen
    circles = {
        frozenset(other for other in seen if module in reached[other]) for module, seen in reached.items()
    }
    assert [sorted(circle) for circle in circles if circle] == []


def _imports(module: str) -> Iterator[str]:
    """The modules of the package that a module names in its imports."""
    tree, lines = _read(_modules()[module])
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if id(node) not in top and _is_explained(lines, node.lineno):
            continue
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            named = [name if name in _modules() else str(node.module) for name in whole]
        yield from (name for name in named if name in _modules())


def _is_explained(lines: list[str], number: int) -> bool:
    """Whether a comment stands on the line of an import, or above it and those it stands with."""
    while lines[number - 1].lstrip().startswith(("from ", "import ")):
        if "#" in lines[number - 1]:
            return True
        number -= 1
    return "#" in lines[number - 1]


def test_nothing_is_oversized_without_a_reason() -> None:
    assert [name for module in _modules() for name in _oversized(module)] == []


def _oversized(module: str) -> Iterator[str]:
    tree, lines = _read(_modules()[module])
    if len(lines) > MAX_MODULE and not _has_reason(lines, 1, _first_import(tree), "long"):
        yield module
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            begin = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            end = node.body[0].lineno
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= MAX_FUNCTION and not _has_reason(
                lines, begin - 1, end, "long"
            ):
                yield f"{module}.{node.name} is long"
            if _parameters(node.args) > MAX_PARAMETERS and not _has_reason(lines, begin - 1, end, "many"):
                yield f"{module}.{node.name} takes many"


def _first_import(tree: ast.Module) -> int:
    return min(node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


def _has_reason(lines: list[str], begin: int, end: int, kind: str) -> bool:
    """Whether one of the lines from `begin` up to `end`, from 1, gives a reason of that kind."""
    return any(re.search(rf"# {kind}: \w+", line) for line in lines[max(0, begin - 1) : end])


def _parameters(given: ast.arguments) -> int:
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    named = [each.arg for each in every if each is not None]
    return len(named) - (named[:1] in (["self"], ["cls"]))


def test_what_is_cited_is_in_the_project() -> None:
    found = {
        str(path.relative_to(PROJECT)): cited
        for path in (
            *_files("py", "xferzone", "tests", "bench", "deploy", "migrations"),
            *_files("md", "docs", "tests"),
        )
        if path != Path(__file__) and (cited := sorted(set(_miscited(path))))
    }
    assert found == {}


def _files(ending: str, *folders: str) -> Iterator[Path]:
    yield from (path for folder in folders for path in sorted((PROJECT / folder).rglob(f"*.{ending}")))


def _miscited(path: Path) -> Iterator[str]:
    for written in _prose(path) if path.suffix == ".py" else [path.read_text("utf-8")]:
        yield from _UNSHIPPED.findall(written)
        for cited in _PATH.findall(written):
            if not cited.startswith(_FOREIGN) and not _is_there(path, cited):
                yield cited
        yield from (cited for cited in _PAGE.findall(written) if not _is_there(path, cited))


def _is_there(path: Path, cited: str) -> bool:
    return any((folder / cited).exists() for folder in (PROJECT, PACKAGE, path.parent))


def _prose(path: Path) -> Iterator[str]:
    """The docstrings and comments of a module."""
    tree, _ = _read(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            said := ast.get_docstring(node)
        ):
            yield said
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
