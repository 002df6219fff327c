"""`apply` end to end: what is made, what is left alone, and what is said."""

import json
import os
import stat

from tests.conftest import SMALL, Project


def test_apply_makes_every_file_of_the_manifest(project: Project) -> None:
    project.write(SMALL)
    project.apply()
    assert sorted(project.files()) == [
        ".edgecerts/lock",
        ".gitattributes",
        ".gitignore",
        "README.txt",
        "brokers/plant-a/ca.pem",
        "brokers/plant-a/server.key",
        "brokers/plant-a/server.pem",
        "ca/ca.key",
        "ca/ca.pem",
        "clients/MyEACM/ca.pem",
        "clients/MyEACM/client.key",
        "clients/MyEACM/client.pem",
        "issued/2026.jsonl",
    ]
