"""sizes.json: what the checkpoint's own processor, and the same with other settings, makes of pictures of many sizes."""
import json
import tempfile
from pathlib import Path

import numpy as np
from checkpoint import write_files, write_json
from PIL import Image

SIDES = [(64, 64), (48, 64), (64, 48), (108, 192), (192, 108), (300, 400), (400, 300), (60, 90), (33, 47), (16, 16), (15, 17),
         (24, 40), (40, 24), (8, 8), (7, 9), (20, 100), (100, 20), (10, 300), (300, 10), (56, 56), (55, 57), (1, 1), (1, 2),
         (2, 1), (1, 150), (150, 1), (1, 199), (1, 201), (201, 1), (5, 1001), (333, 177), (177, 333), (128, 128), (127, 129),
         (600, 900), (900, 90), (250, 250), (72, 24), (24, 72), (96, 32)]
QUESTION = "?"


def write(spec, folder, seed):
    """For each settings: rows of [height, width] with image tokens, geometry and ids, or the reference's refusal."""
    rng = np.random.default_rng([seed, 5])
    drawn = [tuple(int(v) for v in np.exp(rng.uniform(1, 6, 2))) for _ in range(20)]
    blocks = [_block(spec, settings, SIDES + drawn) for settings in ({}, *spec.other_settings)]
    (folder / "sizes.json").write_text("[\n" + ",\n".join(blocks) + "\n]\n")


def _block(spec, settings, sizes):
    with tempfile.TemporaryDirectory() as scratch:
        write_files(spec, Path(scratch))
        _change(Path(scratch), settings)
        reference = spec.reference(Path(scratch))
        found = [((h, w), _row(reference, spec, h, w)) for h, w in sizes]
        rows = [dict(size=size, **row) for size, row in found if row]
    lines = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    return f' {{"settings":{json.dumps(settings)},"rows":[\n  {lines}\n ]}}'


def _change(folder, settings):
    """Image settings have a file of their own or a section of the processor's."""
    own = folder / "preprocessor_config.json"
    file = own if own.exists() else folder / "processor_config.json"
    content = json.loads(file.read_text())
    (content if own.exists() else content["image_processor"]).update(settings)
    write_json(file, content)


def _row(reference, spec, height, width):
    picture = Image.new("RGB", (width, height), (90, 120, 30))
    message = dict(role="user", content=[dict(type="image", image=picture), dict(type="text", text=QUESTION)])
    try:
        _, inputs = reference.prepare([message], None)
        ids = inputs["input_ids"][0].tolist()
        tokens = ids.count(spec.image_id)
        if tokens == 0:
            return None  # the processor takes what the tower then fails on
        return dict(tokens=tokens, ids=[len(ids), checksum(ids)], layout=reference.layout(inputs, [picture]))
    except Exception as error:  # whatever it is, the reference does not take this size
        return dict(error=str(error).splitlines()[0][:80])


def checksum(ids):
    return sum((i + 1) * token for i, token in enumerate(ids)) % 65521
