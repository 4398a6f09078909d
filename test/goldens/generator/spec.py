"""What a family's file says of its checkpoint."""
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer

from reference import Reference


@dataclass
class Spec:
    """One checkpoint folder. Run-time names are transformers', hub names those in the files."""

    model_type: str
    config: dict
    tokenizer: Tokenizer
    tokenizer_config: dict
    generation: dict
    template: str | None
    preprocessor: dict | None  # preprocessor_config.json
    end: str  # the end token that is made likely once
    processor: dict | None = None  # processor_config.json
    video: dict | None = None  # video_preprocessor_config.json
    rename: list = field(default_factory=list)  # (pattern, replacement): run-time name -> hub name, the first that matches
    offset_norms: str = ""  # pattern of norms stored as w and applied as 1 + w
    init: object = None  # init(name, parameter, generator) -> tensor or None, before the general rule
    stored: object = None  # stored(hub tensors) -> tensors, where the files differ in more than names
    hub_format: bool = False  # save_pretrained knows the hub's layout
    dtype: torch.dtype = torch.bfloat16
    shards: int = 1
    sigma: float = 10.0  # spread of logits
    scaled_embeddings: bool = False  # token embeddings are multiplied by the root of the width
    extends: bool = True  # a second prompt strictly extends the first
    system: bool = True
    text_only: bool = True
    turns: bool = True
    timeline: bool = False  # it sees frames in time
    least_side: int = 1  # of the thinnest picture that the reference takes
    pixels: bool = True  # are recorded; where the reference makes several arrays of them, features show what they were
    picture: tuple = (75, 52)  # size of the picture of case one-image
    cases: tuple = ()  # the committed ones, where they are not the usual ones
    other_settings: tuple = ()  # of the image processor, for sizes.json
    reference: type = Reference
    mlx: list | None = None  # (pattern, replacement): hub name -> MLX name
    mlx_norms: str = ""  # pattern of hub names whose norms MLX stores with the 1 added
    quantized: tuple | None = None  # bits, group, dtype of scales, {pattern of MLX paths: other settings, or False}

    @property
    def end_ids(self):
        stops = self.generation["eos_token_id"]
        return stops if isinstance(stops, list) else [stops]

    @property
    def ending(self):
        """The case whose answer is made to end by itself."""
        return self.cases[0] if self.cases else "text-only" if self.text_only else "one-image"

    @property
    def image_id(self):
        for key in ("image_token_id", "image_token_index", "media_placeholder_token_id"):
            if key in self.config:
                return self.config[key]
        raise KeyError("image_token_id")

    @property
    def vision_ids(self):
        return {self.image_id, self.config.get("video_token_id", self.image_id)}


def pick(seed, *options):
    """Another seed gives other sizes: sets that nobody has seen before."""
    return options[seed % len(options)]


CLIP = dict(image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711])
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])
# Not the same in every channel: tells their order and each one's numbers.
UNEVEN = dict(image_mean=[0.48, 0.45, 0.5], image_std=[0.27, 0.5, 0.31])


def chatml(image, default="", answer="", video=None):
    """Chat template: `default` in front of a message, `answer` at the end of the prompt."""
    moving = f"{{% elif p['type'] == 'video' %}}{video}" if video else ""
    parts = f"{{% if p['type'] == 'image' %}}{image}{moving}{{% elif p['type'] == 'text' %}}{{{{ p['text'] }}}}{{% endif %}}"
    content = ("{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for p in m['content'] %}" + parts
               + "{% endfor %}{% endif %}")
    return (f"{{% for m in messages %}}{default}<|im_start|>{{{{ m['role'] }}}}\n{content}<|im_end|>\n{{% endfor %}}"
            f"{{% if add_generation_prompt %}}<|im_start|>assistant\n{answer}{{% endif %}}")
