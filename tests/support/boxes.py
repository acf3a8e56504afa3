"""Photographs with bounding boxes, in PASCAL VOC's format."""

import pathlib
import xml.etree.ElementTree

import numpy as np

NOTHING = -1  # Padding of the boxes and labels of an image that has fewer.


def read_voc(folder, split, count, classes):
    """Reads images of one size and their boxes.

    Args:
        folder: Path of a folder in VOC's layout.
        split: String, a list of images in `ImageSets/Main`.
        count: Integer, how many images to take from its start.
        classes: Sequence of strings; labels are positions in it.

    Returns:
        Images `(count, height, width, 3)` of 0 to 255; boxes
        `(count, most, 4)` as `yxyx` in pixels; labels `(count, most)`. `most`
        is the number of boxes of the image that has most.
    """
    from PIL import Image

    folder = pathlib.Path(folder)
    list_file = folder / "ImageSets" / "Main" / f"{split}.txt"
    names = list_file.read_text().split()[:count]
    images = [
        np.asarray(Image.open(folder / "JPEGImages" / f"{name}.jpg"))
        for name in names
    ]
    found = [
        _objects(folder / "Annotations" / f"{name}.xml", classes)
        for name in names
    ]
    most = max(map(len, found))
    table = np.full((len(names), most, 5), NOTHING, "float32")
    for row, objects in zip(table, found):
        row[: len(objects)] = objects
    return np.stack(images), table[..., :4], table[..., 4]


def _objects(path, classes):
    """Rows of four sides and a label."""
    root = xml.etree.ElementTree.parse(path).getroot()
    return [
        [
            *(float(item.findtext(f"bndbox/{side}")) for side in SIDES),
            classes.index(item.findtext("name")),
        ]
        for item in root.iter("object")
    ]


SIDES = ("ymin", "xmin", "ymax", "xmax")


def draw_masks(boxes, labels, height, width):
    """Fills boxes: masks `(count, height, width)`, 0 where there is none.

    Elsewhere the label plus one; where boxes overlap, that of the last.
    """
    masks = np.zeros((len(boxes), height, width), "int32")
    for mask, rows, classes in zip(masks, boxes.astype(int), labels):
        for (top, left, bottom, right), label in zip(rows, classes):
            if label != NOTHING:
                mask[top:bottom, left:right] = label + 1
    return masks
