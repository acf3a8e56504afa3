"""Commands, options, paths, links and figures on the pages are true.

Their Python blocks are run in `test_docs.py`.
"""

import contextlib
import functools
import io
import re

import pytest

from tests.support.pages import (
    PAGES,
    ROOT,
    inline_code,
    links,
    nasnet_commands,
    text_of,
)

# A path of a file of this repository, or of a folder, as prose names it.
PATH = re.compile(r"(\w+/)*\w+(/|\.py|\.md)")


@functools.cache
def parser():
    from nasnet_keras.cli.main import make_parser

    return make_parser()


COMMAND_PAGES = (*PAGES, "CONTRIBUTING.md", "pretrained/README.md")


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_commands_parse(page, capsys):
    for words in nasnet_commands(page):
        try:
            parser().parse_args(words[1:])
        except SystemExit as stopped:
            wrong = capsys.readouterr().err
            assert not stopped.code, f"{page}: {' '.join(words)}\n{wrong}"


def test_commands_are_found():
    assert sum(len(nasnet_commands(page)) for page in COMMAND_PAGES) > 15


@functools.cache
def help_texts():
    """The help of each subcommand, by name."""
    names = re.search(r"{([\w,-]+)}", parser().format_help()).group(1)
    return {name: printed_help(name) for name in names.split(",")}


def printed_help(name):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        parser().parse_args([name, "--help"])
    return printed.getvalue()


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_options_exist(page):
    """Those that prose and tables name, of the subcommand if it is named."""
    for code in inline_code(page):
        words = code.replace("=", " ").split()
        named = words[0] == "nasnet" and len(words) > 1
        if named:
            assert words[1] in help_texts(), f"{page}: `{code}`"
        if named or words[0].startswith("--"):
            known = help_texts()[words[1]] if named else parser_help()
            for option in (w for w in words if w.startswith("--")):
                assert re.search(rf"{option}\b", known), f"{page}: `{code}`"


def parser_help():
    return parser().format_help() + "".join(help_texts().values())


def test_links_lead_to_files():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md")]
    assert len(pages) > len(PAGES)
    for page in pages:
        for target in links(page):
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "search/README.md"])
def test_rooms_exist(page):
    """Files and folders that these pages name, from one of three folders."""
    named = {code for code in inline_code(page) if PATH.fullmatch(code)}
    folders = (ROOT, (ROOT / page).parent, ROOT / "nasnet_keras")
    assert len(named) > 6
    missing = {
        path for path in named if not any((f / path).exists() for f in folders)
    }
    assert not missing


def test_every_page_is_linked_both_ways():
    for page in PAGES:
        if page.startswith("docs/"):
            assert page in links("README.md")
            assert "../README.md" in links(page)


def test_results_of_the_readme_are_those_measured():
    """Its tables are rows of docs/results.md: no figure stands alone."""
    section = text_of("README.md").split("## Results")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 6
    measured = text_of("docs/results.md").splitlines()
    assert [row for row in rows if row not in measured] == []
