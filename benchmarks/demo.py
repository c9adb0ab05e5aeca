"""`make demo`: a real network from its package to answers on this machine, by neoc's own command.

The network tells text that stands upright from text that is upside down. The text is drawn here.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks import models
from targets.host import cores

MODEL = "ppocr_cls"
FOLDER = Path(".cache", "demo")
WORD = "REAL"
# Rows of 5 x 7 dots, a letter a line.
LETTERS = {
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
}
DOT = 5  # pixels
ANSWERS = ("upright", "upside down")
TOLERANCE = 1e-3  # of the largest value, as the artifacts are verified
TIMED_S = 2.0
TUNE_S = 20

Image = NDArray[np.float32]


def draw(word: str, shape: models.Shape) -> Image:
    """The word, dark on light, as the network takes it: values in -1..1, the channels alike."""
    dots = [[[int(dot) for dot in row] for row in LETTERS[letter].split()] for letter in word]
    text = np.hstack([np.pad(np.array(letter), ((0, 0), (0, 1))) for letter in dots])
    big = np.kron(text, np.ones((DOT, DOT)))
    height, width = shape[2:]
    page = np.zeros((height, width), np.float32)
    top = (height - big.shape[0]) // 2
    page[top : top + big.shape[0], 10 : 10 + big.shape[1]] = big
    soft = (page + np.roll(page, 1, 0) + np.roll(page, 1, 1) + np.roll(page, (1, 1), (0, 1))) / 4
    return np.broadcast_to(1 - 2 * soft, shape).astype(np.float32)


def neoc(*arguments: str | Path, capture: bool = False) -> str:
    """Run the command as a user does; its failure is the demo's."""
    command = [sys.executable, "-m", "compiler", *map(str, arguments)]
    if not capture:
        print(f"\n$ neoc {' '.join(command[3:])}", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE if capture else None, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def median_ms(session: onnxruntime.InferenceSession, feed: dict[str, Image]) -> float:
    """ONNX Runtime's time for one run, warm."""
    times: list[float] = []
    end = time.perf_counter() + TIMED_S
    while (began := time.perf_counter()) < end or len(times) < 10:
        session.run(None, feed)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times[len(times) // 4 :])


def main() -> None:
    row = models.ROWS[MODEL]
    print(f"{row.title}, from {row.package}")
    model = models.fetch(MODEL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    options = ["--framework", "ONNX", "--data-input-config", json.dumps(row.inputs)]
    options += ["--target-device", "host", "--tune", str(TUNE_S)]
    neoc("compile", "--input", model, *options, "--output", FOLDER)
    artifact = FOLDER / f"{MODEL}-host.tar.gz"

    threads = cores()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    peer = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    [(name, shape)] = row.inputs.items()
    upright = draw(WORD, shape)
    compare(artifact, peer, name, upright, f"{WORD} drawn upright")
    compare(artifact, peer, name, upright[:, :, ::-1, ::-1], f"{WORD} drawn upside down")

    bench = neoc("bench", artifact, "--threads", str(threads), "--json", capture=True)
    ours_ms, theirs_ms = json.loads(bench)["median_ms"], median_ms(peer, {name: upright})
    print(f"\nMedian time of one run on {threads} threads, the answers being equal:")
    print(f"  neoc          {ours_ms:8.3f} ms")
    print(f"  ONNX Runtime  {theirs_ms:8.3f} ms   ({theirs_ms / ours_ms:.2f} x neoc's)")


def compare(
    artifact: Path, peer: onnxruntime.InferenceSession, name: str, image: Image, what: str
) -> None:
    """Both answers to the image; ends the demo if they are not one."""
    file = FOLDER / "image.npy"
    np.save(file, np.ascontiguousarray(image))
    neoc("run", artifact, "--input", f"{name}={file}", "--output", FOLDER)
    [output] = peer.get_outputs()
    ours = np.load(FOLDER / f"{output.name.replace('/', '_')}.npy")
    [theirs] = peer.run(None, {name: np.load(file)})
    print(f"{what}: neoc says {says(ours)}, ONNX Runtime {says(theirs)}")
    if not np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max():
        sys.exit("The answers differ, and times of wrong answers mean nothing.")


def says(scores: NDArray[np.generic]) -> str:
    best = int(scores.argmax())
    return f"{ANSWERS[best]} ({float(scores.max()):.3f})"


if __name__ == "__main__":
    main()
