"""Who answers an evaluation's questions: the product with an exported folder, or the training network with its weights."""
import json
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from .prompt import instructions

ROOT = Path(__file__).resolve().parents[2]


class Product:
    """Afterimage's tools, kept in one process: text reader, engine, cache and what is done with an answer included."""

    def __init__(self, model):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(["node", "--import", "tsx", "bench/answers.ts", str(Path(model).resolve())], cwd=ROOT,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer_all(self, requests, most):
        """requests: [(screens, question)] → the answers, in order."""
        return [self.answer(screens, question, most) for screens, question in requests]

    def answer(self, screens, question, most):
        files = [str(Path(self.folder.name) / f"{i}.png") for i in range(len(screens))]
        for file, screen in zip(files, screens):
            Image.fromarray(screen.pixels).save(file)
        print(json.dumps(call(files, question, most)), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("Afterimage ended before it answered; run `npm install` and try again.")
        return json.loads(line)["answer"]


def call(files, question, most):
    """The tool call that asks this, {tool, args}: our own instructions are what the tools say themselves."""
    detail = next((name for name, said in instructions()["describe"].items() if said == question), None)
    if len(files) == 2:
        return dict(tool="compare_images", args=dict(image_a=files[0], image_b=files[1], max_tokens=most))
    asked = dict(detail=detail) if detail else dict(question=question)
    return dict(tool="describe_image", args=dict(image=files[0], max_tokens=most, **asked))


class Network:
    """The torch network with a perfect reader, as a check on the product and for runs that are not exported yet."""

    def __init__(self, model):
        from . import folder, network
        self.network = network.Model()
        self.network.load_state_dict(folder.read_weights(model))
        self.network.eval()

    def answer_all(self, requests, most):
        from .generate import answer_all
        from .lines import perfect
        from .pixels import prepare_pixels
        asked = [([prepare_pixels(s.pixels) for s in screens], question, [perfect(s) for s in screens]) for screens, question in requests]
        return answer_all(self.network, asked, most)


SPEAKERS = {"product": Product, "network": Network}
