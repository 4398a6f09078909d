"""A headless Chromium driven over the DevTools pipe; needs nothing but the browser."""
import base64
import json
import os
import shutil
import subprocess
import tempfile

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, path=None):
        path = path or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not path:
            raise SystemExit("Chromium was not found: install the package chromium.")
        self.profile = tempfile.mkdtemp(prefix="afterimage-chromium-")
        there, self.write_end = os.pipe()
        self.read_end, back = os.pipe()

        def pipes():                     # Chromium reads commands from descriptor 3 and answers on 4
            a, b = os.dup(there), os.dup(back)
            os.dup2(a, 3)
            os.dup2(b, 4)
        self.process = subprocess.Popen([path, *FLAGS, f"--user-data-dir={self.profile}"], preexec_fn=pipes, close_fds=False,
                                        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(there)
        os.close(back)
        self.buffer, self.number = b"", 0
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Page.enable")

    session = None

    def send(self, method, **params):
        """One command and its answer; events that come between are dropped."""
        self.number += 1
        message = dict(id=self.number, method=method, params=params)
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"Chromium refused {method}: {answer['error']['message']}.")
                return answer["result"]

    def receive(self):
        while b"\0" not in self.buffer:
            chunk = os.read(self.read_end, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium ended unexpectedly.")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def show(self, html, width, height, scale=1):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        frame = self.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.send("Page.setDocumentContent", frameId=frame, html=html)
        self.evaluate("document.fonts.ready.then(() => 1)")

    def evaluate(self, script):
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"The page's script failed: {result['exceptionDetails']}.")
        return result["result"].get("value")

    def picture(self):
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.profile, ignore_errors=True)
