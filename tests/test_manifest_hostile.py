"""Texts that nobody writes by accident, or that are too large or too strange for a case file."""

import pytest

from edgecerts.errors import ManifestError
from edgecerts.manifest import MAX_MANIFEST_BYTES, parse_manifest, yaml_text
from edgecerts.report.problems import render_problems

START = b"version: 1\nca: {common_name: CA}\n"


def problems_of(data: bytes) -> list[str]:
    """The lines that are printed for a manifest with mistakes."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(data, source="pki.yaml")
    return render_problems(caught.value).splitlines()


@pytest.fixture(params=["libyaml", "pure Python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers: PyYAML is not always built with libyaml."""
    if request.param == "pure Python":
        monkeypatch.delattr("yaml.CSafeLoader", raising=False)


EMPTY = "pki.yaml:1:1: the manifest is empty; `edgecerts init` writes one to start from"


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"# only\n# comments\n", b"---\n", b"~\n", b"\xef\xbb\xbf", b"---\n...\n"]
)
@pytest.mark.usefixtures("_parser")
def test_an_empty_manifest_is_a_mistake(data: bytes) -> None:
    assert problems_of(data) == [EMPTY]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"[" * 30_000, "1:33"),
        (b"a: " + b"[" * 30_000, "1:35"),
        (b"- " * 30_000, "1:65"),
        (b"a:\n" + b"".join(b" " * depth + b"k:\n" for depth in range(1, 500)), "33:33"),
        (b"[" * 30_000 + b"]" * 30_000, "1:33"),
    ],
    ids=["brackets", "brackets under a key", "dashes", "blocks", "closed brackets"],
)
def test_deep_nesting_is_refused_before_it_is_read(data: bytes, place: str) -> None:
    """libyaml's own loader dies of 30,000 brackets with a segmentation fault."""
    assert problems_of(data) == [f"pki.yaml:{place}: nested more than 32 levels deep"]


@pytest.mark.parametrize("data", [b"{" * 30_000, b"? " * 30_000], ids=["braces", "question marks"])
def test_deep_keys_are_refused_once(data: bytes) -> None:
    assert len(problems_of(data)) == 2


def test_32_levels_are_not_too_deep() -> None:
    lines = problems_of(b"a: " + b"[" * 31 + b"]" * 31 + b"\n")
    assert [line for line in lines if "nested" in line] == []


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    """Ten levels of ten aliases are ten thousand million values to a parser that expands them."""
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"]
    levels += [b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 11)]
    lines = problems_of(START + b"".join(levels))
    assert sum("anchors are not used" in line for line in lines) == 10  # the last one stands behind the first hundred
    assert lines[-1] == "pki.yaml: 22 more mistakes"


def test_a_list_that_holds_itself_is_refused() -> None:
    lines = problems_of(START + b"clients: {c: {alt_names: &a [*a]}}\n")
    assert [line.split(";")[0] for line in lines] == [
        "pki.yaml:3:26: anchors are not used in a manifest",
        "pki.yaml:3:30: aliases are not used in a manifest",
    ]


def test_a_manifest_has_at_most_32_mib() -> None:
    filler = b"#" + b"x" * 1_000_000 + b"\n"
    too_large = START + filler * 50
    assert problems_of(too_large) == ["pki.yaml:1:1: the manifest is larger than 32 MiB; split it"]
    assert MAX_MANIFEST_BYTES == 32 * 1024 * 1024


def test_a_manifest_of_32_mib_is_read() -> None:
    data = START + b"#"
    manifest = parse_manifest(data + b"x" * (MAX_MANIFEST_BYTES - len(data)), source="pki.yaml")
    assert manifest.authorities[0].subject.common_name == "CA"


