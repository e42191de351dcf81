"""Where a host may say that it is reached."""

from __future__ import annotations

import pytest

from shared.errors import Forbidden
from shared.host_address import Origin, is_own

#: Reserved for documentation (RFC 5737, RFC 3849): no machine of ours has them.
_MINI, _OTHER, _MINI_6 = "192.0.2.7", "192.0.2.8", "2001:db8::7"


@pytest.mark.parametrize(
    ("came", "url", "kept"),
    [
        (_MINI, f"http://{_MINI}:9", f"http://{_MINI}:9"),
        (_MINI, f"http://{_MINI}:9/", f"http://{_MINI}:9"),
        (_MINI_6, f"http://[{_MINI_6}]:9", f"http://[{_MINI_6}]:9"),
        (f"::ffff:{_MINI}", f"http://{_MINI}:9", f"http://[::ffff:{_MINI}]:9"),
        ("fe80::1%en0", "http://[fe80::1%utun3]:9", "http://[fe80::1%en0]:9"),
        ("127.0.0.1", "http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("::1", "http://127.0.0.1:9", "http://127.0.0.1:9"),
    ],
)
def test_a_host_is_called_where_it_came_from(came: str, url: str, kept: str) -> None:
    assert Origin(came).confirmed(url) == kept


@pytest.mark.parametrize("name", ["mini.local", "localhost", "metadata.internal", "127.1"])
def test_a_name_is_not_looked_up(name: str) -> None:
    assert Origin(_MINI).confirmed(f"http://{name}:9") == f"http://{_MINI}:9"


@pytest.mark.parametrize("address", [_OTHER, "127.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("came", [_MINI, "", "testclient"])
def test_a_host_sends_nobody_elsewhere(came: str, address: str) -> None:
    with pytest.raises(Forbidden):
        Origin(came).confirmed(f"http://{address}:9")


def test_a_host_of_this_machine_is_not_somewhere_else() -> None:
    with pytest.raises(Forbidden):
        Origin("127.0.0.1").confirmed(f"http://{_MINI}:9")


@pytest.mark.parametrize(
    "url",
    [
        f"https://{_MINI}:9",
        f"http://{_MINI}",
        f"http://{_MINI}:0",
        f"http://{_MINI}:9/admin",
        f"http://{_MINI}:9?do=",
        f"http://{_MINI}:9#",
        f"http://user@{_MINI}:9",
        f"http://{_MINI}:9\r\nX-Evil: 1",
        f"http://{_MINI}:99999",
        "http://[",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_address_is_nothing_but_a_host_and_a_port(url: str) -> None:
    with pytest.raises(Forbidden):
        Origin(_MINI).confirmed(url)


def test_an_admin_may_allow_a_network_that_registrations_do_not_come_from() -> None:
    origin = Origin("172.17.0.1", ["192.0.2.0/24", "2001:db8::/32"])
    assert origin.confirmed(f"http://{_MINI}:9") == f"http://{_MINI}:9"
    assert origin.confirmed(f"http://[{_MINI_6}]:9") == f"http://[{_MINI_6}]:9"
    with pytest.raises(Forbidden):
        origin.confirmed("http://127.0.0.1:9")


def test_a_host_that_shares_nothing_has_no_address() -> None:
    assert Origin(_MINI).confirmed(None) is None


@pytest.mark.parametrize(("address", "own"), [("127.0.0.1", True), (_MINI, False), ("0.0.0.0", False), ("", False)])
def test_a_machine_knows_its_own_addresses(address: str, *, own: bool) -> None:
    assert is_own(address) is own
