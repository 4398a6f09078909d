"""MiniCPM-V 4.6: slices of any shape, a merger inside the tower and one behind it, Qwen3.5's decoder with plain positions."""
from families import qwen2_vl as qwen
from families import qwen3_5
from reference import Reference
from spec import HALF, Spec, chatml, pick
from vocabularies import QWEN3_5, byte_bpe, padded

MARKS = ["<image>", "</image>", "<slice>", "</slice>", "<image_id>", "</image_id>"]
NAMES = ["image_start_token", "image_end_token", "slice_start_token", "slice_end_token", "image_id_start_token", "image_id_end_token"]


class ViewByView(Reference):
    """The class of transformers merges every view by the first one's grid; the published model looks at each by itself."""

    def complete(self, model, info):
        return self._corrected(super().complete(model, info))

    @classmethod
    def random(cls, folder):
        found = super().random(folder)
        cls._corrected(found.model)
        return found

    @staticmethod
    def _corrected(model):
        body, patch = model.model, model.config.vision_config.patch_size
        together = body.get_image_features

        def apart(pixel_values, target_sizes, **options):
            options["return_dict"] = True
            widths = (target_sizes.prod(-1) * patch).tolist()
            seen = [together(pixels, size[None], **options) for pixels, size in zip(pixel_values.split(widths, -1), target_sizes)]
            seen[0].pooler_output = [row for view in seen for row in view.pooler_output]
            return seen[0]

        body.get_image_features = apart
        return model

    def layout(self, inputs, pictures):
        found = super().layout(inputs, pictures)
        return found | ({"target_sizes": inputs["target_sizes"].tolist()} if "target_sizes" in inputs else {})


def spec(seed):
    special = [*qwen.SPECIALS, *MARKS]
    tk = byte_bpe(40 + seed % 7, last=special, pattern=QWEN3_5, nfc=True)
    _, tokenizer_config = qwen.tokenizer(seed)
    tokenizer_config |= dict(processor_class="MiniCPMV4_6Processor", additional_special_tokens=special[1:], image_token="<|image_pad|>",
                             video_token="<|video_pad|>", **dict(zip(NAMES, MARKS)))
    ids = qwen.ids(tk)
    text = qwen3_5.text(seed, tk, "qwen3_5", 3) | dict(
        intermediate_size=48, tie_word_embeddings=True,
        rope_parameters=dict(partial_rotary_factor=0.5, rope_theta=10000000, rope_type="default"))
    config = dict(
        architectures=["MiniCPMV4_6ForConditionalGeneration"], model_type="minicpmv4_6", bos_token_id=None,
        eos_token_id=ids["bos_token_id"], drop_vision_last_layer=False, image_size=1120, tie_word_embeddings=True,
        insert_layer_id=pick(seed, 0, 1), image_token_id=ids["image_token_id"], video_token_id=ids["video_token_id"], text_config=text,
        vision_config=dict(
            attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", hidden_size=24, image_size=pick(seed, 42, 60), intermediate_size=32,
            layer_norm_eps=1e-6, model_type="minicpmv4_6_vision", num_attention_heads=2, num_channels=3, num_hidden_layers=3,
            patch_size=6))
    preprocessor = dict(
        image_processor_type="MiniCPMV4_6ImageProcessor", processor_class="MiniCPMV4_6Processor", max_slice_nums=pick(seed, 4, 6),
        scale_resolution=48, patch_size=6, use_image_id=True, slice_mode=True, **HALF)
    template = chatml("<|image_pad|>\n", answer="<think>\n\n</think>\n\n")
    return Spec("minicpmv4_6", config, tk, tokenizer_config, qwen.generation(tk), template, preprocessor, "<|endoftext|>",
                reference=ViewByView, cases=("text-only", "one-image"), offset_norms=qwen3_5.OFFSET_NORMS, init=qwen3_5.decays, extends=False)
