"""Renders documentation pages of Debian packages with Chromium: pictures and ground truth from the DOM.

    python bench/reading/documentation.py --out DIR [--seed N] [--each N]

The packages are unpacked, not installed; apt-get must know where they are.
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "training"))

from chromium.browser import Browser

# package: where its pages lie
PACKAGES = {"python3.11-doc": "usr/share/doc/python3.11/html", "git-doc": "usr/share/doc/git-doc", "sqlite3-doc": "usr/share/doc/sqlite3",
            "postgresql-doc-15": "usr/share/doc/postgresql-doc-15/html", "gimp-help-en": "usr/share/gimp/2.0/help/en",
            "debian-reference-en": "usr/share/debian-reference"}
SIZES = {"desktop": (1280, 800, 1), "wide": (1440, 900, 1), "phone": (390, 844, 2)}
LEAST_LINES = 8


def unpack(folder):
    for package in PACKAGES:
        if not any(folder.glob(f"{package}_*.deb")):
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for archive in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", archive, folder / "root"], check=True)
    return folder / "root"


def show(browser, page, width, height, scale, scroll):
    """The page, every second one scrolled to a random place."""
    browser.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
    browser.send("Page.navigate", url=page.as_uri())
    for _ in range(200):
        if browser.evaluate("document.readyState === 'complete' && location.href !== 'about:blank'"):
            break
        time.sleep(0.05)
    browser.evaluate("document.fonts.ready.then(() => 1)")
    browser.evaluate(f"scrollTo({{ top: {scroll} * (document.documentElement.scrollHeight - innerHeight), behavior: 'instant' }})")
    time.sleep(0.1)


def render(browser, root, out, seed, each):
    truth = (HERE / "documentation-truth.js").read_text()
    for package, place in PACKAGES.items():
        pages = sorted(p for p in (root / place).rglob("*.html") if p.is_file() and p.stat().st_size > 3000)
        rng, kept = random.Random(f"{seed} {package}"), 0
        rng.shuffle(pages)
        for page in pages:
            size = list(SIZES)[kept % len(SIZES)]
            width, height, scale = SIZES[size]
            show(browser, page, width, height, scale, rng.random() if kept % 2 else 0)
            found = browser.evaluate(truth)
            if len(found["lines"]) < LEAST_LINES:
                continue
            name = f"{size}-{package}-{page.stem}"
            (out / f"{name}.png").write_bytes(browser.picture())
            (out / f"{name}.json").write_text(json.dumps(found | dict(scale=scale), indent=1))
            kept += 1
            if kept == each:
                break


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", default="0", help="other seeds choose other pages")
    parser.add_argument("--each", type=int, default=6, help="pages of each package")
    parser.add_argument("--packages", type=Path, help="where the packages are kept")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    packages = (args.packages or Path(tempfile.gettempdir()) / "afterimage-documentation").resolve()
    packages.mkdir(parents=True, exist_ok=True)
    root = unpack(packages)
    browser = Browser()
    try:
        render(browser, root, args.out, args.seed, args.each)
    finally:
        browser.close()
    print(f"{args.out}: {len(list(args.out.glob('*.png')))} pictures")


if __name__ == "__main__":
    main()
