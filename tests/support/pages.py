"""The pages of documentation: their code blocks, commands and links."""

import ast
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).parents[2]
# Each code block of these is run by the tests.
PAGES = (
    "README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    "search/README.md",
)
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)

INLINE = re.compile("`([^`]+)`")


def text_of(page):
    """Returns the text of a page, a path relative to the repository."""
    return (ROOT / page).read_text()


def python_blocks(page):
    """Returns the Python blocks of a page, in their order."""
    return BLOCK.findall(text_of(page))


def find_block(page, text):
    """Returns the one Python block of a page that contains `text`."""
    (found,) = [code for code in python_blocks(page) if text in code]
    return found


def imports_before(page, block):
    """Returns the import statements of the blocks above one of a page."""
    blocks = python_blocks(page)
    nodes = [
        node
        for code in blocks[: blocks.index(block)]
        for node in ast.parse(code).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(map(ast.unparse, nodes))


def compile_block(page, block, code):
    """Compiles `code`, made of a block, so that errors name the page's line."""
    text = text_of(page)
    line = text[: text.index(block)].count("\n")
    return compile("\n" * line + code, str(ROOT / page), "exec")


def nasnet_commands(page):
    """Returns the words of each command that starts with `nasnet`.

    These are indented lines; a backslash continues one.
    """
    text = text_of(page).replace("\\\n", " ")
    lines = re.findall(r"^    (nasnet .*)", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def _prose(page):
    """Returns the text of a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.S | re.M)


def inline_code(page):
    """Returns the text between backticks in prose and tables."""
    return [" ".join(code.split()) for code in INLINE.findall(_prose(page))]


def links(page):
    """Returns the files to which links and pictures of a page point."""
    targets = re.findall(r"\]\(([^)#\s]+)", INLINE.sub("", _prose(page)))
    return [target for target in targets if "://" not in target]
