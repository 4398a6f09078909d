"""The reference implementation: transformers on the CPU, float32, plain attention. Families with another one subclass it."""
import inspect
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:  # a CUDA wheel beside a CPU torch: declare the two operators it registers shapes for
    _operators = torch.library.Library("torchvision", "DEF")
    _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision  # noqa: F401

import transformers
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, GenerationConfig
from transformers.image_utils import load_image

if not transformers.utils.is_num2words_available():  # spells the frame count of videos; there are none here
    import transformers.models.smolvlm.processing_smolvlm as _smolvlm

    _smolvlm.num2words = str
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


class Reference:
    """A model with its processor, opened from a folder."""

    picture_options = {}  # for the image processor, beside what the files say
    computes = torch.bfloat16  # the type in which published checkpoints run, and in which constants are rounded

    def __init__(self, folder, attention="eager"):
        self.folder, self.attention = folder, attention
        self.processor = self.open_processor()
        self.model = None

    @classmethod
    def random(cls, folder):
        """The model of the folder's config.json, before it has weights."""
        found = cls(folder)
        found.model = AutoModelForImageTextToText.from_config(found.config(), attn_implementation="eager").float().eval()
        found.model.generation_config = GenerationConfig.from_pretrained(folder)
        found.round_constants()
        return found

    @classmethod
    def stored(cls, folder, attention="eager"):
        """The model with the folder's weights; every tensor must find its place."""
        found = cls(folder, attention)
        found.model = found.load()
        found.round_constants()
        return found

    def round_constants(self):
        """Factors of embeddings are held in the weights' own type, although we compute in float32."""
        for module in self.model.modules():
            if hasattr(module, "embed_scale"):
                module.embed_scale.copy_(module.embed_scale.to(self.computes).float())

    def config(self):
        return AutoConfig.from_pretrained(self.folder)

    def load(self):
        return self.complete(*AutoModelForImageTextToText.from_pretrained(
            self.folder, dtype=torch.float32, attn_implementation=self.attention, output_loading_info=True))

    @staticmethod
    def complete(model, info):
        wrong = {k: v for k, v in info.items() if k in ("missing_keys", "unexpected_keys", "mismatched_keys") and v}
        if wrong:
            raise ValueError(f"Expected every tensor to be used once but received {wrong}")
        return model.eval()

    def open_processor(self):
        processor = AutoProcessor.from_pretrained(self.folder)
        try:  # Pillow's resize is what published models were trained with
            processor.image_processor = AutoImageProcessor.from_pretrained(self.folder, backend="pil")
        except Exception:  # there is only the tensor one
            processor.image_processor = AutoImageProcessor.from_pretrained(self.folder)
        return processor

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    # ------------------------------------------------------------------------------------------ prompts

    def prepare(self, messages, folder):
        """The rendered prompt and the model's inputs."""
        spoken = [dict(role=m["role"], content=self._content(m["content"], folder)) for m in messages]
        options = dict(add_generation_prompt=True)
        if self.picture_options:
            options["processor_kwargs"] = dict(images_kwargs=self.picture_options)
        prompt = self.processor.apply_chat_template(spoken, tokenize=False, **options)
        videos = [p for m in spoken for p in m["content"] if p["type"] == "video"]
        if videos:
            return prompt, self._with_videos(prompt, videos)
        inputs = self.processor.apply_chat_template(spoken, tokenize=True, return_dict=True, return_tensors="pt", **options)
        return prompt, tensors_of(inputs)

    def _with_videos(self, prompt, videos):
        """Frames as they are, `fps` of them a second."""
        known = [dict(fps=v["fps"], total_num_frames=len(v["video"]), frames_indices=list(range(len(v["video"])))) for v in videos]
        inputs = self.processor(text=[prompt], videos=[v["video"] for v in videos], video_metadata=known, do_sample_frames=False,
                                return_tensors="pt")
        return tensors_of(inputs)

    @staticmethod
    def _content(content, folder):
        if isinstance(content, str):
            return [dict(type="text", text=content)]
        opened = {"image": lambda p: dict(type="image", image=open_picture(folder, p["image"])),
                  "video": lambda p: dict(p, video=[open_picture(folder, frame) for frame in p["video"]])}
        return [opened.get(p["type"], dict)(p) for p in content]

    def layout(self, inputs, pictures):
        """The geometry of the pictures as the reference states it."""
        found = {k: inputs[k].tolist() for k in ("image_grid_thw", "image_sizes", "spatial_shapes") if k in inputs}
        if "video_grid_thw" in inputs:  # each moment, two frames, is seen by itself
            found["video_grid_thw"] = [[1, h, w] for t, h, w in inputs["video_grid_thw"].tolist() for _ in range(t)]
        if pictures and hasattr(self.processor.image_processor, "do_image_splitting"):
            tiled = self.processor.image_processor(images=[pictures], return_row_col_info=True, return_tensors="pt")
            for key, names in (("tile_rows", ("rows", "image_rows")), ("tile_cols", ("cols", "image_cols"))):
                found[key] = flat(next(tiled[name] for name in names if name in tiled))
        return found

    # ------------------------------------------------------------------------------------------ running

    @property
    def language_model(self):
        body = self.model.model
        return getattr(body, "language_model", None) or body.text_model

    @property
    def head(self):
        return self.model.get_output_embeddings()

    @property
    def last_norm(self):
        return getattr(self.language_model, "embedding_norm", None) or self.language_model.norm

    @torch.no_grad()
    def features(self, inputs):
        """What stands at the image tokens, in prompt order, and the DeepStack taps beside it."""
        if "pixel_values_videos" in inputs:
            function = self.model.model.get_video_features
        elif "pixel_values" in inputs:
            function = self.model.model.get_image_features
        else:
            return None, []
        wanted = inspect.signature(function).parameters
        out = function(**{k: v for k, v in inputs.items() if k in wanted}, return_dict=True)
        features = out.pooler_output if hasattr(out, "pooler_output") else out
        return rows(features), [rows(tap) for tap in getattr(out, "deepstack_features", None) or []]

    @torch.no_grad()
    def forward(self, inputs):
        """Logits of every position, the last position's hidden state after each layer, position ids, rope delta."""
        hidden, seen = {}, {}
        hooks = [layer.register_forward_hook(_keep_last(hidden, i)) for i, layer in enumerate(self.language_model.layers)]
        hooks.append(self.language_model.register_forward_pre_hook(_keep_positions(seen), with_kwargs=True))
        logits = self.model(**inputs, use_cache=False).logits[0].float()
        for hook in hooks:
            hook.remove()
        positions = seen.get("positions")
        if positions is None or positions.ndim != 3:
            return dict(logits=logits, hidden=[hidden[i] for i in sorted(hidden)], positions=None)
        delta = getattr(self.model.model, "rope_deltas", None)
        return dict(logits=logits, hidden=[hidden[i] for i in sorted(hidden)], positions=positions[-3:, 0].tolist(),
                    rope_delta=0 if delta is None else int(delta.flatten()[0]))

    @torch.no_grad()
    def answer(self, inputs, most):
        """Greedy ids and the logits from which each was taken."""
        out = self.model.generate(**inputs, max_new_tokens=most, do_sample=False, return_dict_in_generate=True, output_logits=True)
        return out.sequences[0, inputs["input_ids"].shape[1]:].tolist(), torch.stack(out.logits)[:, 0].float()


