"""Pictures: written completely or not at all; boxes do not overlap."""

import itertools
import random
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from nasnet_keras.genotypes import Block, Cell, Genotype
from nasnet_keras.genotypes.published import NASNET_A, PUBLISHED
from nasnet_keras.visualize import plot_genotype, plot_rewards
from nasnet_keras.visualize.cell_layout import LABELS, layout

REWARDS = [0.5, None, 0.7, 0.6, float("nan"), 0.8]


def random_cell(rng, blocks, inputs):
    blocks = [
        Block(
            [rng.randrange(inputs + number) for _ in range(2)],
            rng.choices([*LABELS, "a_long_custom_name"], k=2),
            rng.choice(["add", "concat"]),
        )
        for number in range(blocks)
    ]
    read = {state for block in blocks for state in block.inputs}
    states = range(inputs + len(blocks))
    unread = [state for state in states if state not in read]
    return Cell(blocks, unread, inputs)


def random_genotype(seed):
    rng = random.Random(seed)
    blocks, inputs = 2 + seed % 7, 2 + seed % 3
    cells = (random_cell(rng, blocks, inputs) for _ in range(2))
    return Genotype(*cells, name=f"random {seed}")


def every_cell():
    drawn = map(random_genotype, range(30))
    for genotype in (*PUBLISHED.values(), *drawn):
        yield genotype.normal
        yield genotype.reduction


@pytest.fixture(scope="module")
def drawn():
    return [(cell, layout(cell)) for cell in every_cell()]


def sides(box):
    x, y = box.width / 2, box.height / 2
    return box.x - x, box.x + x, box.y - y, box.y + y


def overlap(one, other):
    """Whether two rectangles (left, right, bottom, top) share an area."""
    across = min(one[1], other[1]) - max(one[0], other[0])
    along = min(one[3], other[3]) - max(one[2], other[2])
    return across > -0.01 and along > 1e-9


def texts(path):
    return {
        "".join(element.itertext())
        for element in ElementTree.parse(path).iter()
        if element.tag.endswith("}text")
    }


def test_boxes_do_not_overlap(drawn):
    for _, one in drawn:
        for a, b in itertools.combinations(one.boxes.values(), 2):
            assert not overlap(sides(a), sides(b)), (a, b)


def test_arrows_go_upward_and_cross_no_box(drawn):
    for _, one in drawn:
        for _, points in one.arrows:
            for (x, y), (next_x, next_y) in itertools.pairwise(points):
                assert y < next_y
                # The curve stays within the rectangle of its ends.
                room = (min(x, next_x), max(x, next_x), y, next_y)
                for box in one.boxes.values():
                    assert not overlap(room, sides(box)), (points, box)


def test_arrows_lead_from_what_is_read_to_what_reads_it(drawn):
    for cell, one in drawn:
        expected, found = [], []
        for node, block in enumerate(cell.blocks, cell.inputs):
            expected += [(s, (node, i)) for i, s in enumerate(block.inputs)]
        expected += [(state, "concat") for state in cell.concat]
        for source, (start, *_, end) in one.arrows:
            box = one.boxes[source]
            assert start == pytest.approx((box.x, box.y + box.height / 2))
            for key, box in one.boxes.items():
                left, right, bottom, _ = sides(box)
                if left < end[0] < right and abs(bottom - end[1]) < 1e-9:
                    found.append((source, key))
        assert sorted(found, key=str) == sorted(expected, key=str)


def test_boxes_carry_the_names(drawn):
    for cell, one in drawn:
        for node, block in enumerate(cell.blocks, cell.inputs):
            assert one.boxes[node].label == block.combination
            for side, name in enumerate(block.operations):
                label, _ = LABELS.get(name, (name, ""))
                assert one.boxes[node, side].label == label


def test_labels_fit_into_their_boxes(drawn):
    from matplotlib.textpath import TextPath

    boxes = {box.label: box for _, one in drawn for box in one.boxes.values()}
    for label, box in boxes.items():
        text = TextPath((0, 0), label, size=10).get_extents()
        assert text.width / 72 < box.width - 0.05, label


def test_the_operations_have_labels():
    from nasnet_keras.cells.operations import OPERATIONS

    assert set(LABELS) == set(OPERATIONS)


def test_a_layout_is_the_same_every_time():
    cell = random_genotype(6).normal
    assert layout(cell) == layout(cell)


@pytest.mark.parametrize("name", ["cell.png", "CELL.PNG", "cell.svg"])
def test_genotype_is_written_in_the_format_of_the_suffix(tmp_path, name):
    path = plot_genotype(NASNET_A, str(tmp_path / name))
    assert path == tmp_path / name
    assert [file.name for file in tmp_path.iterdir()] == [name]
    if path.suffix == ".svg":
        assert ElementTree.parse(path).getroot().tag.endswith("}svg")
    else:
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_svg_names_every_operation(tmp_path):
    custom = Block((0, 1), ("my_conv_$5$", "sep_conv_3x3"), "concat")
    cell = Cell((custom,), (2,))
    path = plot_genotype(
        Genotype(cell, NASNET_A.reduction, name="a<b & $"), tmp_path / "a.svg"
    )
    found = texts(path)
    assert {"my_conv_$5$", "add", "concat", "a<b & $  ·  Normal cell"} <= found
    for name in NASNET_A.reduction.operations:
        assert LABELS[name][0] in found


