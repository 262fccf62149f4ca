"""`make docs`: write every generated file again."""

from __future__ import annotations

from tests.generated.pages import ROOT, files

for path, text in files().items():
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
