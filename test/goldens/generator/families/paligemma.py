"""PaliGemma with Gemma's decoder: old hub names, no chat template; image and prompt see each other."""
import torch
from reference import Reference, open_picture, tensors_of
from spec import UNEVEN, Spec, pick
from vocabularies import padded, sentence_bpe

SIGLIP = dict(hidden_size=32, intermediate_size=56, model_type="siglip_vision_model", num_attention_heads=2, num_hidden_layers=2,
              vision_use_head=False)
OLD_NAMES = [(r"^model\.vision_tower\.(?=embeddings|encoder|post_layernorm)", "vision_tower.vision_model."),
             (r"^model\.vision_tower\.", "vision_tower."), (r"^model\.multi_modal_projector\.", "multi_modal_projector."),
             (r"^model\.language_model\.", "language_model.model."), (r"^lm_head\.", "language_model.lm_head.")]
FIRST = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>")


def tokenizer(seed, last, first=FIRST):
    found = sentence_bpe(40 + seed % 5, first, last)
    return found, dict(
        tokenizer_class="GemmaTokenizer", add_bos_token=True, add_eos_token=False, bos_token="<bos>", eos_token="<eos>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", clean_up_tokenization_spaces=False, sp_model_kwargs=None,
        spaces_between_special_tokens=False, use_default_system_prompt=False)


class PaliGemma(Reference):
    """Prompts are images, the start token, the text and a line break."""

    def prepare(self, messages, folder):
        parts = [part for message in messages for part in message["content"]]
        pictures = [open_picture(folder, part["image"]) for part in parts if part["type"] == "image"]
        text = "".join(part["text"] for part in parts if part["type"] == "text")
        prompt = "<image>" * len(pictures) + text
        return prompt, tensors_of(self.processor(text=[prompt], images=[pictures], return_tensors="pt"))


def spec(seed, name="paligemma", text=None):
    tk, tokenizer_config = tokenizer(seed, [f"<loc{k:04d}>" for k in range(4)] + [f"<seg{k:03d}>" for k in range(2)] + ["<image>"])
    size, i = pick(seed, 32, 40), tk.token_to_id
    tokens = (size // 8) ** 2
    text = dict(head_dim=32, hidden_size=48, intermediate_size=64, model_type="gemma", num_attention_heads=pick(seed, 4, 2),
                num_hidden_layers=2, num_image_tokens=tokens, num_key_value_heads=1, torch_dtype="bfloat16",
                vocab_size=padded(tk)) | (text or {})
    config = dict(
        architectures=["PaliGemmaForConditionalGeneration"], bos_token_id=2, eos_token_id=1, hidden_size=48, ignore_index=-100,
        image_token_index=i("<image>"), model_type="paligemma", pad_token_id=0, projection_dim=48, torch_dtype="bfloat16",
        vocab_size=padded(tk), text_config=text,
        vision_config=SIGLIP | dict(image_size=size, num_image_tokens=tokens, patch_size=8, projection_dim=48,
                                    projector_hidden_act="gelu_fast"))
    preprocessor = dict(
        do_convert_rgb=None, do_normalize=True, do_rescale=True, do_resize=True, image_processor_type="SiglipImageProcessor",
        image_seq_length=tokens, **UNEVEN, processor_class="PaliGemmaProcessor", resample=3, rescale_factor=1 / 255,
        size=dict(height=size, width=size))
    tokenizer_config |= dict(processor_class="PaliGemmaProcessor", additional_special_tokens=["<image>"])
    return Spec(name, config, tk, tokenizer_config, dict(bos_token_id=2, eos_token_id=1, pad_token_id=0), None, preprocessor,
                "<eos>", rename=OLD_NAMES, offset_norms=r"language_model\..*norm", scaled_embeddings=True, text_only=False,
                system=False, turns=False, reference=PaliGemma, mlx=[])
