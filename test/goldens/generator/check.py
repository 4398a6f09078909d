"""Every folder in the hub's form, loaded again and compared with what it records."""
import json

import torch
from reference import PIXELS, as_recorded
from safetensors.torch import load_file


def check(root, family):
    """Prints the largest differences by folder; 1 where any is not zero."""
    folders = [folder for folder in sorted(root.iterdir()) if (folder / "config.json").exists()]
    wrong = 0
    for folder in folders:
        config = json.loads((folder / "config.json").read_text())
        if "-" in folder.name or "quantization" in config:
            print(f"{folder.name}: skipped, its numbers are those of its sibling's making")
            continue
        spec = family(folder.name, 0)
        worst = _differences(spec.reference.stored(folder), folder)
        wrong += any(worst.values())
        print(f"{folder.name}: " + ", ".join(f"{k} {v:.1e}" for k, v in worst.items()), flush=True)
    return int(wrong > 0)


def _differences(reference, folder):
    worst = {}
    for place in sorted((folder / "cases").iterdir()):
        recorded = load_file(place / "expect.safetensors")
        for t, turn in enumerate(json.loads((place / "case.json").read_text())["turns"]):
            of_turn = {name.removeprefix(f"t{t}."): value for name, value in recorded.items() if name.startswith(f"t{t}.")}
            for name, value in _outcome(reference, turn, place, of_turn).items():
                if name in of_turn:
                    difference = float((value.float() - of_turn[name].float()).abs().max())
                    stage = name.split(".")[0]
                    worst[stage] = max(worst.get(stage, 0.0), difference)
    return worst


def _outcome(reference, turn, folder, recorded):
    prompt, inputs = reference.prepare(turn["messages"], folder)
    inputs = as_recorded(inputs) if "pixel_values" in recorded else inputs
    new, steps = reference.answer(inputs, len(turn["generated_ids"]))
    if (prompt, inputs["input_ids"][0].tolist(), new) != (turn["prompt"], turn["input_ids"], turn["generated_ids"]):
        raise ValueError(f"{folder}: Expected the recorded prompt and answer but received others")
    out = reference.forward(inputs)
    features, taps = reference.features(inputs)
    found = {f"hidden.{i}": state for i, state in enumerate(out["hidden"])}
    found |= dict(prompt_logits=out["logits"][-len(recorded["prompt_logits"]):], step_logits=steps)
    if features is not None:
        found |= {f"deepstack.{i}": tap for i, tap in enumerate(taps)}
        found |= dict(pixel_values=next(inputs[k] for k in PIXELS if k in inputs), vision_features=features)
    return found
