"""docs/ci.md, carried out: its job files in fresh clones, with nothing but committed public files and two variables.

What the page has as shell lines is what runs here. Only `pip` is a stand-in, and `edgecerts` is this source with a
clock that the test sets.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from edgecerts.desired import build_graph
from edgecerts.manifest import parse_manifest
from edgecerts.pki.certificate_requests import build_request
from edgecerts.pki.private_keys import encode_private_key, spki_sha256
from tests.conftest import NOW
from tests.readers import spki

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")

CA_PASSWORD = "canary-0d4f-authority"
KEY_PASSWORD = "canary-77c1-clients"
NEW_KEYS = ' --new-keys-to "$try.keys"'
TOKEN_URL = "https://gitlab-ci-token:a-token@gitlab.example:8443/sub/plant/pki.git"


def block(title: str, language: str) -> str:
    """The only block of a language below a heading of the page."""
    parts = re.split(r"^## (.*)$", PAGE, flags=re.M)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[title]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    assert isinstance(found, str)
    return found


MANIFEST = block("The manifest", "yaml")
GITHUB: Any = yaml.load(block("GitHub", "yaml"), Loader=yaml.BaseLoader)
GITLAB: Any = yaml.load(block("GitLab", "yaml"), Loader=yaml.BaseLoader)

PROGRAM = """\
#!{python}
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, {root!r})
from edgecerts.cli import clock

clock.current_time = lambda: datetime.fromisoformat(Path({clock!r}).read_text())
from edgecerts.cli.start import main

