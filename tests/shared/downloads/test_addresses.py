from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from shared.downloads.addresses import allowed, is_loopback
from shared.errors import InvalidInput, Unavailable


@pytest.mark.parametrize("url", ["https://93.184.215.14/m.gguf", "https://[2606:2800:21f:cb07::1]/m.gguf"])
def test_public_addresses_over_https_are_allowed(url: str) -> None:
    assert [str(address) for address in allowed(url, loopback=False)] == [urlsplit(url).hostname]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/m", "https://localhost/m", "http://[::1]/m"])
def test_this_machine_is_allowed_only_when_it_was_asked_for(url: str) -> None:
    assert is_loopback(url)
    assert all(address.is_loopback for address in allowed(url, loopback=True))
    with pytest.raises(InvalidInput):
        allowed(url, loopback=False)


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
        *("[fe80::1]", "[fd00::1]", "[::]", "[::ffff:192.168.0.1]", "[2002:0a00:0001::1]", "[64:ff9b::a00:1]"),
    ],
)
def test_no_private_address_is_reached_by_any_spelling(host: str) -> None:
    with pytest.raises(InvalidInput):
        allowed(f"https://{host}/m", loopback=True)


def test_an_unknown_name_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        allowed("https://no-such-host.invalid/m", loopback=False)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost.", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_known_however_it_is_spelled(host: str) -> None:
    with pytest.raises((InvalidInput, Unavailable)):
        allowed(f"https://{host}/m", loopback=False)
