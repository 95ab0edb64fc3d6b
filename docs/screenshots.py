"""Photograph the reports that the README shows: `.venv/bin/python docs/screenshots.py`.

The report of `make start` is taken as it lies in `reports/start`; those of detection and of
diagnosis are made by the commands of their tutorials, in `reports/screenshots`, unless they lie
there already. It needs Chromium and the extra `detect`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
MADE = ROOT / "reports" / "screenshots"
MOST_BYTES = 200_000

COMMANDS = {
    "detect.html": (
        "simulate stations --out fleet --stations 40 --seed 1",
        "detect fit fleet/train.parquet --model model",
        "detect marks model fleet/train.parquet fleet/test.parquet --since 2024-01-08T00:00 "
        "--until 2024-01-10T00:00 --out marks.csv",
        "detect tune model fleet/train.parquet fleet/test.parquet --feedback marks.csv",
        "detect evaluate model fleet/train.parquet fleet/test.parquet --since 2024-01-10T00:00 "
        "--report detect.html",
    ),
    "diagnose.html": (
        "simulate cable --out plant --seed 1",
        "diagnose plant/telemetry --tickets plant/tickets.csv --topology plant/topology.csv "
        "--until 2026-02-01 --report diagnose.html",
    ),
}


@dataclass(frozen=True)
class Picture:
    """What is photographed.

    Attributes
    ----------
    name : str
        Of the picture, in `docs/images`.
    page : Path
        The report.
    hidden : str
        CSS selector of what is left out, so that the part wanted stands on top.
    width, height : int
        Of the window, in pixels.
    """

    name: str
    page: Path
    hidden: str
    width: int
    height: int


PICTURES = (
    Picture("demo.png", ROOT / "reports" / "start" / "report.html",
            "main > section:not(#cdn)", 1000, 1095),
    Picture("detect.png", MADE / "detect.html", "main > section:nth-of-type(-n+2)", 1000, 1100),
    Picture("diagnose.png", MADE / "diagnose.html", "#dispatch", 1000, 1100),
)  # fmt: skip


def main() -> None:
    """Make the reports that are missing, and all pictures."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("there is no chromium on the path")
    MADE.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    program = Path(sys.executable).with_name("faultsight")
    for page, commands in COMMANDS.items():
        if not (MADE / page).exists():
            for command in commands:
                subprocess.run([program, *command.split()], cwd=MADE, check=True)  # noqa: S603
    for picture in PICTURES:
        photograph(picture, browser)


def photograph(picture: Picture, browser: str) -> None:
    """Write one picture; refuse one that is too large to stand in a README."""
    html = picture.page.read_text(encoding="utf-8")
    # The report's own policy forbids any style that is not its own.
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html, count=1)
    style = f"<style>{picture.hidden} {{ display: none !important; }}</style></head>"
    target = IMAGES / picture.name
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(html.replace("</head>", style, 1), encoding="utf-8")
        subprocess.run(  # noqa: S603
            [
                browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}/profile", f"--screenshot={target}",
                f"--window-size={picture.width},{picture.height}", page.as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target.name} has {size:,} bytes; {MOST_BYTES:,} are allowed")
    sys.stdout.write(f"{target.relative_to(ROOT)}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