@pytest.mark.parametrize(
    "plot, value", [(plot_genotype, NASNET_A), (plot_rewards, REWARDS)]
)
def test_same_input_gives_the_same_svg(tmp_path, plot, value):
    import matplotlib

    first = plot(value, tmp_path / "a.svg").read_bytes()
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
        assert plot(value, tmp_path / "b.svg").read_bytes() == first


@pytest.mark.parametrize("name", ["a.jpg", "a", "png"])
@pytest.mark.parametrize(
    "plot, value", [(plot_genotype, NASNET_A), (plot_rewards, REWARDS)]
)
def test_other_suffixes_are_refused(tmp_path, plot, value, name):
    suffix = (tmp_path / name).suffix
    with pytest.raises(ValueError, match=f"suffix '{suffix}'"):
        plot(value, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_genotype_must_be_one(tmp_path):
    with pytest.raises(ValueError, match="`genotype` must be a Genotype"):
        plot_genotype("nasnet_a", tmp_path / "a.svg")


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize(
    "rewards, baseline",
    [
        ([], None),
        ([], [0.5]),
        ([0.5], []),
        ([None], None),
        (REWARDS, [None, 0.4, 0.5]),
        ((0.1, 1), range(3)),
        ([0.5 + 1e-6 * trial for trial in range(5000)], None),
    ],
)
def test_rewards_are_written(tmp_path, suffix, rewards, baseline):
    path = plot_rewards(rewards, tmp_path / f"a{suffix}", baseline)
    assert [*tmp_path.iterdir()] == [path]


def test_rewards_are_labelled(tmp_path):
    path = plot_rewards(REWARDS, tmp_path / "a.svg", baseline=[0.4, 0.3])
    legend = {"best so far (0.8)", "average of 5", "baseline's best (0.4)"}
    assert {"trial", "reward", "failed (2)", *legend} <= texts(path)


def test_rewards_without_any_say_so(tmp_path):
    assert "no trials yet" in texts(plot_rewards([], tmp_path / "a.svg"))


def test_rewards_lines_hold_the_right_numbers(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    lines = {}
    save = Figure.savefig

    def spy(figure, *args, **kwargs):
        for line in figure.axes[0].lines:
            x, y = (data.tolist() for data in line.get_data())
            lines[line.get_label().split(" (")[0]] = [*zip(x, y)]
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    plot_rewards([0.5, None, 0.75, 0.25, None], tmp_path / "a.png", [0, None])
    assert lines == {
        "trial": [(1, 0.5), (3, 0.75), (4, 0.25)],
        "average of 5": [(1, 0.5), (3, 0.625), (4, 0.5)],
        "failed": [(2, 0), (5, 0)],
        "best so far": [(1, 0.5), (3, 0.75), (4, 0.75), (5, 0.75)],
        "baseline's best": [(1, 0), (2, 0)],
    }


@pytest.mark.parametrize("argument", ["rewards", "baseline"])
def test_rewards_must_be_numbers(tmp_path, argument):
    values = {"rewards": [], argument: [0.5, "0.6"]}
    with pytest.raises(ValueError, match=f"`{argument}`.*'0.6' for trial 2"):
        plot_rewards(path=tmp_path / "a.svg", **values)


@pytest.mark.parametrize("fails", ["add_axes", "savefig"])
def test_an_existing_file_is_kept_when_drawing_fails(
    tmp_path, monkeypatch, fails
):
    from matplotlib.figure import Figure

    def fail(figure, path, *args, **kwargs):
        if fails == "savefig":
            path.write(b"half")
        raise RuntimeError("the disk is full")

    path = plot_genotype(NASNET_A, tmp_path / "a.svg")
    before = path.read_bytes()
    monkeypatch.setattr(Figure, fails, fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        plot_genotype(random_genotype(0), path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_without_matplotlib_the_error_says_what_to_install(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(ImportError, match=r"pip install 'nasnet-keras\[plot\]"):
        plot_rewards([], tmp_path / "a.svg")


def test_no_display_no_keras_and_no_matplotlib_until_it_draws(tmp_path):
    code = (
        "import sys; from nasnet_keras import visualize as v;"
        "assert 'matplotlib' not in sys.modules;"
        f"v.plot_rewards([1], {str(tmp_path / 'a.png')!r});"
        "found = {'keras', 'tensorflow', 'matplotlib.pyplot'} & {*sys.modules};"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
