"""What `run.py` measured: the JSON file, and its tables in Markdown.

A section has the samples of its subjects, and an origin (see `machine.py`) for
each run of the script that measured rounds of it.
"""

import json
import statistics

from machine import least


def read(path):
    """Returns section -> what is known of it."""
    if not path.is_file():
        return {}
    content = json.loads(path.read_text())
    if "produced_by" not in content:
        return content["sections"]
    # As older versions wrote it: one origin for all sections.
    whole = {key: content[key] for key in ("machine", "produced_by")}
    return {
        name: {
            "subjects": rows,
            "origins": [{"rounds": min(map(len, rows.values())), **whole}],
        }
        for name, rows in content["sections"].items()
    }


def save(path, known, multiply_adds):
    """Writes the JSON file, and the tables beside it.

    Args:
        path: Path of the JSON file.
        known: Dictionary, section -> what is known of it.
        multiply_adds: Dictionary, section -> those of an image, where the
            distance to the machine's limit is shown.
    """
    from nasnet_keras.runs.files import write_json

    found = {
        name: {
            subject: ratios(next(iter(section["subjects"].values())), rows)
            for subject, rows in list(section["subjects"].items())[1:]
        }
        for name, section in known.items()
    }
    write_json(path, {"sections": known, "ratios": found})
    parts = [head(known)]
    for name, section in known.items():
        parts.append(table(name, section["subjects"]))
        if name in multiply_adds:
            parts.append(distance(section, multiply_adds[name]))
    path.with_suffix(".md").write_text("\n\n".join(parts) + "\n")


def samples(rounds):
    """All samples of a subject, of the rounds in which it gave them."""
    return [x for found in rounds if not isinstance(found, str) for x in found]


def medians(found):
    """Measure -> its median over samples."""
    keys = dict.fromkeys(key for sample in found for key in sample)
    return {
        key: statistics.median(x[key] for x in found if key in x)
        for key in keys
    }


def ratios(ours, theirs):
    """Measure -> the median over the samples of theirs / ours."""
    pairs = [
        pair
        for a, b in zip(ours, theirs)
        if not isinstance(a, str) and not isinstance(b, str)
        for pair in zip(a, b)
    ]
    keys = dict.fromkeys(key for a, b in pairs for key in a if key in b)
    return {
        key: round(
            statistics.median(b[key] / a[key] for a, b in pairs if key in a), 3
        )
        for key in keys
    }


def head(known):
    """Markdown: what all origins share, and a table of the rest."""
    rows = [
        {"section": name, "rounds": found["rounds"]}
        | found["produced_by"]
        | found["machine"]
        for name, section in known.items()
        for found in section["origins"]
    ]
    keys = dict.fromkeys(key for row in rows for key in row)
    differ = [
        key
        for number, key in enumerate(keys)
        # The first two say whose row it is.
        if number < 2 or any(row.get(key) != rows[0].get(key) for row in rows)
    ]
    same = [f"- {key}: {rows[0][key]}" for key in keys if key not in differ]
    lines = [_row(differ), "|---" * len(differ) + "|"]
    lines += [_row(row.get(key, "") for key in differ) for row in rows]
    return "\n".join([*same, "", *lines])


def table(name, subjects):
    """Markdown: the medians of a section, then theirs / ours."""
    first, *_ = subjects.values()
    keys = list(medians(samples(first)))
    lines = [f"### {name}", "", _row(["", *keys])]
    lines.append("|---" * (len(keys) + 1) + "|")
    for subject, found in subjects.items():
        good = medians(samples(found))
        if not good:
            lines.append(_row([subject, found[-1] if found else ""]))
            continue
        cells = [f"{good[key]:.3g}" if key in good else "" for key in keys]
        lines.append(_row([subject, *cells]))
        if found is not first:
            ratio = ratios(first, found)
            cells = [
                f"**{ratio[key]:.2f}**" if key in ratio else "" for key in keys
            ]
            lines.append(_row(["its ratio to the first", *cells]))
    return "\n".join(lines)


def _row(cells):
    return f"| {' | '.join(map(str, cells))} |"


def distance(section, multiply_adds):
    """A sentence: how far the first subject is from the machine's limit."""
    machine = max(
        (found["machine"] for found in section["origins"]),
        key=lambda found: found["GMAC/s"],
    )
    limit = least(multiply_adds, 0, machine)
    first, *_ = section["subjects"].values()
    times = [f"{x / limit:.1f}" for x in medians(samples(first)).values()]
    return (
        f"The {multiply_adds / 1e6:,.0f} M multiply-adds of an image take "
        f"{limit:.3g} ms at {machine['GMAC/s']} GMAC/s. The first takes "
        f"{', '.join(times)} times as long."
    )
