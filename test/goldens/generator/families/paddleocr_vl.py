"""PaddleOCR-VL: hub names; patches row by row, positions read bilinearly from a table and turned by row and column, M-RoPE in
sections before ERNIE; a head that equals the embedding and tensors that nobody reads are stored."""
import torch
from reference import Reference
from spec import HALF, Spec, pick
from vocabularies import padded, prefixed_bpe

SPECIALS = ["<mask:1>", "<|end_of_sentence|>", "<|begin_of_sentence|>", "<|IMAGE_PLACEHOLDER|>", "<|video_pad|>", "<|IMAGE_START|>",
            "<|IMAGE_END|>"]
# The published one: what it writes for an image gives way to a variable of that name.
TEMPLATE = (
    "{%- if not image_token is defined -%}{%- set image_token = '<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>' -%}{%- endif -%}"
    "{{- '<|begin_of_sentence|>' -}}{%- for m in messages -%}{%- if m['role'] == 'user' -%}{{- 'User: ' -}}"
    "{%- for p in m['content'] -%}{%- if p['type'] == 'image' -%}{{ image_token }}{%- endif -%}{%- endfor -%}"
    "{%- for p in m['content'] -%}{%- if p['type'] == 'text' -%}{{ p['text'] }}{%- endif -%}{%- endfor -%}{{ '\\n' -}}"
    "{%- elif m['role'] == 'assistant' -%}{{- 'Assistant: ' -}}{%- for p in m['content'] -%}{{ p['text'] }}{%- endfor -%}{{ '</s>' -}}"
    "{%- else -%}{%- for p in m['content'] -%}{{ p['text'] + '\\n' }}{%- endfor -%}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant: ' -}}{%- endif -%}")


class HalfPixels(Reference):
    """The published models read their table of positions at the middles of pixels; the class of transformers at the corners."""

    def round_constants(self):
        super().round_constants()
        for module in self.model.modules():
            if hasattr(module, "interpolation_align_corners"):
                module.interpolation_align_corners = False

    def prepare(self, messages, folder):
        # The tokenizer's own image token, which the class hands the template, is less than was trained.
        self.processor.chat_template = self.processor.chat_template.replace("not image_token is defined", "true")
        return super().prepare(messages, folder)


def unread(tensors):
    width = tensors["visual.vision_model.post_layernorm.weight"].shape[0]
    return tensors | {
        "visual.vision_model.embeddings.packing_position_embedding.weight": torch.ones(6, width),
        "visual.vision_model.head.probe": torch.zeros(1, 1, width),
        "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}


def spec(seed):
    tk = prefixed_bpe(40 + seed % 5, ["<unk>", "<s>", "</s>"], SPECIALS, None)
    i = tk.token_to_id
    config = dict(
        architectures=["PaddleOCRVLForConditionalGeneration"], model_type="paddleocr_vl", head_dim=16, hidden_act="silu", hidden_size=32,
        intermediate_size=64, max_position_embeddings=131072, num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2,
        num_key_value_heads=pick(seed, 2, 1), pad_token_id=0, rms_norm_eps=1e-5, rope_theta=500000, sliding_window=None,
        rope_scaling=dict(mrope_section=[2, 3, 3], rope_type="default", type="default"), tie_word_embeddings=False,
        torch_dtype="bfloat16", use_bias=False, use_cache=False, vocab_size=padded(tk), image_token_id=i("<|IMAGE_PLACEHOLDER|>"),
        video_token_id=i("<|video_pad|>"), vision_start_token_id=i("<|IMAGE_START|>"), vision_end_token_id=i("<|IMAGE_END|>"),
        vision_config=dict(
            attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", hidden_size=32, image_size=pick(seed, 42, 30), intermediate_size=44,
            layer_norm_eps=1e-6, model_type="paddleocr_vl", num_attention_heads=2, num_channels=3, num_hidden_layers=2, pad_token_id=0,
            patch_size=6, spatial_merge_size=2, temporal_patch_size=2, tokens_per_second=2, torch_dtype="bfloat16"))
    limits = dict(min_pixels=144 * 4, max_pixels=144 * 16)
    preprocessor = dict(
        do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True, **HALF, image_processor_type="PaddleOCRVLImageProcessor",
        **limits, merge_size=2, patch_size=6, processor_class="PaddleOCRVLProcessor", resample=3, rescale_factor=1 / 255,
        temporal_patch_size=1, size=limits)
    tokenizer_config = dict(
        tokenizer_class="LlamaTokenizer", processor_class="PaddleOCRVLProcessor", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        pad_token="<unk>", cls_token="<|begin_of_sentence|>", sep_token="<|end_of_sentence|>", mask_token="<mask:1>",
        add_bos_token=False, add_eos_token=False, clean_up_tokenization_spaces=False, legacy=True, image_token="<|IMAGE_PLACEHOLDER|>")
    rename = [(r"^model\.projector\.", "mlp_AR."), (r"^model\.visual\.", "visual."), (r"^model\.language_model\.", "model.")]
    return Spec("paddleocr_vl", config, tk, tokenizer_config, dict(eos_token_id=2, pad_token_id=0, use_cache=False), TEMPLATE,
                preprocessor, "</s>", rename=rename, stored=unread, reference=HalfPixels,
                cases=("one-image", "new-image-turn"))