main()
"""
KEEP = """\
#!/bin/sh
env > {folder}/environment-of-keep-new-keys
test ! -e {folder}/broken-store || exit 1
git -C {origin} rev-parse main > {folder}/kept-at
cp -R "$1/." {folder}/vault/
"""
DELIVER = """\
#!/bin/sh
test "$(git rev-parse HEAD)" = "$(git -C {origin} rev-parse main)" || exit 9
test ! -e {folder}/no-way-to-the-hosts || exit 7
cp "$1" "{folder}/delivered/$(git rev-parse HEAD)-$$"
env > {folder}/environment-of-deliver
"""
FASTER = """\
#!/bin/sh
test ! -e {folder}/protected || exit 1
test -e {folder}/somebody-is-faster || exit 0
rm {folder}/somebody-is-faster
env -i PATH="$PATH" git -C {origin} update-ref refs/heads/main refs/heads/faster
exit 1
"""


@dataclass(frozen=True)
class Job:
    """What a runner executes.

    Attributes:
        script: the lines of all its steps.
        has_secrets: it is given them.
        umask: the runner's.
    """

    script: str
    has_secrets: bool
    umask: int


def github_job(name: str) -> Job:
    steps = [step for step in GITHUB["jobs"][name]["steps"] if "run" in step]
    given = {key: value for step in steps for key, value in step.get("env", {}).items()}
    assert all(value == f"${{{{ secrets.{key} }}}}" for key, value in given.items())
    return Job(script="\n".join(step["run"] for step in steps), has_secrets=bool(given), umask=0o022)


def gitlab_job(name: str) -> Job:
    lines = [*GITLAB["default"]["before_script"], *GITLAB[name]["script"]]
    # Protected variables are for jobs of the branch main; the runner lets everybody write to its files.
    return Job(script="\n".join(lines), has_secrets=name == "apply", umask=0)


JOBS: dict[str, Callable[[str], Job]] = {"github": github_job, "gitlab": gitlab_job}


@dataclass(frozen=True)
class Ended:
    """How a script ended, and what the job shows to reviewers."""

    code: int
    out: str
    shown: str = ""


@dataclass
class Forge:
    """A code forge with one repository, and the machines around it.

    Attributes:
        job: reads a job from the page.
        secrets: what the forge keeps for jobs of the branch main.
        without: what is taken out of the scripts.
        hosts: private keys that are on their hosts.
    """

    folder: Path
    job: Callable[[str], Job]
    secrets: dict[str, str] = field(default_factory=dict)
    without: str = "\0"
    hosts: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    now: datetime = NOW
    runs: int = 0

    def __post_init__(self) -> None:
        for name in ("bin", "home", "vault", "delivered"):
            (self.folder / name).mkdir()
        clock = str(self.folder / "now")
        self.program("bin/edgecerts", PROGRAM, python=sys.executable, root=str(ROOT), clock=clock)
        self.program("bin/pip", '#!/bin/sh\necho "$@" >> {folder}/pip\n')
        (self.folder / "home/.gitconfig").write_text(f'[url "{self.origin}"]\n\tinsteadOf = {TOKEN_URL}\n')
        self.git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        self.program("origin.git/hooks/pre-receive", FASTER)
        self.git(self.folder, "clone", "--quiet", str(self.origin), str(self.admin))

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @property
    def admin(self) -> Path:
        return self.folder / "admin"

    @property
    def tip(self) -> str:
        return self.git(self.origin, "rev-parse", "main").strip()

    def program(self, name: str, text: str, **more: str) -> None:
        place = self.folder / name
        place.write_text(text.format(folder=self.folder, origin=self.origin, **more))
        place.chmod(0o755)

    def environ(self, **more: str) -> dict[str, str]:
        """Nothing of this process's environment."""
        path = f"{self.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        return {"PATH": path, "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8", **more}

    def git(self, folder: Path, *arguments: str) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        done = subprocess.run(["git", *who, *arguments], cwd=folder, env=self.environ(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, script: str, folder: Path, environ: Mapping[str, str], *, umask: int = 0o022) -> Ended:
        (self.folder / "now").write_text(self.now.isoformat())
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=umask,
        )
        assert "Traceback" not in done.stdout
        assert not [secret for secret in self.secrets.values() if secret and secret in done.stdout]
        return Ended(code=done.returncode, out=done.stdout)

    def run(self, name: str, *, branch: str = "main") -> Ended:
        """Runs a job as a runner does: in a fresh clone, which nobody looks at again."""
        job, self.runs = self.job(name), self.runs + 1
        place = self.folder / f"runner-{self.runs}"
        place.mkdir()
        clone = f"git clone --quiet --branch {branch} file://{self.origin} checkout"
        assert self.shell(clone, place, self.environ(), umask=job.umask).code == 0
        environ = self.environ(
            GITHUB_STEP_SUMMARY=str(place / "summary"),
            GITHUB_RUN_ID=str(self.runs),
            CI_JOB_TOKEN="a-token",
            CI_REPOSITORY_URL=TOKEN_URL,
            TMPDIR=str(place),
            **(self.secrets if job.has_secrets else {}),
        )
        ended = self.shell(job.script.replace(self.without, ""), place / "checkout", environ, umask=job.umask)
        assert [path.name for path in place.iterdir() if path.name not in ("checkout", "summary")] == []
        shown = [path for path in (place / "summary", place / "checkout/plan.md") if path.exists()]
        return Ended(code=ended.code, out=ended.out, shown=shown[0].read_text() if shown else "")

    def apply(self) -> Ended:
        """Runs the job `apply`, and then once more: the second run has nothing to do and commits nothing."""
        ended = self.run("apply")
        assert ended.code == 0, ended.out
        tip = self.tip
        again = self.run("apply")
        assert (again.code, self.tip) == (0, tip), again.out
        return ended

    def commit(self, change: Callable[[Path], None], *, branch: str = "main") -> None:
        """Somebody changes something and pushes it to a branch."""
        if self.git(self.origin, "for-each-ref", "refs/heads/main"):
            self.git(self.admin, "fetch", "--quiet", "origin")
            self.git(self.admin, "checkout", "--quiet", "-B", branch, "origin/main")
        change(self.admin)
        self.git(self.admin, "add", "--all")
        self.git(self.admin, "commit", "--quiet", "--message", "change")
        self.git(self.admin, "push", "--quiet", "--force", "origin", f"HEAD:{branch}")

    def review(self, change: Callable[[Path], None]) -> Ended:
        """A change on a branch of its own: planned there without secrets, then merged."""
        self.commit(change, branch="proposal")
        ended = self.run("plan", branch="proposal")
        self.git(self.origin, "update-ref", "refs/heads/main", "refs/heads/proposal")
        return ended

    def file(self, path: str) -> bytes:
        """A committed file."""
        return subprocess.run(
            ["git", "show", f"main:{path}"], cwd=self.origin, env=self.environ(), capture_output=True, check=True
        ).stdout

    def certificate(self, path: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.file(f"pki/{path}"))

    def history(self) -> bytes:
        """Everything that was ever pushed, to whatever branch."""
        objects = self.git(self.origin, "rev-list", "--objects", "--all")
        names = "\n".join(line.split()[0] for line in objects.splitlines())
        return subprocess.run(
            ["git", "cat-file", "--batch"], cwd=self.origin, input=names.encode(), capture_output=True, check=True
        ).stdout

    def set_up(self, manifest: str) -> None:
        """The repository with a manifest and the two programs that the job calls."""
        self.program("admin/keep-new-keys", KEEP)
        self.program("admin/deliver", DELIVER)
        (self.admin / "pki.yaml").write_text(manifest)
        self.commit(lambda folder: None)

    def make_authority(self) -> None:
        """What the page has somebody do once, by hand."""
        environ = self.environ(EDGECERTS_CA_PASSWORD=CA_PASSWORD)
        who = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com"}
        who |= {"GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com"}
        ended = self.shell(block("Once: the authority", "bash"), self.admin, environ | who)
        assert ended.code == 0, ended.out
        pin = ended.out.partition("fingerprint: ")[2].split()[0]
        self.commit(replaced("Plant Edge CA\n", f"Plant Edge CA\n  fingerprint: {pin}\n"))
        key = self.folder / "ca.key"
        self.secrets = {"EDGECERTS_CA_KEY": key.read_text(), "EDGECERTS_CA_PASSWORD": CA_PASSWORD}
        key.unlink()

    def request(self, folder: Path, address: str) -> None:
        """A host makes its key, and its request is put into the repository."""
        manifest = parse_manifest((folder / "pki.yaml").read_bytes(), source="pki.yaml")
        identities = {identity.address: identity for identity in build_graph(manifest).end_entities}
        self.hosts[address] = ec.generate_private_key(ec.SECP256R1())
        (folder / "requests").mkdir(exist_ok=True)
        place = folder / "requests" / f"{address.partition('/')[2]}.csr"
        place.write_bytes(build_request(identities[address].certificate.spec, self.hosts[address]))


