"""Measures an exported folder on the Chromium set and prints the table of metrics.

    python training/evaluate.py --model models/starter [--set training/chromium/set] [--limit N] [--by network] [--json OUT]
"""
import argparse
import json
import sys
import time
from pathlib import Path

from starter import scores
from starter.speakers import SPEAKERS

HERE = Path(__file__).resolve().parent


def table(results):
    lines = ["| metric | value | of |", "|---|---|---|"]
    for name, value, count in results:
        lines.append(f"| {name} | {value:.2f} | {count} |" if name.startswith("false") else f"| {name} | {100 * value:.1f} % | {count} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--set", type=Path, default=HERE / "chromium/set")
    parser.add_argument("--limit", type=int, help="only so many pictures of each size")
    parser.add_argument("--only", nargs="*", help="only these parts: " + ", ".join(scores.PARTS))
    parser.add_argument("--by", choices=SPEAKERS, default="product", help="who answers: Afterimage or the torch network")
    parser.add_argument("--json", type=Path, help="also write every answer here")
    args = parser.parse_args()
    model, results, kept = SPEAKERS[args.by](args.model), [], []
    for name, part in scores.PARTS.items():
        if args.only and name not in args.only:
            continue
        begun = time.time()
        results += part(model, args.set, args.limit, kept)
        print(f"{name}: {time.time() - begun:.0f} s", file=sys.stderr)
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(kept, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
