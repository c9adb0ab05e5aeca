import os
import subprocess
import sys

from compiler import offspring


def test_children_are_found() -> None:
    with subprocess.Popen(["sleep", "600"]) as child:
        try:
            assert child.pid in offspring.children()
            assert os.getpid() not in offspring.children()
        finally:
            child.kill()


def test_nothing_below_survives() -> None:
    """A grandchild in a session of its own, whose parent has ended, too."""
    code = """
import subprocess, time
from compiler import offspring
offspring.adopt()
child = subprocess.Popen(["sh", "-c", "setsid sleep 600 & exit 7"])
while len(offspring.children()) < 2:
    time.sleep(0.01)
print(offspring.kill_all(child.pid), offspring.children())
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (told.stdout, told.stderr) == ("7 []\n", "")
