"""Golden folders for families that the golden generator does not know, made by its own method.

python test/goldens/more_families.py --generator DIR --out DIR --seed N [--family F]

DIR of --generator holds make_goldens.py and goldenlib.py. Each family here is one more entry of its table: random tiny
weights written in the hub's layout, reloaded with transformers, and every case recorded from the reloaded model.
"""
import argparse
import sys
from pathlib import Path


def families(gen):
    def qwen3_vl_moe(seed):
        """Qwen3-VL with one dense layer between sparse ones; fused expert tensors in the hub's transposed layout."""
        spec = gen.qwen3_vl(seed)
        config = spec.config | dict(architectures=["Qwen3VLMoeForConditionalGeneration"], model_type="qwen3_vl_moe")
        config["vision_config"] = config["vision_config"] | dict(model_type="qwen3_vl_moe")
        config["text_config"] = config["text_config"] | dict(
            model_type="qwen3_vl_moe_text", num_experts=gen.pick(seed, 4, 6), num_experts_per_tok=2, moe_intermediate_size=48,
            decoder_sparse_step=1, mlp_only_layers=[1], norm_topk_prob=True)
        spec.name, spec.config, spec.shards, spec.hub_format = "qwen3_vl_moe", config, 1, True
        spec.note = "hub names; experts fused and stored [experts, in, out]; layer 1 is dense"
        return spec

    def paligemma2(seed):
        """PaliGemma with a Gemma 2 decoder: norms after each sublayer, capped scores, a window on every other layer.

        The reference leaves Gemma 2's cap on logits out of PaliGemma 2; it is off here so that there is one answer."""
        spec = gen.paligemma(seed)
        text = spec.config["text_config"] | dict(
            model_type="gemma2", num_key_value_heads=2, query_pre_attn_scalar=48, sliding_window=4096,
            attn_logit_softcapping=50.0, final_logit_softcapping=0.0, hidden_activation="gelu_pytorch_tanh")
        spec.config = spec.config | dict(text_config=text)
        spec.name = "paligemma2"
        spec.sigma = 8.0
        spec.special_init = gen.sharp_qk
        return spec

    return [qwen3_vl_moe, paligemma2]


def transpose_experts(folder):
    """The hub's files hold fused experts as [experts, in, out]; the reference saves [experts, out, in]."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    for name, tensor in tensors.items():
        if ".mlp.experts." in name:
            tensors[name] = tensor.transpose(1, 2).contiguous()
    save_file(tensors, file, metadata={"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--family")
    args = parser.parse_args()
    sys.path.insert(0, str(args.generator))
    import make_goldens as gen

    for make in families(gen):
        if args.family in (None, make.__name__):
            gen.torch.manual_seed(args.seed)
            spec = make(args.seed)
            gen.make_family(spec, args.out, args.seed)
            if spec.name == "qwen3_vl_moe":
                transpose_experts(args.out / spec.name)
            print(f"{make.__name__}: done")


if __name__ == "__main__":
    main()
