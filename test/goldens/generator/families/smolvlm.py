"""SmolVLM: Idefics3 with markers that are tokens and blocks of 3x3 or 4x4 patches; split flags in preprocessor_config.json,
image_seq_len in processor_config.json."""
from families import idefics3
from spec import pick

GRID = tuple(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4))


def spec(seed):
    tile, patch, block = pick(seed, (24, 4, 3), (32, 4, 4))
    found = idefics3.spec(seed, "smolvlm", "SmolVLM", GRID, tile, patch, block)
    found.preprocessor["video_sampling"] = dict(fps=1, max_frames=64, video_size=dict(longest_edge=tile))
    return found
