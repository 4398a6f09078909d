"""What is asked of every checkpoint, and what the reference answers."""
import shutil
import zlib
from dataclasses import dataclass

import numpy as np
import pictures
from checkpoint import write_json
from PIL import Image
from reference import PIXELS, as_recorded, open_picture
from safetensors.torch import save_file
from weights import plant_end

ANSWER = 8  # most ids of a recorded answer
SHORTEST = 5  # and fewest
LAST = 2  # positions at a prompt's end whose logits are recorded
LEAST_MARGIN = 0.05  # between the two largest logits of every step
QUESTIONS = ["Describe the picture.", "What does the text say?", "Which one is larger?", "How many items are there?",
             "Is the circle red?", "What is on the left?", "Read it, line by line.", "Was ist das?", "Why is it blue?"]
REPLIES = ["A red circle.", "It says 42.", "Two windows and a lamp.", "The first one, I think.", "Yes, it's there."]
TEXTS = ["Say one word.", "What is 3 + 4?", "def f(x):\n    return x", "Why is the sky blue?", "Count to 5. 🙂 Да!"]


@dataclass
class Case:
    name: str
    description: str
    pictures: dict  # file name -> width, height, kind, form
    turns: object  # turns(say) -> list of message lists; say(pool) draws a sentence
    pixels: bool = True  # are recorded, of the first turn
    patience: int = 20  # attempts with the same pictures and other sentences


def image(name):
    return dict(type="image", image=name)


def text(content):
    return dict(type="text", text=content)


def user(*parts):
    return dict(role="user", content=list(parts))


def cases_of(spec, seed, everything):
    """The committed two or three, or all ten."""
    cases = [case for case in _cases(spec, seed) if case]
    few = spec.cases or ("one-image", "new-image-turn" if spec.turns else "two-images", "text-only", "frames")
    return [(i + 1, case) for i, case in enumerate(cases) if everything or case.name in few]


def _cases(spec, seed):
    rng = np.random.default_rng([seed, zlib.crc32(spec.model_type.encode())])
    size = lambda low, high: dict(width=int(rng.integers(low, high)), height=int(rng.integers(low, high)))
    width, height = spec.picture
    system = [dict(role="system", content="Answer in one word.")] if spec.system else []

    def next_image(say):
        first = [user(image("alpha.png"), text(say(QUESTIONS)))]
        second = user(text(say(["And this?", "Compare with:"])), image("turned.jpg"), text(say(QUESTIONS)))
        return [first, [*first, dict(role="assistant", content=say(REPLIES)), second]]

    def next_question(say):
        first = [user(image("gray.png"), text(say(QUESTIONS)))]
        return [first, [*first, dict(role="assistant", content=say(REPLIES)), user(text(say(QUESTIONS)))]]

    yield Case("one-image", "one image, one question", {"picture.png": dict(width=width, height=height, kind="text")},
               lambda say: [system + [user(image("picture.png"), text(say(QUESTIONS)))]])
    yield Case("two-images", "two images side by side", {"a.png": dict(**size(40, 90), kind="shapes", form="rgba"),
                                                         "b.jpg": dict(**size(40, 90), kind="waves", form="exif6")},
               lambda say: [[user(image("a.png"), image("b.jpg"), text(say(QUESTIONS)))]])
    yield spec.text_only and Case("text-only", "no image; the answer ends by itself", {}, lambda say: [[user(text(say(TEXTS)))]])
    yield spec.turns and Case("new-image-turn", "transparent PNG; the second turn adds a JPEG that EXIF turns",
                              {"alpha.png": dict(width=41, height=58, kind="shapes", form="rgba"),
                               "turned.jpg": dict(width=34, height=50, kind="waves", form="exif6")}, next_image, pixels=False)
    yield spec.turns and Case("multi-turn", "the second prompt strictly extends the first",
                              {"gray.png": dict(**size(60, 140), kind="shapes", form="gray")}, next_question)
    for letter, kind in (("a", "shapes"), ("b", "waves")):
        yield Case(f"same-prompt-{letter}", "same ids and size as its sibling, other pixels",
                   {"picture.png": dict(width=70, height=88, kind=kind)},
                   lambda say: [[user(image("picture.png"), text(QUESTIONS[0]))]], pixels=False, patience=1)
    yield Case("large-jpeg", "about 900x600", {"large.jpg": dict(**size(600, 900), kind="text")},
               lambda say: [[user(image("large.jpg"), text(say(QUESTIONS)))]])
    yield Case("thin", "as low as the reference takes it",
               {"thin.png": dict(width=int(rng.integers(60, 110)), height=spec.least_side, kind="waves")},
               lambda say: [[user(image("thin.png"), text(say(QUESTIONS)))]])
    yield spec.turns and Case("adjacent-after-text", "text first, then an image twice and another",
                              {"a.png": dict(**size(40, 90), kind="shapes"), "b.jpg": dict(**size(40, 90), kind="gradient", form="exif3")},
                              lambda say: [[user(text(say(QUESTIONS)), image("a.png"), image("a.png"), image("b.jpg"))]])
    frames = [f"frame{i}.png" for i in range(5)]
    yield spec.timeline and Case("frames", "five frames of a timeline, two and a half a second; the last is seen twice",
                                 {name: dict(width=58, height=43, kind="shapes") for name in frames},
                                 lambda say: [[user(dict(type="video", video=frames, fps=2.5), text(say(QUESTIONS)))]])


def image_names(messages):
    return [p["image"] for m in messages if not isinstance(m["content"], str) for p in m["content"] if p["type"] == "image"]


