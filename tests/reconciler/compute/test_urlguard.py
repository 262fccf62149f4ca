"""The URL guard: spellings, address classes, exact entries, globs, and the sentences."""

from __future__ import annotations

import ipaddress

import pytest

from reconciler.compute.urlguard import Guard, Refusal, address_class, bare, display, parse_address

GUARD = Guard(flag="--allowed-artifact-hosts")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.0.1", "127.0.0.1"),
        ("0xA9.254.43518", "169.254.169.254"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("0", "0.0.0.0"),
    ],
)
def test_spellings_of_addresses(host: str, address: str) -> None:
    assert parse_address(host) == ipaddress.ip_address(address)


@pytest.mark.parametrize("host", ["a.b", "1.2.3.4.5", "256.1.1.1", "0x.example", "1.2.3.999", "089", "", "4294967296"])
def test_names_are_no_addresses(host: str) -> None:
    assert parse_address(host) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.9.9.9", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("10.0.0.1", ""),
        ("192.168.1.1", ""),
        ("fd00::1", ""),
        ("93.184.216.34", ""),
    ],
)
def test_address_classes(address: str, kind: str) -> None:
    assert address_class(ipaddress.ip_address(address)) == kind


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/x", "only http and https"),
        ("/x", "missing"),
        ("http:///x", "names no host"),
        ("http://127.0.0.1/x", "loopback"),
        ("http://0x7f.1/x", "leads to 127.0.0.1"),
        ("http://localhost/x", "this machine"),
        ("http://LOCALHOST./x", "this machine"),
        ("http://a.localhost/x", "this machine"),
        ("http://[::1]:80/x", "loopback"),
        ("http://0.0.0.0/x", "never connected to"),
        ("http://ho st/x", "space"),
        ("http://host\\@evil/x", "backslash"),
        ("http://h\u24e4st/x", "ASCII"),
        ("http://host:99999/x", "not a URL"),
        ("http://127.0.0.1%2f@x/", "ASCII|not a|DNS"),
    ],
)
def test_refused_urls(url: str, said: str) -> None:
    if url.endswith("@x/"):
        assert GUARD.check_url(url).host == "x"
        return
    with pytest.raises(Refusal, match=said):
        GUARD.check_url(url)


def test_accepted_url_says_where_it_leads() -> None:
    assert GUARD.check_url("http://Source-Controller.flux-system.svc./a.tar.gz") == (
        "http",
        "source-controller.flux-system.svc",
        80,
    )
    assert GUARD.check_url("https://10.0.0.1:8443/x").port == 8443


def test_refusal_names_flag_and_entry_that_would_open_it() -> None:
    with pytest.raises(Refusal, match=r"--allowed-artifact-hosts=127\.0\.0\.1:8080"):
        GUARD.check_url("http://127.1:8080/x")


@pytest.mark.parametrize(
    ("entry", "url", "opened"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080/", True),
        ("127.0.0.1:8080", "http://127.0.0.1:8081/", False),
        ("127.0.0.1", "http://127.0.0.1:9/", True),
        ("127.0.0.1", "http://0x7f000001:9/", True),
        ("127.0.0.1", "http://127.0.0.2/", False),
        ("localhost:80", "http://localhost/", True),
        ("LOCALHOST", "http://localhost:1/", True),
        ("[::1]:80", "http://[::1]/", True),
        ("::1", "http://[::1]:7/", True),
        ("*", "http://127.0.0.1/", False),
        ("127.*", "http://127.0.0.1/", False),
        ("0.0.0.0", "http://0.0.0.0/", False),
    ],
)
def test_exact_entries_open_loopback(entry: str, url: str, opened: bool) -> None:
    guard = Guard.of([entry], flag="--f")
    if opened:
        guard.check_url(url)
    else:
        with pytest.raises(Refusal):
            guard.check_url(url)


def test_an_entry_for_a_name_opens_the_loopback_address_behind_it() -> None:
    guard = Guard.of(["artifacts.local:80"], flag="--f")
    guard.check_address("artifacts.local", 80, ipaddress.ip_address("127.0.0.1"))
    with pytest.raises(Refusal, match=r"other\.local leads to 127\.0\.0\.1, which is loopback"):
        guard.check_address("other.local", 80, ipaddress.ip_address("127.0.0.1"))


def test_narrowing_globs() -> None:
    guard = Guard.of(["*.example.org", "hooks.local"], flag="--allowed-action-hosts", narrow=True)
    guard.check_url("https://a.b.example.org/")
    guard.check_url("https://hooks.local:8443/")
    with pytest.raises(Refusal, match=r"evil\.org matches no entry of --allowed-action-hosts"):
        guard.check_url("https://evil.org/")
    with pytest.raises(Refusal, match="loopback"):
        Guard.of(["*"], flag="--f", narrow=True).check_url("http://127.0.0.1/")


def test_display_strips_credentials_and_query() -> None:
    assert display("https://user:pw@host/p?token=1#f") == "https://host/p"
    assert "pw" not in display("//u:pw@h/x")
    assert len(display("http://h/" + "x" * 500)) == 300
    assert bare("https://user:pw@host/p?token=1#f") == "https://host/p"
    assert len(bare("http://h/" + "x" * 500)) == 509
