"""Write the exact version of every dependency, transitive ones too, into pyproject.toml.

Run it after changing a dependency: python scripts/pin.py [--upgrade]. With --upgrade, everything
moves to the newest version that fits; otherwise only what must.
"""

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
# Half of a first start would be spent on compiling, and all of it where caches cannot be written.
COMPILE = "compile-bytecode = true"
BLOCK = re.compile(r"\n# Made by scripts/pin\.py.*?\n\]\n", re.DOTALL)


def main(upgrade: bool) -> None:
    """Resolve for every supported Python and platform, and replace the block of pins."""
    text = PROJECT.read_text(encoding="utf-8")
    found = BLOCK.search(text)
    without = BLOCK.sub("", text)
    old = "" if upgrade or found is None else "\n".join(re.findall(r'^  "(.+)",$', found[0], re.M))
    PROJECT.write_text(without, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--group", "dev"]
        command += ["--quiet", "--no-header", "--no-annotate", "--python-version", "3.11"]
        command += ["--constraints", "-", str(PROJECT)]
        resolved = subprocess.run(command, input=old, capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        PROJECT.write_text(text, encoding="utf-8")
        sys.exit(error.stderr)
    pins = [line.strip() for line in resolved.stdout.splitlines() if "==" in line]
    listed = "".join(f'  "{pin.replace(chr(34), chr(39))}",\n' for pin in pins)
    block = (
        "\n# Made by scripts/pin.py; exact, so that a clone gets what was tested.\n"
        f"[tool.uv]\n{COMPILE}\nconstraint-dependencies = [\n{listed}]\n"
    )
    PROJECT.write_text(without.rstrip("\n") + "\n" + block, encoding="utf-8")
    print(f"{len(pins)} versions pinned")


if __name__ == "__main__":
    main(upgrade="--upgrade" in sys.argv[1:])
