"""What users may write as an address, what it means, and what they are told when it is not one."""

from __future__ import annotations

import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotswap.errors import AddressError
from hotswap.system.addresses import Address, keys, parse, parse_all

ports = st.integers(0, 65535)
labels = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
host_names = st.lists(labels, min_size=1, max_size=4).map(".".join)
ipv4 = st.ip_addresses(v=4).map(str)
ipv6 = st.ip_addresses(v=6).map(str)
printable = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["Cc", "Zs"])
paths = st.text(printable, min_size=1, max_size=90).filter(lambda path: path != "@" and not path.endswith("/"))


@pytest.mark.parametrize(
    ("written", "text", "family", "host", "port"),
    [
        ("127.0.0.1:4242", "127.0.0.1:4242", socket.AF_INET, "127.0.0.1", 4242),
        (":80", "0.0.0.0:80", socket.AF_INET, "0.0.0.0", 80),
        ("tcp://127.0.0.1:80", "127.0.0.1:80", socket.AF_INET, "127.0.0.1", 80),
        ("127.0.0.1", "127.0.0.1:5000", socket.AF_INET, "127.0.0.1", 5000),
        ("localhost:0", "localhost:0", socket.AF_INET, "localhost", 0),
        ("Example.COM:443", "example.com:443", socket.AF_UNSPEC, "example.com", 443),
        ("db_1.internal.:81", "db_1.internal.:81", socket.AF_UNSPEC, "db_1.internal.", 81),
        ("[::1]:80", "[::1]:80", socket.AF_INET6, "::1", 80),
        ("[::]", "[::]:5000", socket.AF_INET6, "::", 5000),
        ("[0:0::0001]:007", "[::1]:7", socket.AF_INET6, "::1", 7),
        ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80", socket.AF_INET6, "fe80::1%eth0", 80),
        (" 127.0.0.1:80\n", "127.0.0.1:80", socket.AF_INET, "127.0.0.1", 80),
    ],
)
def test_tcp_address_has_one_canonical_text(written: str, text: str, family: int, host: str, port: int) -> None:
    """Different ways to write one TCP address come to the same text, by which its listener is known later."""
    assert parse(written) == Address(text, family, host=host, port=port)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("unix:/run/app.sock", "/run/app.sock"),
        ("unix:///run/app.sock", "/run/app.sock"),
        ("unix:////run/app.sock", "/run/app.sock"),
        ("unix:app.sock", "app.sock"),
        ("unix:@app", "@app"),
        ("unix:/a path/with:all,signs=1;#%", "/a path/with:all,signs=1;#%"),
    ],
)
def test_unix_address_is_a_path_or_an_abstract_name(written: str, path: str) -> None:
    """What follows `unix:` is the path as it is; gunicorn's `unix://` means the same."""
    assert parse(written) == Address(f"unix:{path}", socket.AF_UNIX, path=path)


def test_fd_address_is_a_number_or_a_name() -> None:
    """fd://N is a descriptor that is open already, fd://NAME one that systemd passes under this name."""
    assert parse("fd://03") == Address("fd://3", socket.AF_UNSPEC, fd=3)
    assert parse("fd://web.socket") == Address("fd://web.socket", socket.AF_UNSPEC, fd_name="web.socket")


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "an address is empty: write host:port, as in 127.0.0.1:5000"),
        ("4242", "address '4242' is only a number: write :4242 or 127.0.0.1:4242"),
        ("http://host:80/path", "address 'http://host:80/path' is a URL: write only host:80"),
        ("https://", "address 'https://' is a URL: write only 127.0.0.1:5000"),
        ("/run/x.sock", "address '/run/x.sock' is a path: write unix: before it to listen on a unix socket"),
        ("::1", "address '::1' is an IPv6 address without brackets: write [::1]:5000"),
        ("1:2:3", "address '1:2:3' has more than one colon: write host:port, or [address]:port for IPv6"),
        ("host:", "address 'host:' has no port: '' is not a number from 0 to 65535"),
        ("host:http", "address 'host:http' has no port: 'http' is not a number from 0 to 65535"),
        ("host:65536", "address 'host:65536' has no port: '65536' is not a number from 0 to 65535"),
        ("host:-1", "address 'host:-1' has no port: '-1' is not a number from 0 to 65535"),
        ("host:1_0", "address 'host:1_0' has no port: '1_0' is not a number from 0 to 65535"),
        ("host:\u0663", "address 'host:\u0663' has no port: '\u0663' is not a number from 0 to 65535"),
        ("*:80", "address '*:80' has no host name in it: write :80 for every IPv4 address"),
        ("a b:80", "address 'a b:80' has no host name in it: 'a b' is not one"),
        ("-a:80", "address '-a:80' has no host name in it: '-a' is not one"),
        ("a..b:80", "address 'a..b:80' has no host name in it: 'a..b' is not one"),
        (
            "b\u00fccher.example:80",
            "address 'b\u00fccher.example:80' has no host name in it: 'b\u00fccher.example' is not one",
        ),
        ("127.1:80", "address '127.1:80' has no IPv4 address: '127.1' is not four numbers from 0 to 255"),
        (
            "1.2.3.256:80",
            "address '1.2.3.256:80' has no IPv4 address: '1.2.3.256' is not four numbers from 0 to 255",
        ),
        (
            "0x7f000001:80",
            "address '0x7f000001:80' has no IPv4 address: '0x7f000001' is not four numbers from 0 to 255",
        ),
        (
            "[1.2.3.4]:80",
            "address '[1.2.3.4]:80' has no IPv6 address in its brackets: write it as in [::1]:80",
        ),
        ("[::1:80", "address '[::1:80' has no IPv6 address in its brackets: write it as in [::1]:80"),
        ("[::1]80", "address '[::1]80' has no IPv6 address in its brackets: write it as in [::1]:80"),
        ("[::1%]:80", "address '[::1%]:80' has no IPv6 address in its brackets: write it as in [::1]:80"),
        ("unix:", "address 'unix:' has no path: write unix:/path/to/socket or unix:@name"),
        ("unix:@", "address 'unix:@' has no path: write unix:/path/to/socket or unix:@name"),
        ("unix:/run/", "address 'unix:/run/' is a directory: add a file name, as in unix:/run/app.sock"),
        ("unix:/a\0b", "address 'unix:/a\\x00b' has a control character in it: remove it"),
        ("fd://", "address 'fd://' names no file descriptor: write fd:// and a number, as in fd://3"),
        ("fd://-1", "address 'fd://-1' names no file descriptor: write fd:// and a number, as in fd://3"),
        (
            "fd://1234567890",
            "address 'fd://1234567890' names no file descriptor: write fd:// and a number, as in fd://3",
        ),
    ],
)
def test_what_is_not_an_address_is_refused_with_what_to_write(written: str, sentence: str) -> None:
    """Each mistake has a sentence of its own that names the text and the remedy."""
    with pytest.raises(AddressError) as caught:
        parse(written)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (8000, "8000 is not an address: write a text, as in ':8000'"),
        (None, "None is not an address: write a text, as in '127.0.0.1:5000'"),
        (b":80", "b':80' is not an address: write a text, as in '127.0.0.1:5000'"),
        (("127.0.0.1", 8000), "8000 is not an address: write a text, as in ':8000'"),
    ],
)
def test_what_is_not_a_text_is_refused(value: object, sentence: str) -> None:
    """A port alone, or Python's own (host, port), is refused instead of being guessed at."""
    with pytest.raises(AddressError) as caught:
        parse_all(value)  # type: ignore[arg-type]  # what users without a type checker do
    assert str(caught.value) == sentence


