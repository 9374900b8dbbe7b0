"""Every example in README and docs runs as it is printed, prints what stands below it, and satisfies a type checker."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from nombaauth.sandbox import NombaSandbox
from tests.support.pages import ROOT, pages

FENCE = re.compile(
    r"^(?:<!-- (?P<marks>[^\n]*) -->\n)?```python\n(?P<code>.*?)^```$(?:\n\n^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"(needs|file): (\S+)")
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^[ \t]+```(python|console)", re.MULTILINE)
WIDTH = 88
PATH = [str(ROOT), str(ROOT / "common")]


@attrs.frozen
class Example:
    """One block of a page: its code at the line where the page has it, so that a traceback names the page's line."""

    page: str
    line: int
    code: str
    output: str | None
    needs: str | None = None
    """A package that the program imports and that is not of our tests, such as a vendor's own."""
    file: str | None = None
    """What the page calls the file: the page's shell lines find it by that name."""

    @property
    def padded(self) -> str:
        """The code, preceded by as many empty lines as stand above it in the page."""
        return "\n" * self.line + self.code

    @property
    def needs_nomba(self) -> bool:
        """Whether the block reads `NOMBA_*`: those with a sandbox of their own must do without."""
        return "from_env" in self.code or ("NombaClient" in self.code and "sandbox import" not in self.code)


def _examples() -> Iterator[tuple[str, Example]]:
    for page in pages():
        name, text = str(page.relative_to(ROOT)), page.read_text()
        for match in FENCE.finditer(text):
            line = text.count("\n", 0, match.start("code"))
            marks: dict[str, str] = dict(MARK.findall(match["marks"] or ""))
            yield f"{name}:{line}", Example(name, line, match["code"], match["output"], **marks)


EXAMPLES = dict(_examples())


def write(example: Example, folder: Path) -> Path:
    """Write one example to a file of its own, named like its page."""
    path = folder / f"{Path(example.page).stem.replace('-', '_')}_{example.line}.py"
    path.write_text(example.padded)
    return path


# every run shows what a newcomer pastes first; the other pages' programs take a second each
_FIRST = ("README.md", "docs/start/")
_PARAMS = [pytest.param(name, marks=() if name.startswith(_FIRST) else pytest.mark.slow) for name in EXAMPLES]


@pytest.fixture(params=_PARAMS)
def script(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Example, Path]:
    """Write one example to a file of its own, or skip it where its page's needs are not installed."""
    example = EXAMPLES[request.param]
    if example.needs is not None and find_spec(example.needs) is None:
        pytest.skip(f"{example.needs} is not installed here")
    return example, write(example, tmp_path)


async def test_example_runs(script: tuple[Example, Path], tmp_path: Path) -> None:
    """The example ends without an error or warning and prints the text that the page shows below it."""
    example, path = script
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("NOMBA_", "NAUTH_"))
    }
    environment["PYTHONPATH"] = os.pathsep.join(PATH)
    async with NombaSandbox() as sandbox:
        if example.needs_nomba:
            environment |= {
                "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
                "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
                "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
                "NOMBA_BASE_URL": sandbox.base_url,
            }
        pytest_block = "StoreContract" in example.code or "pytest" in example.code
        runner = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
        runner += ["-o", "asyncio_default_fixture_loop_scope=function"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", *(runner if pytest_block else []), path,
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
        )  # fmt: skip
        output, errors = await process.communicate()
    assert process.returncode == 0, (output + errors).decode()
    if example.output is not None:
        assert output.decode() == example.output


def test_there_are_examples() -> None:
    """The pages hold examples at all: an expression that finds none would pass everything."""
    assert len(EXAMPLES) >= 30
    assert sum(example.output is not None for example in EXAMPLES.values()) >= 5


def test_no_fence_is_indented() -> None:
    """An indented block would be run by no test."""
    assert [str(page) for page in pages() if INDENTED.search(page.read_text())] == []


def test_code_fits_its_box() -> None:
    """No line of an example or of what it prints is wider than its box at a desktop's width."""
    wide = [
        name
        for name, it in EXAMPLES.items()
        if max(map(len, [*it.code.splitlines(), *(it.output or "").splitlines()])) > WIDTH
    ]
    assert wide == []


