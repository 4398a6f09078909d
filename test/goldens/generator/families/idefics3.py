"""Idefics3: markers <row_r_col_c> are ordinary text; separate head; blocks of 2x2 patches become a token."""
from spec import UNEVEN, Spec, pick
from vocabularies import byte_bpe, padded

FIRST = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>",
         "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>",
         "<jupyter_output>", "<jupyter_script>", "<empty_output>"]
TEMPLATE = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}{% if m['content'] is string %}{{ ': ' + m['content'] }}"
    "{% else %}{% if m['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}{% for p in m['content'] %}"
    "{% if p['type'] == 'text' %}{{ p['text'] }}{% elif p['type'] == 'image' %}<image>{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")
MLX = [(r"^model\.(vision_model|connector)", r"\1"), (r"^model\.text_model", "language_model"),
       (r"^lm_head", "language_model.lm_head")]


def spec(seed, name="idefics3", class_name="Idefics3", grid=(), tile=24, patch=6, block=2, tiles=3):
    """`tiles`: most of them along the longest side, each of tile² pixels."""
    tk = byte_bpe(40 + seed % 5, FIRST, ["<global-img>", *grid, "<fake_token_around_image>", "<image>", "<end_of_utterance>"], digits=True)
    i = tk.token_to_id
    vocabulary = padded(tk)
    text = dict(
        model_type="llama", architectures=["VLlama3ForCausalLM"], head_dim=16, hidden_size=32, intermediate_size=64,
        is_llama_config=True, max_position_embeddings=8192, num_attention_heads=pick(seed, 4, 2), num_hidden_layers=2,
        num_key_value_heads=pick(seed, 1, 2), pad_token_id=i("<|im_end|>"), pixel_shuffle_factor=block, qk_layer_norms=False,
        rms_norm_eps=1e-5, rope_interleaved=False, rope_theta=100000, torch_dtype="bfloat16", use_resampler=False,
        vocab_size=vocabulary, tie_word_embeddings=False)
    vision = dict(
        hidden_size=32, image_size=tile, intermediate_size=48, max_image_size=dict(longest_edge=tile),
        model_type=name if name == "idefics3" else "smolvlm_vision", num_attention_heads=2, num_hidden_layers=2, patch_size=patch,
        size=dict(longest_edge=tiles * tile), tie_word_embeddings=False, use_base_siglip=False)
    config = dict(architectures=[f"{class_name}ForConditionalGeneration"], image_token_id=i("<image>"), model_type=name,
                  pad_token_id=i("<|im_end|>"), scale_factor=block, text_config=text, tie_word_embeddings=False,
                  torch_dtype="bfloat16", use_cache=True, vocab_size=vocabulary, vision_config=vision)
    preprocessor = dict(
        do_convert_rgb=True, do_image_splitting=True, do_normalize=True, do_pad=True, do_rescale=True, do_resize=True,
        image_processor_type=f"{class_name}ImageProcessor", **UNEVEN, max_image_size=dict(longest_edge=tile),
        processor_class=f"{class_name}Processor", resample=1, rescale_factor=1 / 255, size=dict(longest_edge=tiles * tile))
    tokenizer_config = dict(
        tokenizer_class="PreTrainedTokenizerFast", processor_class=f"{class_name}Processor", bos_token="<|im_start|>",
        eos_token="<end_of_utterance>", pad_token="<|im_end|>", unk_token="<|endoftext|>", add_prefix_space=False,
        clean_up_tokenization_spaces=False, model_max_length=8192,
        additional_special_tokens=["<fake_token_around_image>", "<image>", "<end_of_utterance>"])
    generation = dict(bos_token_id=i("<|im_start|>"), pad_token_id=i("<|im_end|>"), eos_token_id=[i("<end_of_utterance>")])
    processor = dict(image_seq_len=(tile // patch // block) ** 2, processor_class=f"{class_name}Processor")
    return Spec(name, config, tk, tokenizer_config, generation, TEMPLATE, preprocessor, "<end_of_utterance>", processor, mlx=MLX,
                other_settings=(dict(do_image_splitting=False), dict(size=dict(longest_edge=tile))))
