"""Who answers an evaluation's questions: the product with an exported folder, or the training network with its weights."""
import json
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


class Product:
    """Afterimage itself, kept in one process: the engine, its cache and its guard against endless repetition included."""

    def __init__(self, model):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(["node", "--import", "tsx", "bench/answers.ts", str(Path(model).resolve())], cwd=ROOT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer_all(self, requests, most):
        """requests: [(pictures uint8 [H, W, 3], question)] → the answers, in order."""
        return [self.answer(pictures, question, most) for pictures, question in requests]

    def answer(self, pictures, question, most):
        files = [str(Path(self.folder.name) / f"{i}.png") for i in range(len(pictures))]
        for file, pixels in zip(files, pictures):
            Image.fromarray(pixels).save(file)
        print(json.dumps(dict(images=files, question=question, most=most)), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("Afterimage ended before it answered; run `npm install` and try again.")
        return json.loads(line)["answer"]


class Network:
    """The torch network, as a check on the product and for runs that are not exported yet."""

    def __init__(self, model):
        from . import folder, network
        self.network = network.Model()
        self.network.load_state_dict(folder.read_weights(model))
        self.network.eval()

    def answer_all(self, requests, most):
        from .generate import answer_all
        from .pixels import prepare
        return answer_all(self.network, [([prepare(Image.fromarray(p)) for p in pictures], q) for pictures, q in requests], most)


SPEAKERS = {"product": Product, "network": Network}
