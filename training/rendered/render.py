"""Renders pages for training into a packed folder; `cache.py` reads it while it grows.

    python rendered/render.py --out PAGES_FOLDER --count 4000 [--first 0]
"""
import argparse
import io
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chromium.browser import Browser
from PIL import Image
from screens.widgets import ACTIONS
from starter import wording
from starter.pixels import prepare

from rendered import pages
from rendered.kits import Kit
from rendered.parts import Maker

HERE = Path(__file__).resolve().parent
# (pixels wide, high, device scales): weight
SIZES = {(448, 256, (1, 1, 1, 1, 1.28, 1.6, 2)): 46, (320, 192, (1, 1, 1, 1.28)): 20, (384, 224, (1, 1, 1.28, 1.6)): 9, (640, 416, (1, 1, 1.28, 1.6)): 8,
         (390, 844, (1,)): 6, (1280, 800, (1, 1, 1, 1.28)): 14, (780, 1688, (2,)): 1}
PAIRED = 0.2          # of the pictures up to 448×256
TRUTH, EDIT = (HERE / "truth.js").read_text(), (HERE / "edit.js").read_text()


def render(browser, seed):
    """One page, or two of which the second is edited: [(png, truth)], edit or None."""
    rng = random.Random(f"rendered {seed}")
    width, height, scales = rng.choices(list(SIZES), list(SIZES.values()))[0]
    scale = rng.choice(scales)
    kinds = pages.TALL if height > width else pages.WIDE if width > 1000 else pages.PAGES
    size = rng.randint(11, 18) if scale == 1 or height > 500 else rng.randint(11, 14)
    html = pages.document(Maker(rng, Kit(rng, size)), rng.choices(list(kinds), list(kinds.values()))[0])
    browser.show(html, round(width / scale), round(height / scale), scale)
    shots, edit = [shot(browser, scale)], None
    if width <= 448 and height <= 256 and rng.random() < PAIRED:
        if rng.random() < 0.8:
            words = rng.choice(ACTIONS) if rng.random() < 0.5 else wording.phrase(rng, 3)
            edit = browser.evaluate(EDIT.replace("SEED", str(rng.randrange(1000))).replace("WORDS", json.dumps(words)))
        shots.append(shot(browser, scale))
    return shots, edit


def shot(browser, scale):
    """The picture at the size that the model sees, and its truth in those pixels."""
    truth = browser.evaluate(TRUTH)
    picture = Image.open(io.BytesIO(browser.picture())).convert("RGB")
    seen = prepare(picture)
    across, down = scale * seen.shape[1] / picture.width, scale * seen.shape[0] / picture.height
    for thing in truth["nodes"] + truth["lines"]:
        thing["box"] = [round(v * k, 1) for v, k in zip(thing["box"], (across, down, across, down))]
    for line in truth["lines"]:
        line["at"] = [round(x * across, 1) for x in line["at"]]
    out = io.BytesIO()
    Image.fromarray(seen).save(out, "WEBP", lossless=True, method=1, quality=25)
    return out.getvalue(), truth, seen.shape[:2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--first", type=int, default=0, help="number of the first page; each number is one page for ever")
    parser.add_argument("--browser", help="path of Chromium")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    browser = Browser(args.browser)
    try:
        with open(args.out / f"{args.first:07}.bin", "wb") as pack, open(args.out / f"{args.first:07}.jsonl", "w") as index:
            for seed in range(args.first, args.first + args.count):
                shots, edit = render(browser, seed)
                truth = json.dumps(dict(truths=[t for _, t, _ in shots], edit=edit), separators=(",", ":"), ensure_ascii=False).encode()
                entry = dict(size=shots[0][2], at=pack.tell(), parts=[len(p) for p, _, _ in shots] + [len(truth)])
                pack.write(b"".join(p for p, _, _ in shots) + truth)
                pack.flush()
                index.write(json.dumps(entry) + "\n")
                index.flush()
    finally:
        browser.close()


if __name__ == "__main__":
    main()
