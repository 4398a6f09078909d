"""Greedy tokens of the reference implementation (transformers) on N images, for comparison with the engine.

    python training/reference_tokens.py --model models/starter --images 50 --out tokens.json

Needs transformers beside the training requirements. Each entry holds the picture's path, the instruction, the
prompt's text and ids, the size the picture was brought to, and the generated ids and text.
A quantised folder is unpacked to float32 first, so the reference computes on exactly the stored weights.
"""
import argparse
import json
from pathlib import Path

import torch
from PIL import Image

from chromium import truth
from starter import folder, pixels, prompt, vision
from starter.config import TOKEN

HERE = Path(__file__).resolve().parent


def reference(path):
    """transformers' own model with the folder's weights in float32."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    stated = json.loads((Path(path) / "config.json").read_text())
    for key in ("quantization", "quantization_config", "dtype"):
        stated.pop(key, None)
    model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(**stated)).float().eval()
    missing, unexpected = model.load_state_dict(folder.read_weights(path), strict=False)
    if unexpected or any(not m.startswith("lm_head") for m in missing):
        raise SystemExit(f"The folder's tensors do not fit the model: {missing} {unexpected}.")
    model.tie_weights()
    return model


def conversation(instruction, tokens):
    """The prompt as the template renders it, with each image pad repeated for its tokens; what the instruction quotes is spelled,
    as the product does it."""
    from jinja2 import Environment
    template = Environment().from_string(folder.TEMPLATE.read_text())
    messages = [dict(role="system", content=prompt.instructions()["system"]),
                dict(role="user", content=[dict(type="image"), dict(type="text", text=instruction)])]
    text = template.render(messages=messages, add_generation_prompt=True)
    before, after = (prompt.encode(part.replace("<|image_pad|>", "<|image_pad|>" * tokens)) for part in text.split(instruction))
    asked = [token for token, *_ in prompt.answer_tokens(prompt.question_pieces(instruction))]
    return text, [*before, *asked, *after]


@torch.inference_mode()
def run(model, path, instruction, most):
    prepared = pixels.prepare(Image.open(path))
    height, width, _ = prepared.shape
    text, ids = conversation(instruction, height * width // 1024)
    rows = vision.patch_rows(torch.from_numpy(prepared)[None])[0].view(-1, 3, 1, 256).expand(-1, 3, 2, 256).reshape(-1, 1536)
    inputs = torch.tensor([ids])
    out = model.generate(
        input_ids=inputs, attention_mask=torch.ones_like(inputs), pixel_values=rows, do_sample=False, max_new_tokens=most,
        image_grid_thw=torch.tensor([[1, height // 16, width // 16]]),
        mm_token_type_ids=(inputs == TOKEN["<|image_pad|>"]).int(),
        eos_token_id=folder.GENERATION["eos_token_id"], pad_token_id=folder.GENERATION["pad_token_id"])
    made = out[0, len(ids):].tolist()
    return dict(image=str(path), instruction=instruction, prompt=text, height=height, width=width, input_ids=ids,
                tokens=made, text=prompt.tokenizer().decode(made))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--set", type=Path, default=HERE / "chromium/set")
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--most", type=int, default=64, help="tokens to generate")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, said = reference(args.model), prompt.instructions()
    asked = [said["describe"]["brief"], said["ocr"]["text"], said["describe"]["full"], said["ocr"]["lines"], said["describe"]["normal"]]
    names = [n for p in ("crop", "small", "double", "mobile", "other") for n in truth.names(args.set, p)]
    chosen = names[::max(1, len(names) // args.images)][:args.images]
    out = [run(model, args.set / f"{n}.png", asked[i % len(asked)], args.most) for i, n in enumerate(chosen)]
    args.out.write_text(json.dumps(out, indent=1, ensure_ascii=False))
    print(f"{args.out}: {len(out)} images, {sum(len(o['tokens']) for o in out)} tokens")


if __name__ == "__main__":
    main()