def test_the_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_NODES", 1_000)
    assert problems_of(b"[" + b"a," * 2_000 + b"]") == ["pki.yaml:1:2000: more than 1,000 values"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"version: 1\nca: {common_name: Z\xfcrich}\n", "2:20: the byte 0xfc is not UTF-8"),
        (b"version: 1\nca: \xc3\xbc\xc3\n", "2:6: the byte 0xc3 is not UTF-8"),
        (b"\xc0\x80", "1:1: the byte 0xc0 is not UTF-8"),
        (b"a: \xed\xa0\x80", "1:4: the byte 0xed is not UTF-8"),
        (b"\r\n\r\n \xff", "3:2: the byte 0xff is not UTF-8"),
    ],
    ids=["Latin-1", "half a character", "an overlong form", "a surrogate", "after Windows line ends"],
)
def test_a_byte_that_is_not_utf_8_has_a_position(data: bytes, line: str) -> None:
    assert problems_of(data) == [f"pki.yaml:{line}; save the manifest as UTF-8"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_other_encodings_are_named(encoding: str) -> None:
    """What PowerShell's `>` writes."""
    data = START.decode().encode(encoding)
    assert problems_of(data) == ["pki.yaml:1:1: the manifest is UTF-16 or UTF-32; save it as UTF-8"]


@pytest.mark.parametrize(
    "character", ["\x00", "\x07", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\ufeff", "\ufffe"]
)
def test_characters_that_nobody_sees_are_refused(character: str) -> None:
    """Also in comments: what a reviewer reads must be what is there."""
    data = START + f"# a{character}b\n".encode()
    code = f"U+{ord(character):04X}"
    assert problems_of(data) == [f"pki.yaml:3:4: the invisible character {code} cannot stand in a manifest; remove it"]


@pytest.mark.parametrize("text", ["\xa0", "\u200f", "\u3000", "\U0001f600", "\ud7ff", "\ue000", "\ufdd0"])
def test_other_characters_may_stand_in_comments(text: str) -> None:
    parse_manifest(START + f"# a{text}b\n".encode(), source="pki.yaml")


@pytest.mark.parametrize("escape", ["\\0", "\\a", "\\e", "\\x7f", "\\N", "\\x9b"])
@pytest.mark.usefixtures("_parser")
def test_escapes_do_not_bring_control_characters_back(escape: str) -> None:
    """In a key, in a value, and where nothing else is checked."""
    data = START + f'clients: {{"a{escape}": , b: {{password: {{command: [x, "{escape}"]}}}}}}\n'.encode()
    message = "the text holds a control character; remove the escape that makes it"
    assert [line.split(": ", 1)[1] for line in problems_of(data)] == [message, message]


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\U00110000", "\\xg0", "\\q"])
@pytest.mark.usefixtures("_parser")
def test_escapes_that_are_no_characters_are_refused(escape: str) -> None:
    (line,) = problems_of(START + f'output: "{escape}"\n'.encode())
    assert line.startswith(("pki.yaml:3:", "pki.yaml:1:1: this is not valid YAML"))


@pytest.mark.parametrize("data", [b"*a\n", b"&a\n", b"!a\n", b"'x'\n", b"|\n  x\n", b"[]\n", b'"\\0"\n', b"&a {}\n"])
@pytest.mark.usefixtures("_parser")
def test_a_manifest_is_a_mapping(data: bytes) -> None:
    assert problems_of(data)[0].startswith("pki.yaml:1:1: ")


@pytest.mark.parametrize("indent", ["\t", " \t", "\t "])
@pytest.mark.usefixtures("_parser")
def test_a_tab_in_the_indentation_is_named(indent: str) -> None:
    (line,) = problems_of(START + f"clients:\n{indent}a:\n".encode())
    column = indent.index("\t") + 1
    assert line == f"pki.yaml:4:{column}: a tab is used for indentation; YAML indents with spaces only"


def test_a_tab_between_words_is_no_mistake() -> None:
    manifest = parse_manifest(b"version:\t1\t# one\nca: {common_name:\tCA}\n", source="pki.yaml")
    assert manifest.authorities[0].subject.common_name == "CA"


@pytest.mark.parametrize("key", ["k" * 1_000, "k" * 100_000, "\u00e4" * 1_000], ids=["1,000", "100,000", "not ASCII"])
def test_long_words_are_not_repeated_at_length(key: str) -> None:
    data = (
        START
        + f"? {key}\n: 1\n? clients\n: {{c: {{common_name: {key}, alt_names: [{key}], key_type: {key}}}}}\n".encode()
    )
    assert max(len(line) for line in problems_of(data)) < 400


@pytest.mark.parametrize("prefix", ["", "uri:", "email:", "dns:"])
@pytest.mark.parametrize("text", ["x y" * 500, "\u2603" * 500, "a@b@" * 500, "x/" * 500])
def test_long_alternative_names_are_cut(prefix: str, text: str) -> None:
    data = START + f"clients: {{c: {{alt_names: ['{prefix}{text}']}}}}\n".encode()
    assert max(len(line) for line in problems_of(data)) < 350


@pytest.mark.parametrize(
    "text", ["10\u30020\u30020\u30021", "\uff11\uff10.0.0.1", "broker.\uff11", "1.2.3", "example.4"]
)
def test_a_name_that_ends_with_a_number_is_no_host_name(text: str) -> None:
    """Also where the digits or the dots are full-width, which an A-label does not keep."""
    (line,) = problems_of(START + f"clients: {{c: {{alt_names: [{text}]}}}}\n".encode())
    assert line.startswith(f"pki.yaml:3:27: '{text}' is neither a host name nor an IP address; ")


@pytest.mark.parametrize("unknown", [b"k%d: 1\n", b"brokerz%d: 1\n"])
def test_thousands_of_mistakes_are_counted(unknown: bytes) -> None:
    lines = problems_of(START + b"".join(unknown % number for number in range(5_000)))
    assert len(lines) == 101
    assert lines[-1] == "pki.yaml: 4900 more mistakes"


def test_many_clients_of_one_name_are_all_named() -> None:
    clients = b"".join(b"  c%d: {common_name: same}\n" % number for number in range(5_000))
    assert problems_of(START + b"clients:\n" + clients)[-1] == "pki.yaml: 4899 more mistakes"


def test_ten_thousand_clients_are_read() -> None:
    clients = b"".join(b"  c%d: {key_type: rsa-2048, alt_names: [c%d.example]}\n" % (n, n) for n in range(10_000))
    manifest = parse_manifest(START + b"clients:\n" + clients, source="pki.yaml")
    assert (len(manifest.clients), manifest.clients[-1].name) == (10_000, "c9999")