def replaced(old: str, new: str) -> Callable[[Path], None]:
    """A change of the manifest."""

    def change(folder: Path) -> None:
        manifest = folder / "pki.yaml"
        assert old in manifest.read_text()
        manifest.write_text(manifest.read_text().replace(old, new))

    return change


@pytest.fixture(params=sorted(JOBS))
def forge(request: pytest.FixtureRequest, tmp_path: Path) -> Forge:
    return Forge(folder=tmp_path, job=JOBS[request.param])


@pytest.fixture
def github(tmp_path: Path) -> Forge:
    """For what does not depend on the forge: the shell lines of both are the same."""
    return Forge(folder=tmp_path, job=github_job)


def names_of(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def delivered(forge: Forge) -> dict[str, set[str]]:
    """By commit the addresses of those that were given something."""
    found: dict[str, set[str]] = {}
    for path in (forge.folder / "delivered").iterdir():
        addresses = {delivery["address"] for delivery in json.loads(path.read_text())["deliver"]}
        if addresses:
            found.setdefault(path.name.partition("-")[0], set()).update(addresses)
    return found


def walk(forge: Forge, add: Callable[[Path], None]) -> None:
    """Add a client, change an alternative name, let everything expire: plan without secrets, apply with them."""
    assert forge.review(add).code == 0
    forge.apply()
    broker = forge.certificate("brokers/plant-a/server.pem")
    assert names_of(broker) == ["10.3.0.11", "broker.plant-a.example"]

    planned = forge.review(replaced("broker.plant-a.example]", "broker.plant-a.example, mqtt.example]"))
    assert (planned.code, "alt-names-changed" in planned.shown) == (0, True)
    forge.apply()
    changed = forge.certificate("brokers/plant-a/server.pem")
    assert names_of(changed) == ["10.3.0.11", "broker.plant-a.example", "mqtt.example"]
    assert spki(changed.public_key()) == spki(broker.public_key())

    forge.now = NOW + timedelta(days=830)
    planned = forge.review(replaced("version: 1\n", "# Nothing else is new.\nversion: 1\n"))
    assert (planned.code, "expired" in planned.shown) == (0, True)
    forge.apply()
    renewed = forge.certificate("brokers/plant-a/server.pem")
    assert renewed.not_valid_after_utc > forge.now + timedelta(days=800)
    assert spki(renewed.public_key()) == spki(broker.public_key())
    for path in ("brokers/plant-a/server.pem", "clients/gateway-1/client.pem", "clients/gateway-2/client.pem"):
        forge.certificate(path).verify_directly_issued_by(forge.certificate("ca/ca.pem"))
    assert delivered(forge)[forge.tip] == {"broker/plant-a", "client/gateway-1", "client/gateway-2"}
    for program in ("deliver", "keep-new-keys"):
        if (given := forge.folder / f"environment-of-{program}").exists():
            assert "EDGECERTS_CA" not in given.read_text()
    assert set((forge.folder / "pip").read_text().split("\n")) == {"install --quiet edgecerts==0.1.0", ""}


def test_keys_that_are_made_on_their_hosts(forge: Forge) -> None:
    forge.set_up(MANIFEST)
    forge.make_authority()
    planned = forge.review(lambda folder: forge.request(folder, "broker/plant-a"))
    assert planned.code == 0
    assert spki_sha256(forge.hosts["broker/plant-a"].public_key())[:12] in planned.shown
    assert "client/gateway-1" in planned.shown, "it waits for its host"
    forge.apply()

    def add(folder: Path) -> None:
        replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n")(folder)
        forge.request(folder, "client/gateway-1")
        forge.request(folder, "client/gateway-2")

    walk(forge, add)
    for address, key in forge.hosts.items():
        kind, _, name = address.partition("/")
        stem = "server" if kind == "broker" else "client"
        certificate = forge.certificate(f"{kind}s/{name}/{stem}.pem")
        assert spki(certificate.public_key()) == spki(key.public_key())
    assert b"PRIVATE KEY" not in forge.history()
    assert list((forge.folder / "vault").iterdir()) == []


def test_keys_that_are_delivered(github: Forge) -> None:
    github.set_up(MANIFEST.replace("key_held: csr", "key_held: delivered"))
    github.make_authority()
    vault = github.folder / "vault"
    (github.folder / "broken-store").touch()
    github.commit(replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n"))
    before = github.tip
    assert github.run("apply").code == 1
    assert github.tip == before, "a certificate whose key is safe nowhere is not published"
    assert not list(vault.iterdir())
    (github.folder / "broken-store").unlink()
    walk(github, replaced("version: 1\n", "# It is safe again.\nversion: 1\n"))
    certificate = github.certificate("clients/gateway-2/client.pem")
    key = load_pem_private_key((vault / "clients/gateway-2/client.key").read_bytes(), None)
    assert spki(certificate.public_key()) == spki(key.public_key())
    assert b"PRIVATE KEY" not in github.history()


def test_keys_that_are_committed_encrypted(github: Forge) -> None:
    manifest = MANIFEST.replace("  private_key: {env: EDGECERTS_CA_KEY}\n", "")
    manifest = manifest.replace("key_held: csr", "password: {env: EDGECERTS_KEY_PASSWORD}")
    github.without = NEW_KEYS
    github.secrets = {"EDGECERTS_CA_PASSWORD": CA_PASSWORD, "EDGECERTS_KEY_PASSWORD": KEY_PASSWORD}
    github.set_up(manifest)
    github.apply()
    walk(github, replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n"))
    for stem, password in (("ca/ca", CA_PASSWORD), ("clients/gateway-2/client", KEY_PASSWORD)):
        key = load_pem_private_key(github.file(f"pki/{stem}.key"), password.encode())
        assert spki(key.public_key()) == spki(github.certificate(f"{stem}.pem").public_key())
    assert b"BEGIN PRIVATE KEY" not in github.history()


def test_a_rejected_push_is_thrown_away_and_started_again(forge: Forge) -> None:
    forge.set_up(MANIFEST.replace("key_held: csr", "key_held: delivered"))
    forge.make_authority()
    forge.commit(replaced("10.3.0.11", "10.3.0.12"))
    forge.commit(replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n"), branch="faster")
    (forge.folder / "somebody-is-faster").touch()
    log = len(forge.file("pki/issued/2026.jsonl").splitlines())
    ended = forge.run("apply")
    assert ended.code == 0
    assert "attempt 1 is thrown away" in ended.out
    assert forge.git(forge.origin, "rev-parse", "main^") == forge.git(forge.origin, "rev-parse", "faster")
    assert names_of(forge.certificate("brokers/plant-a/server.pem"))[0] == "10.3.0.12"
    assert len(forge.file("pki/issued/2026.jsonl").splitlines()) == log + 2
    assert delivered(forge) == {forge.tip: {"broker/plant-a", "client/gateway-2"}}
    kept = load_pem_private_key((forge.folder / "vault/clients/gateway-2/client.key").read_bytes(), None)
    assert spki(kept.public_key()) == spki(forge.certificate("clients/gateway-2/client.pem").public_key())


def test_a_push_that_is_refused_for_another_reason_is_not_tried_again(github: Forge) -> None:
    github.set_up(MANIFEST.replace("key_held: csr", "key_held: delivered"))
    github.make_authority()
    github.commit(replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n"))
    tip = github.tip
    (github.folder / "protected").touch()
    ended = github.run("apply")
    assert (ended.code, github.tip, "main has moved" in ended.out) == (1, tip, False), ended.out
    assert (github.folder / "kept-at").exists()


def test_what_could_not_be_delivered_is_delivered_by_the_next_run(github: Forge) -> None:
    github.set_up(MANIFEST)
    github.make_authority()
    github.commit(lambda folder: github.request(folder, "broker/plant-a"))
    (github.folder / "no-way-to-the-hosts").touch()
    assert github.run("apply").code == 7
    assert not list((github.folder / "delivered").iterdir())
    (github.folder / "no-way-to-the-hosts").unlink()
    assert github.run("apply").code == 0
    (report,) = (github.folder / "delivered").iterdir()
    assert report.name.startswith(github.tip)


def test_the_number_of_a_backup_is_that_of_the_authority(github: Forge) -> None:
    (command,) = re.findall(r"`(openssl pkey -in \.\./ca\.key[^`]*)`", PAGE)
    github.set_up(MANIFEST)
    github.make_authority()
    (github.folder / "ca.key").write_text(github.secrets["EDGECERTS_CA_KEY"])
    command = command.replace("-in ", f"-passin pass:{CA_PASSWORD} -in ")
    found = github.shell(command, github.admin, github.environ()).out.split()[-1]
    assert found == spki_sha256(github.certificate("ca/ca.pem").public_key())
    assert f"fingerprint: sha256:{found}" in github.file("pki.yaml").decode()


def test_new_keys_are_kept_before_the_push(github: Forge) -> None:
    github.set_up(MANIFEST.replace("key_held: csr", "key_held: delivered"))
    github.make_authority()
    github.commit(replaced("  gateway-1:\n", "  gateway-1:\n  gateway-2:\n"))
    before = github.tip
    assert github.run("apply").code == 0
    assert (github.folder / "kept-at").read_text().strip() == before != github.tip


def test_a_job_without_its_secrets_or_with_others_changes_nothing(github: Forge) -> None:
    github.set_up(MANIFEST)
    github.make_authority()
    github.commit(lambda folder: github.request(folder, "broker/plant-a"))
    right, tip = github.secrets, github.tip
    another = encode_private_key(ec.generate_private_key(ec.SECP256R1()), None).decode("ascii")
    for secrets, words in (
        ({}, "environment variable EDGECERTS_CA_KEY, the authority's private key, is empty"),
        (
            {**right, "EDGECERTS_CA_KEY": ""},
            "environment variable EDGECERTS_CA_KEY, the authority's private key, is empty",
        ),
        ({**right, "EDGECERTS_CA_KEY": another}, "is not encrypted, and the manifest declares a password"),
        ({**right, "EDGECERTS_CA_PASSWORD": "another password"}, "the password does not open the private key"),
    ):
        github.secrets = secrets
        ended = github.run("apply")
        assert (ended.code, words in ended.out, github.tip) == (1, True, tip), ended.out
    # Nor is another authority made where all that is known of the old one is gone.
    github.commit(lambda folder: shutil.rmtree(folder / "pki"))
    tip = github.tip
    github.secrets = {}
    ended = github.run("apply")
    assert (ended.code, "--new-ca-key-to" in ended.out, github.tip) == (1, True, tip)
    github.commit(replaced("  password: {env: EDGECERTS_CA_PASSWORD}\n", ""))
    tip = github.tip
    github.secrets = {"EDGECERTS_CA_KEY": another}
    ended = github.run("apply")
    assert (ended.code, "not the authority that the manifest pins" in ended.out, github.tip) == (1, True, tip)


def test_what_cannot_be_done_fails_in_review_and_is_reported_there(forge: Forge) -> None:
    forge.set_up(MANIFEST)
    forge.make_authority()
    planned = forge.review(
        replaced("  gateway-1:\n", "  gateway-1: {key_held: delivered, not_after: 2020-01-01T00:00:00Z}\n")
    )
    assert (planned.code, "not-after-passed" in planned.shown) == (1, True)
    ended = forge.run("apply")
    assert (ended.code, "not_after" in ended.out) == (1, True), ended.out
    planned = forge.review(replaced("gateway-1:", "gateway 1:"))
    assert (planned.code, "gateway 1" in planned.out) == (1, True)


def test_what_could_be_done_is_committed_although_the_job_fails(github: Forge) -> None:
    github.set_up(MANIFEST)
    github.make_authority()

    def change(folder: Path) -> None:
        late = "  gateway-1: {key_held: delivered, not_after: 2020-01-01T00:00:00Z}\n"
        replaced("  gateway-1:\n", late)(folder)
        github.request(folder, "broker/plant-a")

    github.commit(change)
    ended = github.run("apply")
    assert ended.code == 1
    broker = github.certificate("brokers/plant-a/server.pem")
    assert spki(broker.public_key()) == spki(github.hosts["broker/plant-a"].public_key())
    assert "broker/plant-a" in delivered(github)[github.tip]


def test_planning_a_strangers_branch_runs_nothing(github: Forge) -> None:
    github.set_up(MANIFEST)
    github.make_authority()
    touched = github.folder / "touched"
    hostile = f"private_key: {{command: [touch, {touched}]}}"
    planned = github.review(replaced("private_key: {env: EDGECERTS_CA_KEY}", hostile))
    assert planned.code == 0
    assert not touched.exists()


def test_the_results_on_a_branch_of_their_own(github: Forge) -> None:
    github.set_up(MANIFEST)
    github.make_authority()
    github.git(github.origin, "branch", "state", "main")
    github.commit(lambda folder: github.request(folder, "broker/plant-a"))
    before = github.tip
    script = block("A branch of its own for the results", "bash")
    states = []
    for run in ("first", "second"):
        place = github.folder / run
        github.git(github.folder, "clone", "--quiet", str(github.origin), str(place))
        environ = github.environ(TMPDIR=str(github.folder), **github.secrets)
        ended = github.shell(script, place, environ)
        assert ended.code == 0, ended.out
        states.append(github.git(github.origin, "rev-parse", "state"))
    assert states[0] == states[1] != f"{before}\n"
    assert github.tip == before
    shown = github.git(github.origin, "show", "state:pki/brokers/plant-a/server.pem")
    certificate = x509.load_pem_x509_certificate(shown.encode())
    assert spki(certificate.public_key()) == spki(github.hosts["broker/plant-a"].public_key())
    github.commit(replaced("  gateway-1:\n", "  gateway-1: {key_held: delivered}\n"))
    github.git(github.folder, "clone", "--quiet", str(github.origin), str(github.folder / "third"))
    assert github.shell(script, github.folder / "third", environ).code == 0
    shown = github.git(github.origin, "show", "state:pki/clients/gateway-1/client.pem")
    kept = load_pem_private_key((github.folder / "vault/clients/gateway-1/client.key").read_bytes(), None)
    assert spki(kept.public_key()) == spki(x509.load_pem_x509_certificate(shown.encode()).public_key())
    assert not list(github.folder.glob("tmp.*"))


def test_the_job_files_keep_to_what_the_page_says() -> None:
    plan, apply = GITHUB["jobs"]["plan"], GITHUB["jobs"]["apply"]
    assert set(GITHUB["on"]) == {"pull_request", "push", "schedule", "workflow_dispatch"}
    assert GITHUB["permissions"] == {}
    assert (plan["permissions"], apply["permissions"]) == ({"contents": "read"}, {"contents": "write"})
    assert "secrets." not in json.dumps(plan)
    assert apply["concurrency"] == {"group": "edgecerts-apply", "cancel-in-progress": "false"}
    assert apply["environment"] == "edgecerts"
    assert apply["steps"][0]["with"]["ref"] == "main"
    assert "refs/heads/main" in apply["if"]
    assert GITLAB["apply"]["resource_group"] == "edgecerts-apply"
    assert GITLAB["apply"]["interruptible"] == "false"
    assert 'CI_COMMIT_BRANCH == "main"' in GITLAB["apply"]["rules"][0]["if"]
    assert GITLAB["plan"]["artifacts"]["paths"] == ["plan.md"]
    same = [job("apply").script.partition("for attempt")[2] for job in JOBS.values()]
    assert same[0].rstrip() == same[1].rstrip(), "both forges do the same"
