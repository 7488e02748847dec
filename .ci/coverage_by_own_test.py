"""Hold the pure rooms to 100 % branch coverage, each by its own test module alone.

A line that only another module's tests reach is a line nobody meant to test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FULL = 100.0


def rooms() -> list[Path]:
    """Return the modules that promise full coverage."""
    core = sorted(path for path in (ROOT / "speakerd/core").glob("*.py") if path.name != "__init__.py")
    pure = ["realtime/wire.py", "realtime/session.py", "audio/ring.py"]
    return core + [ROOT / "speakerd" / name for name in pure]


def test_of(module: Path) -> Path:
    """Return the test module that mirrors a module."""
    relative = module.relative_to(ROOT / "speakerd")
    return ROOT / "tests" / relative.parent / f"test_{relative.name}"


def measure(module: Path) -> str | None:
    """Run a module's own tests; return what is wrong, or None."""
    test = test_of(module)
    name = module.relative_to(ROOT)
    if not test.exists():
        return f"{name}: has no {test.relative_to(ROOT)}"
    with tempfile.TemporaryDirectory() as scratch:
        data, report = f"{scratch}/data", f"{scratch}/report.json"
        coverage = [sys.executable, "-m", "coverage"]
        run = [*coverage, "run", "--data-file", data, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
        ran = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        if ran.returncode != 0:
            return f"{name}: its tests fail\n{ran.stdout[-3000:]}"
        show = [*coverage, "json", "--data-file", data, "-o", report, "--include", str(module), "-q"]
        subprocess.run(show, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - our own command
        found = json.loads(Path(report).read_text())
    if found["totals"]["percent_covered"] >= FULL:
        return None
    (file,) = found["files"].values()
    return (
        f"{name}: lines {file['missing_lines']}, branches {file['missing_branches']} are not reached by its own tests"
    )


def main() -> int:
    """Measure every room, two at a time."""
    modules = rooms()
    with ThreadPoolExecutor(2) as pool:
        problems = [problem for problem in pool.map(measure, modules) if problem]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(modules)} pure modules are covered by their own tests, every branch")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