def test_several_addresses_come_as_a_list_or_with_commas() -> None:
    """A text may hold several addresses, as gunicorn's `bind`; in a list a comma belongs to the path."""
    assert [address.text for address in parse_all(":80, unix:/a , [::1]:80,")] == [
        "0.0.0.0:80",
        "unix:/a",
        "[::1]:80",
    ]
    assert [address.text for address in parse_all(["unix:/a,b"])] == ["unix:/a,b"]


@pytest.mark.parametrize("spec", ["", " , ", []])
def test_no_address_at_all_is_refused(spec: str | list[str]) -> None:
    """An empty text or list is a mistake: the default applies only where no address is given."""
    with pytest.raises(AddressError, match="no address to listen at: write host:port"):
        parse_all(spec)


@pytest.mark.parametrize("spec", [":80,0.0.0.0:80", "unix:/a,unix:///a", "fd://3,fd://3"])
def test_the_same_address_twice_is_refused(spec: str) -> None:
    """One address has one listener, however differently it is written."""
    with pytest.raises(AddressError, match=r"address .* is given twice: remove one of the two"):
        parse_all(spec)


def test_port_0_may_come_again_and_its_listeners_get_different_keys() -> None:
    """Every port 0 is another port; position tells the listeners apart across generations."""
    addresses = parse_all(["127.0.0.1:0", "127.0.0.1:80", "127.0.0.1:0", "127.0.0.1:0"])
    assert keys(addresses) == ["127.0.0.1:0", "127.0.0.1:80", "127.0.0.1:0#2", "127.0.0.1:0#3"]


@given(host=st.one_of(ipv4, host_names), port=ports)
def test_every_host_and_port_is_taken_as_it_is(host: str, port: int) -> None:
    """host:port gives back exactly this host and this port."""
    address = parse(f"{host}:{port}")
    assert (address.host, address.port, address.text) == (host, port, f"{host}:{port}")


@given(host=ipv6, port=ports)
def test_every_ipv6_address_is_taken_in_any_spelling(host: str, port: int) -> None:
    """Spelled out in full, an IPv6 address is the same listener as in its short form."""
    words = socket.inet_pton(socket.AF_INET6, host).hex(":", 2)
    address = parse(f"[{words.upper()}]:{port}")
    assert address == parse(f"[{host}]:{port}")
    assert socket.inet_pton(socket.AF_INET6, address.host) == socket.inet_pton(socket.AF_INET6, host)


@given(path=paths)
@example("//x")
@example("/")
def test_every_unix_path_survives(path: str) -> None:
    """A path keeps its blanks, colons, commas and signs; only slashes at its start are counted as one."""
    if path.strip("/"):
        expected = "/" + path.lstrip("/") if path.startswith("/") else path
        assert parse(f"unix://{path}" if path.startswith("//") else f"unix:{path}").path == expected


@given(text=st.text(max_size=40))
@example("unix:////x")
@example("[::ffff:1.2.3.4%x]:1")
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    """Whatever is written, it is refused with a sentence, or its canonical text means the same address."""
    try:
        address = parse(text)
    except AddressError as error:
        sentence = str(error)
    else:
        sentence = "no error"
        assert parse(address.text) == address
    assert sentence.splitlines() == [sentence]


@given(texts=st.lists(st.sampled_from([":0", "[::1]:0", "localhost:0", ":1", "unix:/a", "fd://3"]), max_size=8))
def test_keys_are_never_the_same(texts: list[str]) -> None:
    """No two listeners of a server share a key, so a handoff can name each of them."""
    addresses = [parse(text) for text in texts if text.endswith(":0")]
    addresses += [parse(text) for text in {text for text in texts if not text.endswith(":0")}]
    assert len(set(keys(addresses))) == len(addresses)