@pytest.mark.slow
def test_examples_satisfy_a_type_checker(tmp_path: Path) -> None:
    """Pyright finds nothing in any example: the manual of a typed library holds to its types."""
    for example in EXAMPLES.values():
        if example.needs is None:  # packages without types, which may be absent
            write(example, tmp_path)
    paths = ", ".join(f'"{each}"' for each in PATH)
    (tmp_path / "pyrightconfig.json").write_text(
        f'{{"extraPaths": [{paths}], "typeCheckingMode": "strict", "pythonVersion": "3.11", '
        '"reportMissingTypeStubs": false, "reportMissingModuleSource": false}'
    )
    command = [sys.executable, "-m", "pyright", "-p", str(tmp_path), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "section", re.split(r"^## ", (ROOT / "docs/how-to/migrate.md").read_text(), flags=re.MULTILINE)[1:]
)
def test_a_migrated_program_prints_what_the_old_one_did(section: str) -> None:
    """Where the page shows a program before and after, the outputs that it shows, and the tests compare, are equal."""
    shown = re.findall(r"^```python\n.*?^```$\n\n^```text\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert shown
    if "Before" in section:
        assert shown[0] == shown[1]


RUN_BY = re.compile(r"python run\.py (\w+)")


def test_what_a_page_says_to_run_can_be_downloaded() -> None:
    """A page that says `python run.py NAME` offers both files: a reader with the wheel alone has no docs/examples."""
    missing = []
    for page in pages():
        text = page.read_text()
        names = {*RUN_BY.findall(text)} - {"NAME"}
        wanted = names | {"run"} if names else names
        missing += [
            f"{page.relative_to(ROOT)}: {name}"
            for name in sorted(wanted)
            if f"{{download}}`{name}.py <../examples/{name}.py>`" not in text
        ]
    assert missing == []


_BROUGHT = {"aiohttp", "anyio", "attr", "attrs", "cattrs", "yarl", "nauth"} | {
    f"{each}auth" for each in ("nomad", "nomba", "noyo", "nao")
}
"""What `pip install nauth` brings."""
_INSTALLED_AS = {
    "httpx2": "httpx",  # by nauth[httpx]
    "opentelemetry": "opentelemetry-sdk",
    "prometheus_client": "prometheus-client",
    "nomba": "nomba-python",
    "nomad_media_pip": "nomad-media-pip",
}
INCLUDED = re.compile(r"^```\{literalinclude\} \.\./examples/(\w+)\.py$", re.MULTILINE)


def _foreign(code: str) -> set[str]:
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        name.partition(".")[0]
        for node in imports
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    return {
        _INSTALLED_AS.get(name, name) for name in names - _BROUGHT - sys.stdlib_module_names - {"__future__"}
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_page_says_what_its_programs_need(page: Path) -> None:
    """Each package that a page's program imports, and nauth does not bring, is in a `pip install` of that page."""
    text, name = page.read_text(), str(page.relative_to(ROOT))
    programs = [example.code for example in EXAMPLES.values() if example.page == name]
    programs += [(ROOT / "docs/examples" / f"{found}.py").read_text() for found in INCLUDED.findall(text)]
    lines = [*re.findall(r"pip install[^`\n]*", text), *re.findall(r"`pip install\s[^`]*`", text)]
    said = set(re.split(r"[\s\[\],\"]+", " ".join(lines)))
    assert set[str]().union(*map(_foreign, programs)) - said == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_an_extra_is_quoted(page: Path) -> None:
    """Some shells take the brackets of an extra for a pattern, and find no file of that name."""
    assert re.findall(r"pip install [^\"'`\n]*\[", page.read_text()) == []


_NOT_HERE = ("pip ", "uv ", "docker ", "kubectl ", "nauth demo", "nauth login", "python run.py ")
"""Lines that the tests leave out: they install, want a service, or are run by tests/deployments/test_examples.py."""


def _shell_lines() -> Iterator[tuple[str, list[str]]]:
    for page in pages():
        for number, match in enumerate(CONSOLE.finditer(page.read_text()), 1):
            lines = [line.removeprefix("$ ") for line in match[1].splitlines() if line.startswith("$ ")]
            ours = [line for line in lines if not line.startswith(_NOT_HERE)]
            if ours:
                yield f"{page.relative_to(ROOT)}:{number}", ours


SHELL = dict(_shell_lines())


@pytest.fixture(params=SHELL)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name one shell block, and write the programs to which its page gives a file's name."""
    name: str = request.param
    page = name.partition(":")[0]
    for example in EXAMPLES.values():
        if example.page == page and example.file is not None:
            (tmp_path / example.file).write_text(example.code)
    return name


@pytest.mark.slow
async def test_shell_lines_run(shell: str, tmp_path: Path) -> None:
    """The lines of a shell block work as they are pasted, in an empty folder.

    `NAUTH_DOCS_BIN` names the folder of another installation's commands: .ci/run gives that of the built wheel.
    """
    given = os.environ.get("NAUTH_DOCS_BIN")
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("NOMBA_", "NAUTH_"))
    }
    environment["PATH"] = os.pathsep.join([given or str(Path(sys.executable).parent), os.environ["PATH"]])
    if given is None:
        environment["PYTHONPATH"] = os.pathsep.join(PATH)
    # a line that fails must not leave the page's sandbox behind
    stop = "trap 'kill ${NAUTH_SANDBOX_PID:-} 2>/dev/null || true' EXIT"
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", "\n".join([stop, *SHELL[shell]]),
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path, start_new_session=True,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
