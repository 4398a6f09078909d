"""Renders the evaluation set with Chromium: pictures and ground truth from the DOM.

    python training/chromium/build.py [--out training/chromium/set]
"""
import argparse
import json
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chromium import others, pages
from chromium.browser import Browser

HERE = Path(__file__).resolve().parent
# name: width, height, base font sizes, how many, device scale
SIZES = {"crop": (448, 256, (12, 17), 68, 1), "small": (320, 192, (12, 15), 17, 1), "screen": (1280, 800, (13, 20), 51, 1),
         "mobile": (390, 844, (14, 18), 17, 1), "double": (224, 128, (12, 14), 17, 2)}
PAIRS = 40

EDITS = """(() => { const s = {seed}; const all = (q) => [...document.querySelectorAll(q)]; let n = s;
const pick = (list) => list[n % list.length];
const box = pick(all("label.option input").length ? all("label.option input") : [null]);
if (box && s % 2) { box.checked = !box.checked; const e = box.closest("[data-role]");
  return { role: e.dataset.role, form: "mark", old: e.innerText.trim(), now: box.checked ? "checked" : "not checked" }; }
const e = pick(all("button,h1,p[data-role],[data-role=item],[data-role='menu item'],[data-role=line],[data-role=message]").filter((x) => x.innerText.trim()));
const old = e.innerText.trim(); e.innerText = pick(["Send report", "Not now", "Blue river", "Start over", "Nine apples"]);
return { role: e.dataset.role, form: "text", old, now: e.innerText }; })()"""


def render(browser, out, name, html, width, height, scale, edit=None):
    browser.show(html, width, height, scale)
    change = browser.evaluate(EDITS.replace("{seed}", str(edit))) if edit is not None else None
    truth = browser.evaluate((HERE / "truth.js").read_text()) | dict(scale=scale)
    (out / f"{name}.png").write_bytes(browser.picture())
    (out / f"{name}.json").write_text(json.dumps(truth, indent=1))
    return change


def screens(browser, out):
    for size, (width, height, fonts, count, scale) in SIZES.items():
        for i in range(count):
            rng = random.Random(f"{size} {i}")
            html = pages.page(rng, pages.PAGES[i % len(pages.PAGES)], rng.randint(*fonts))
            render(browser, out, f"{size}-{i:03}", html, width, height, scale)


def pairs(browser, out):
    """Two renderings of one page, the second edited by a script (a fifth of them not at all)."""
    edits = {}
    for i in range(PAIRS):
        html = pages.page(random.Random(f"pair {i}"), pages.PAGES[i % len(pages.PAGES)], 12 + i % 4, focus=False)
        render(browser, out, f"pair-{i:03}-a", html, 448, 256, 1)
        edits[f"pair-{i:03}"] = render(browser, out, f"pair-{i:03}-b", html, 448, 256, 1, None if i % 5 == 0 else i)
    (out / "edits.json").write_text(json.dumps(edits, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE / "set")
    parser.add_argument("--browser", help="path of Chromium")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    browser = Browser(args.browser)
    try:
        screens(browser, args.out)
        pairs(browser, args.out)
    finally:
        browser.close()
    others.draw(args.out)
    print(f"{args.out}: {len(list(args.out.glob('*.png')))} pictures")


if __name__ == "__main__":
    main()
