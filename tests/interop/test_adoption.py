"""The commands of docs/from-openssl.md, really run; then what they made is taken over."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.interop.programs import find_program
from tests.readers import read_certificate

PAGE = Path(__file__).parent.parent.parent / "docs/from-openssl.md"


@pytest.fixture
def adopted(project: Project) -> Project:
    """An authority, a broker and a client that the commands made, lying where edgecerts looks for them."""
    find_program("openssl")
    text = PAGE.read_text(encoding="utf-8")
    project.write(re.findall(r"^```yaml\n(.*?)^```$", text, re.M | re.S)[0])
    for block in re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S):
        commands = block.replace("edgecerts plan\n", "")
        bash = shutil.which("bash")
        assert bash is not None
        subprocess.run([bash, "-e", "-c", commands], cwd=project.folder, check=True, capture_output=True)
    project.now = read_certificate(project.output / "ca/ca.pem").not_valid_before_utc + timedelta(hours=1)
    return project


def test_an_adopted_pki_is_recorded_and_then_settled(adopted: Project) -> None:
    certificates = {
        "ca/certificate": read_certificate(adopted.output / "ca/ca.pem"),
        "broker/plant-a/certificate": read_certificate(adopted.output / "brokers/plant-a/server.pem"),
        "client/MyEACM/certificate": read_certificate(adopted.output / "clients/MyEACM/client.pem"),
    }
    plan = json.loads(adopted.run("plan", "--format", "json").out)
    busy = {change["address"]: change["action"] for change in plan["changes"] if change["action"] != "no-op"}
    assert plan["hazards"] == plan["blocked"] == []
    assert busy == {
        "folder/.gitignore": "create",
        "folder/.gitattributes": "create",
        "folder/README.txt": "create",
        "log": "create",
        "broker/plant-a/certificate": "update",
        "broker/plant-a/trust": "create",
        "client/MyEACM/certificate": "update",
        "client/MyEACM/trust": "create",
    }
    adopted.apply()
    log = adopted.output / "issued" / f"{adopted.now:%Y}.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    recorded = {line["address"]: line["serial"] for line in lines if line["action"] == "record"}
    assert recorded == {address: f"{found.serial_number:040x}" for address, found in certificates.items()}
    assert [line["action"] for line in lines] == ["record"] * 3 + ["update"] * 2
    assert adopted.run("plan").out.endswith("Nothing to do: 11 files as declared.\n")
    assert adopted.run("status").code == 0
