"""``python -m tests.docs``: write the generated parts anew, and name the files that changed."""

from __future__ import annotations

import sys

from tests.docs.generate import generated_files


def main() -> None:
    for file, text in generated_files().items():
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"written: {file}\n")


if __name__ == "__main__":
    main()
