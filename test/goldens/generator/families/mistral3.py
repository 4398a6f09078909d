"""Mistral 3: new hub names, rope_parameters, image processor nested in processor_config.json; patches merged 2x2."""
from families import llava
from spec import UNEVEN, Spec, pick
from vocabularies import padded

MLX = [(r"^model\.vision_tower\.", "vision_tower.vision_model."), (r"^model\.multi_modal", "multi_modal"),
       (r"^model\.language_model\.", "language_model.model."), (r"^lm_head", "language_model.lm_head")]


def spec(seed):
    tk, tokenizer_config = llava.tokenizer(seed)
    size = pick(seed, 60, 48)
    vision = llava.vision(size, 6)
    vision.pop("rope_theta")
    vision["rope_parameters"] = dict(rope_theta=10000.0, rope_type="default")
    config = dict(
        architectures=["Mistral3ForConditionalGeneration"], dtype="bfloat16", image_token_index=10, model_type="mistral3",
        projector_hidden_act="gelu", spatial_merge_size=2, tie_word_embeddings=False,
        vision_feature_layer=-1, vision_config=vision,
        text_config=llava.text(seed, padded(tk), rope_parameters=dict(rope_theta=1000000000.0, rope_type="default")))
    pictures = dict(do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True, **UNEVEN, patch_size=6, resample=3,
                    image_processor_type="PixtralImageProcessorFast", rescale_factor=1 / 255, size=dict(longest_edge=size))
    processor = dict(image_break_token="[IMG_BREAK]", image_end_token="[IMG_END]", image_processor=pictures, image_token="[IMG]",
                     patch_size=6, processor_class="PixtralProcessor", spatial_merge_size=2)
    return Spec("mistral3", config, tk, tokenizer_config, llava.GENERATION, llava.TEMPLATE, None, "</s>", processor, least_side=2, mlx=MLX)
