"""Write the sample files that lie in data/samples; run it after a change of the generator."""

from pathlib import Path

from enrollment_pipeline.samples.generator import generate

if __name__ == "__main__":
    folder = Path(__file__).resolve().parent.parent / "data" / "samples"
    for name, text in generate(folder).files.items():
        print(f"{folder / name}: {text.count(chr(10)):,} lines")
