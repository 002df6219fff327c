"""A manifest with its output folder, and runs on it in this process with any clock."""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edgecerts.apply import Run, run_apply
from edgecerts.apply.file_system import FileSystem, Sync
from edgecerts.apply.report import ApplyReport
from edgecerts.apply.secrets import SecretSources
from edgecerts.desired import build_graph
from edgecerts.desired.graph import Graph
from edgecerts.manifest import parse_manifest
from edgecerts.plan.model import Plan
from edgecerts.plan.options import PlanOptions

PASSWORDS = {"CA_PASSWORD": "correct horse battery"}
"""What the environment of the runs in this process has."""


class UnsyncedFileSystem(FileSystem):
    """What is not killed need not wait for the disk."""

    def sync(self, descriptor: int, purpose: Sync) -> None:
        del descriptor, purpose


@dataclass(frozen=True)
class Site:
    """A folder with a manifest."""

    folder: Path

    @property
    def manifest(self) -> Path:
        return self.folder / "pki.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "pki"

    @property
    def inventories(self) -> list[Path]:
        """The files beside the manifest that it may name."""
        return sorted(self.folder.glob("*.csv"))

    def write(self, manifest: str) -> None:
        """Makes the folder with a manifest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.manifest.write_text(manifest, encoding="utf-8")

    def run(self, now: datetime, *replace: str) -> Run:
        """What `apply` would work with at this time."""
        return Run(
            graph=_graph(self.manifest.read_bytes(), *((path.name, path.read_bytes()) for path in self.inventories)),
            manifest=str(self.manifest),
            manifest_folder=self.folder,
            output=self.output,
            now=now,
            sources=SecretSources(folder=self.folder, environ=PASSWORDS),
            job="a test",
            on_plan=lambda plan: None,
            options=PlanOptions(replace=frozenset(replace)),
            system=UnsyncedFileSystem(),
        )

    def apply(self, now: datetime, *replace: str) -> ApplyReport:
        """Runs `apply` in this process."""
        return run_apply(self.run(now, *replace))

    def plan(self, now: datetime) -> Plan:
        """Plans in this process."""
        return self.run(now).look()[1]

    def copy(self, folder: Path) -> "Site":
        """The same in another place, with its hard links, modes and times."""
        subprocess.run(["cp", "-a", str(self.folder), str(folder)], check=True)
        return Site(folder)

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """Every file below the output folder with its content, mode and modification time."""
        found = (path for path in sorted(self.output.rglob("*")) if path.is_file())
        return {
            str(path.relative_to(self.output)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
            for path in found
        }


@functools.cache
def _graph(text: bytes, *inventories: tuple[str, bytes]) -> Graph:
    beside = dict(inventories)
    return build_graph(parse_manifest(text, source="pki.yaml", read_beside=lambda name, kind: beside[name]))