def open_picture(folder, picture):
    """A file's name, or the picture itself."""
    return load_image(str(folder / picture)) if isinstance(picture, str) else picture


def tensors_of(inputs):
    return {k: v for k, v in inputs.items() if isinstance(v, torch.Tensor) and k != "labels"}


PIXELS = ("pixel_values", "pixel_values_videos")


def as_recorded(inputs):
    """Recorded pixels are of half precision, a twentieth of a grey level at most; then the model is given those."""
    return inputs | {k: inputs[k].half().float() for k in PIXELS if k in inputs}


def rows(x):
    return torch.cat([rows(y) for y in x]) if isinstance(x, (list, tuple)) else x.reshape(-1, x.shape[-1])


def flat(x):
    if isinstance(x, torch.Tensor):
        x = x.tolist()
    return [int(v) for y in x for v in (flat(y) if isinstance(y, (list, tuple)) else [y])]


def _keep_last(hidden, i):
    def hook(_module, _args, out):
        out = out[0] if isinstance(out, tuple) else out
        hidden[i] = out[..., -1, :].reshape(-1, out.shape[-1]).squeeze(0).clone()  # several streams stay rows
    return hook


def _keep_positions(seen):
    def hook(_module, _args, options):
        if options.get("position_ids") is not None:
            seen["positions"] = options["position_ids"].clone()
    return hook
