"""Renders the example pictures that ship beside the model.

    python training/chromium/examples.py [--out models/starter/examples]
"""
import argparse
import io
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from chromium import pages
from chromium.browser import Browser

HERE = Path(__file__).resolve().parent
# name: page, seed, width, height, font size
EXAMPLES = {"login": (pages.login, 3, 448, 256, 14), "settings": (pages.settings, 5, 448, 256, 15),
            "error": (pages.failure, 2, 448, 256, 15), "screen": (pages.orders, 8, 1280, 800, 16)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "models/starter/examples")
    parser.add_argument("--browser", help="path of Chromium")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    browser = Browser(args.browser)
    for name, (make, seed, width, height, size) in EXAMPLES.items():
        browser.show(pages.page(random.Random(f"example {seed}"), make, size, focus=False), width, height)
        image = Image.open(io.BytesIO(browser.picture())).convert("RGB")
        image.save(args.out / f"{name}.png", optimize=True)
    browser.close()


if __name__ == "__main__":
    main()
