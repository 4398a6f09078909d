"""InternVL 3.5 with the large tower: RMSNorms, all of q and of k normed, Qwen3."""
from families import internvl


def spec(seed):
    found = internvl.spec(seed, large=True)
    found.cases, found.other_settings = ("one-image",), ()
    return found