def plant(reference, spec, folder, seed, everything):
    """The end token is put within reach of one case: the one without images where there is one."""
    case = next(case for _, case in cases_of(spec, seed, everything) if case.name == spec.ending)
    scratch = folder / "cases" / "plant"
    scratch.mkdir(parents=True)
    for attempt in range(60):
        _draw(case, scratch, seed, attempt)
        turns = case.turns(_say(case, seed, attempt))
        _, inputs = reference.prepare(turns[0], scratch)
        row = reference.head.weight[spec.tokenizer.token_to_id(spec.end)]
        before = plant_end(reference, spec, inputs, 5 + attempt % 4)
        recorded = record(reference, spec, case, turns, scratch)
        if recorded and recorded[0][0]["finish_reason"] == "stop":
            break
        row.data.copy_(before)
    else:
        raise RuntimeError(f"{spec.model_type}: no end token can be planted")
    shutil.rmtree(scratch)


def write(reference, spec, folder, seed, everything=False, pixels=True):
    """Without pixels: a sibling, which proves how weights are stored and needs no second turn."""
    for number, case in cases_of(spec, seed, everything):
        if not (pixels or everything) and case.name == "new-image-turn":
            continue
        place = folder / "cases" / f"{number:02d}-{case.name}"
        place.mkdir(parents=True)
        for attempt in range(60):
            _draw(case, place, seed, attempt)
            recorded = record(reference, spec, case, case.turns(_say(case, seed, attempt)), place, pixels)
            if recorded and (case.name != spec.ending or not pixels or recorded[0][0]["finish_reason"] == "stop"):
                break
        else:
            raise RuntimeError(f"{spec.model_type}/{case.name}: no answer has margins above {LEAST_MARGIN}")
        turns, tensors = recorded
        described = {name: _described(place / name) for name in case.pictures}
        write_json(place / "case.json", dict(case=case.name, description=case.description, images=described, turns=turns))
        save_file({k: v.contiguous() for k, v in tensors.items()}, place / "expect.safetensors")


def _say(case, seed, attempt):
    rng = np.random.default_rng([seed, zlib.crc32(case.name.encode()), attempt])
    return lambda pool: str(rng.choice(pool))


def _draw(case, folder, seed, attempt=0):
    for name, options in case.pictures.items():
        rng = np.random.default_rng([seed, zlib.crc32((case.name + name).encode()), attempt // case.patience])
        pictures.save(folder / name, rng, **options)


def _described(path):
    with Image.open(path) as picture:
        return dict(width=picture.width, height=picture.height, mode=picture.mode)


def record(reference, spec, case, turns, folder, pixels=True):
    """(turns of case.json, tensors of expect.safetensors); None where a step is too close to call, or dull."""
    said, tensors = [], {}
    for t, messages in enumerate(turns):
        same_images = t > 0 and image_names(messages) == image_names(turns[t - 1])
        kept = pixels and spec.pixels and t == 0 and case.pixels
        turn, values = _record_turn(reference, spec, messages, folder, said[-1] if said else None, kept)
        if turn is None:
            return None
        if not kept:
            values.pop("pixel_values", None)
        if same_images:
            values = {k: v for k, v in values.items() if k != "vision_features" and not k.startswith("deepstack")}
        tensors |= {f"t{t}.{k}": v for k, v in values.items()}
        said.append(turn)
    return said, tensors


def _record_turn(reference, spec, messages, folder, before, with_pixels):
    prompt, inputs = reference.prepare(messages, folder)
    inputs = as_recorded(inputs) if with_pixels else inputs
    new, steps = reference.answer(inputs, ANSWER)
    top = steps.topk(2, -1).values
    margin = float((top[:, 0] - top[:, 1]).min())
    if margin <= LEAST_MARGIN or len(new) < SHORTEST or len(set(new)) < len(new) // 2:
        return None, None
    ids = inputs["input_ids"][0].tolist()
    pictures_ = [open_picture(folder, name) for name in image_names(messages)]
    out = reference.forward(inputs)
    turn = dict(messages=messages, prompt=prompt, input_ids=ids, image_runs=runs(ids, spec.vision_ids),
                layout=reference.layout(inputs, pictures_))
    if out["positions"] is not None:
        turn |= dict(position_ids=out["positions"], rope_delta=out["rope_delta"])
    turn |= dict(generated_ids=new, finish_reason="stop" if new[-1] in spec.end_ids else "length",
                 text=spec.tokenizer.decode(new, skip_special_tokens=True), min_margin=round(margin, 4))
    if before is not None:
        turn["common_prefix"] = common(before["input_ids"], ids)
        if spec.extends and turn["common_prefix"] != len(before["input_ids"]):
            raise ValueError(f"{spec.model_type}: Expected the second prompt to extend the first")
    return turn, _values(reference, inputs, out, steps)


def _values(reference, inputs, out, steps):
    features, taps = reference.features(inputs)
    values = {}
    if features is not None:
        values["pixel_values"] = next(inputs[k] for k in PIXELS if k in inputs).half()
        values["vision_features"] = features.float()
        values |= {f"deepstack.{i}": tap.float() for i, tap in enumerate(taps)}
    values |= {f"hidden.{i}": state.float() for i, state in enumerate(out["hidden"])}
    return values | dict(prompt_logits=out["logits"][-LAST:], step_logits=steps)


def runs(ids, vision_ids):
    """[start, end) of each contiguous run of image tokens."""
    found, start = [], None
    for i, token in enumerate([*ids, None]):
        if token in vision_ids and start is None:
            start = i
        if token not in vision_ids and start is not None:
            found.append([start, i])
            start = None
    return found


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
