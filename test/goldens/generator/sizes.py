"""sizes.json: what the checkpoint's own processor makes of pictures of many sizes."""
import json

import numpy as np
from PIL import Image

SIDES = [(64, 64), (48, 64), (64, 48), (108, 192), (192, 108), (300, 400), (400, 300), (60, 90), (33, 47), (16, 16), (15, 17),
         (24, 40), (40, 24), (8, 8), (7, 9), (20, 100), (100, 20), (10, 300), (300, 10), (56, 56), (55, 57), (1, 1), (1, 2),
         (2, 1), (1, 150), (150, 1), (1, 199), (1, 201), (201, 1), (5, 1001), (333, 177), (177, 333), (128, 128), (127, 129),
         (600, 900), (900, 90), (250, 250), (72, 24), (24, 72), (96, 32)]


def write(reference, spec, folder, seed):
    """Rows of [height, width], image tokens and layout, or the reference's refusal."""
    rng = np.random.default_rng([seed, 5])
    drawn = [tuple(int(v) for v in np.exp(rng.uniform(1, 6, 2))) for _ in range(20)]
    rows = [dict(size=[h, w], **_row(reference, spec, h, w)) for h, w in SIDES + drawn]
    lines = ",\n ".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (folder / "sizes.json").write_text(f"[\n {lines}\n]\n")


def _row(reference, spec, height, width):
    picture = Image.new("RGB", (width, height), (90, 120, 30))
    message = dict(role="user", content=[dict(type="image", image=picture), dict(type="text", text="?")])
    try:
        _, inputs = reference.prepare([message], None)
        return dict(tokens=inputs["input_ids"][0].tolist().count(spec.image_id), layout=reference.layout(inputs, [picture]))
    except Exception as error:  # whatever it is, the reference does not take this size
        return dict(error=str(error).splitlines()[0][:80])
