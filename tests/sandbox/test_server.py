from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from django_octanist.sandbox.server import Sandbox

from .conftest import SESSION

Send = Callable[..., requests.Response]
META = {"requestId": r"req_[0-9a-f]{12}", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"}
KEY = {"X-API-KEY": "sandbox-key"}
DEEP = b'{"mid": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"


def assert_meta(meta: dict[str, Any]) -> None:
    for name, pattern in META.items():
        assert re.fullmatch(pattern, meta[name])


def assert_failure(response: requests.Response, status: int, code: str) -> str:
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code)
    assert set(body) == {"success", "error", "meta"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["success"] is False
    assert_meta(body["meta"])
    return str(body["error"]["message"])


def test_a_lead_is_created_and_kept(sandbox: Sandbox, send: Send) -> None:
    response = send(email="jo@example.com", sessionId=SESSION, gclid="x", ad_storage=True, custom={"form": "a"})
    body = response.json()
    (lead,) = sandbox.leads
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert body == {"success": True, "data": {"id": lead.id, "message": "Lead added"}, "meta": body["meta"]}
    assert_meta(body["meta"])
    assert (lead.session_id, lead.attribution, lead.ignored) == (SESSION, {}, {"gclid": "x"})
    assert lead.consent["ad_storage"] is True
    assert lead.custom == {"form": "a"}


@pytest.mark.parametrize("key", [None, "", "wrong", "sandbox-key2"])
def test_a_wrong_key_is_401_everywhere(sandbox: Sandbox, http: requests.Session, send: Send, key: str | None) -> None:
    headers = {} if key is None else {"X-API-KEY": key}
    assert_failure(send(key=key, email="jo@example.com"), 401, "UNAUTHORIZED")
    assert_failure(http.get(f"{sandbox.api_url}/leads", headers=headers, timeout=5), 401, "UNAUTHORIZED")
    assert_failure(http.post(f"{sandbox.api_url}/check", headers=headers, timeout=5), 401, "UNAUTHORIZED")
    assert sandbox.leads == ()


def test_the_key_can_change_and_an_empty_one_lets_nobody_in(sandbox: Sandbox, send: Send) -> None:
    sandbox.api_key = "new"
    assert send(email="jo@example.com").status_code == 401
    assert send(key="new", email="jo@example.com").status_code == 201
    sandbox.api_key = ""
    assert send(key="", email="jo@example.com").status_code == 401


def test_check(sandbox: Sandbox, http: requests.Session) -> None:
    response = http.post(f"{sandbox.api_url}/check", headers=KEY, timeout=5)
    assert (response.status_code, response.json()) == (200, {"success": True})


def test_refused_data_is_400_with_the_field(sandbox: Sandbox, send: Send) -> None:
    assert "utm_term" in assert_failure(send(email="jo@example.com", utm_term="x"), 400, "VALIDATION_ERROR")
    assert sandbox.leads == ()
    assert "utm_term" in sandbox.exchanges[-1].reason


def test_rules_by_domain(sandbox: Sandbox, send: Send) -> None:
    assert_failure(send(email="jo@rejected.example"), 403, "FORBIDDEN")
    assert_failure(send(email="jo@invalid.example"), 400, "VALIDATION_ERROR")
    assert_failure(send(email="jo@down.example"), 500, "INTERNAL_ERROR")
    assert_failure(send(email="kim@down.example"), 500, "INTERNAL_ERROR")
    assert sandbox.leads == ()
    assert send(email="jo@down.example").status_code == 201
    assert send(email="jo@rejected.example").status_code == 403
    assert [lead.fields["email"] for lead in sandbox.leads] == ["jo@down.example"]


def test_failures_on_demand(sandbox: Sandbox, send: Send, http: requests.Session) -> None:
    sandbox.fail_next(status=503, times=2, headers={"Retry-After": "7"})
    sandbox.fail_next(status=200, body="<html>")
    first = send(email="jo@example.com")
    assert http.get(f"{sandbox.api_url}/leads", headers=KEY, timeout=5).status_code == 200
    assert_failure(first, 503, "INTERNAL_ERROR")
    assert first.headers["Retry-After"] == "7"
    assert send(email="jo@example.com").status_code == 503
    third = send(email="jo@example.com")
    assert (third.status_code, third.text) == (200, "<html>")
    assert sandbox.leads == ()
    assert send(email="jo@example.com").status_code == 201


def test_a_lost_answer_leaves_the_lead(sandbox: Sandbox, send: Send) -> None:
    sandbox.fail_next(create=True)
    assert send(email="jo@example.com").status_code == 500
    assert len(sandbox.leads) == 1
    sandbox.fail_next(create=True)
    assert send(emial="refused all the same").status_code == 500
    assert len(sandbox.leads) == 1


def test_status_0_closes_without_an_answer(sandbox: Sandbox, send: Send) -> None:
    sandbox.fail_next(status=0, create=True)
    with pytest.raises(requests.ConnectionError):
        send(email="jo@example.com")
    assert len(sandbox.leads) == 1
    assert sandbox.exchanges[-1].status == 0


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_send_none(sandbox: Sandbox, status: int) -> None:
    sandbox.fail_next(status=status, body=b"must not be sent")
    request = b"POST /api/leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection((sandbox.host, sandbox.port), timeout=5) as client:
        client.sendall(request + request)
        client.shutdown(socket.SHUT_WR)
        received = client.makefile("rb").read()
    assert received.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"\r\n\r\nHTTP/1.1 401 " in received


def list_leads(sandbox: Sandbox, http: requests.Session, **query: Any) -> Any:
    return http.get(f"{sandbox.api_url}/leads", params=query, headers=KEY, timeout=5)


def test_list_is_newest_first_in_pages(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    for number in range(5):
        send(name=f"Jo {number}", custom={"n": number})
    body = list_leads(sandbox, http, limit=2, page=2).json()
    assert [lead["name"] for lead in body["data"]] == ["Jo 2", "Jo 1"]
    assert body["data"][0]["custom"] == '{"n":2}'
    assert body["data"][0]["email"] is None
    assert body["meta"].pop("pagination") == {"limit": 2, "page": 2, "totalPages": 3, "total": 5, "hasMore": True}
    assert body["success"] is True
    assert_meta(body["meta"])
    last = list_leads(sandbox, http, limit=2, page=3).json()
    assert [lead["name"] for lead in last["data"]] == ["Jo 0"]
    assert last["meta"]["pagination"]["hasMore"] is False


def test_list_defaults(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    empty = list_leads(sandbox, http).json()
    assert empty["data"] == []
    assert empty["meta"]["pagination"] == {"limit": 50, "page": 1, "totalPages": 0, "total": 0, "hasMore": False}
    for _ in range(51):
        send(name="Jo")
    assert len(list_leads(sandbox, http).json()["data"]) == 50


@pytest.mark.parametrize(
    ("search", "names"),
    [("JO@", ["a"]), ("+31", ["b"]), ("c", ["c", "a"]), ("note", []), ("", ["d", "c", "b", "a"])],
)
def test_list_searches_name_email_and_phone(
    sandbox: Sandbox, http: requests.Session, send: Send, search: str, names: list[str]
) -> None:
    send(name="a", email="jo@example.com")
    send(name="b", phone="+31 20")
    send(name="c")
    send(name="d", note="note", custom="note")
    assert [lead["name"] for lead in list_leads(sandbox, http, search=search).json()["data"]] == names


def test_list_returns_the_fields_asked_for(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    send(name="Jo", custom=["x"])
    (lead,) = list_leads(sandbox, http, fields="id, custom,createdAt").json()["data"]
    assert lead["custom"] == '["x"]'
    assert lead["id"] == sandbox.leads[0].id
    assert set(lead) == {"id", "custom", "createdAt"}
    assert re.fullmatch(META["timestamp"], lead["createdAt"])


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"page": "0"}, {"page": "-1"}, {"fields": "id,nope"}]
)
def test_list_refuses_nonsense(sandbox: Sandbox, http: requests.Session, query: dict[str, str]) -> None:
    assert next(iter(query)) in assert_failure(list_leads(sandbox, http, **query), 400, "VALIDATION_ERROR")


def test_unknown_addresses_and_methods(sandbox: Sandbox, http: requests.Session) -> None:
    assert_failure(http.get(f"{sandbox.url}/nope", timeout=5), 404, "NOT_FOUND")
    assert_failure(http.post(f"{sandbox.api_url}/leads/", timeout=5), 404, "NOT_FOUND")
    for method in ("DELETE", "PUT", "PATCH", "OPTIONS"):
        response = http.request(method, f"{sandbox.api_url}/leads", timeout=5)
        assert_failure(response, 405, "METHOD_NOT_ALLOWED")
        assert response.headers["Allow"] == "GET, POST"
    assert http.head(f"{sandbox.url}/", timeout=5).status_code == 200
    assert_failure(http.get(f"{sandbox.url}/", timeout=5, headers={"Host": "evil.example"}), 421, "NOT_FOUND")


def test_too_large_a_body_is_413(sandbox: Sandbox, send: Send) -> None:
    assert send(email="jo@example.com", custom="x" * 1_000_000).status_code == 201
    assert_failure(send(email="jo@example.com", custom="x" * 1_100_000), 413, "VALIDATION_ERROR")
    assert sandbox.exchanges[-1].status == 413
    assert len(sandbox.leads) == 1
    assert send(email="jo@example.com").status_code == 201


def test_a_client_that_sends_too_much_still_gets_its_answer(sandbox: Sandbox) -> None:
    connection = http.client.HTTPConnection(sandbox.host, sandbox.port, timeout=5)
    connection.request("POST", "/api/leads", b"x" * 15_000_000, KEY)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_without_its_length_is_411(sandbox: Sandbox, http: requests.Session) -> None:
    response = http.post(f"{sandbox.api_url}/leads", data=iter([b"{}"]), headers=KEY, timeout=5)
    assert_failure(response, 411, "VALIDATION_ERROR")


def test_a_body_cut_off_creates_nothing(sandbox: Sandbox) -> None:
    with socket.create_connection((sandbox.host, sandbox.port), timeout=5) as client:
        client.sendall(b'POST /api/leads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"email": "a')
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert (sandbox.leads, sandbox.exchanges) == ((), ())


def test_what_is_not_http_is_refused(sandbox: Sandbox) -> None:
    with socket.create_connection((sandbox.host, sandbox.port), timeout=5) as client:
        client.sendall(b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 501 ")


def test_exchanges_tell_all_but_the_key(sandbox: Sandbox, http: requests.Session, send: Send) -> None:
    send(email="jo@example.com")
    list_leads(sandbox, http, search="jo")
    http.get(f"{sandbox.url}/", timeout=5)
    first, second = sandbox.exchanges
    assert (first.method, first.path, first.status) == ("POST", "/api/leads", 201)
    assert json.loads(first.body) == {"email": "jo@example.com"}
    assert first.headers["content-type"] == "application/json"
    assert (second.method, second.query, second.status) == ("GET", "search=jo", 200)
    assert "sandbox-key" not in repr(sandbox.exchanges)


def test_clear(sandbox: Sandbox, send: Send) -> None:
    send(email="jo@example.com")
    sandbox.fail_next()
    sandbox.clear()
    assert (sandbox.leads, sandbox.exchanges) == ((), ())
    assert send(email="jo@example.com").status_code == 201


@pytest.mark.parametrize("how", [{"data": {"status": "429", "times": "2"}}, {"json": {"status": 429, "times": 2}}])
def test_fail_and_clear_over_http(sandbox: Sandbox, http: requests.Session, send: Send, how: dict[str, Any]) -> None:
    assert http.post(f"{sandbox.url}/sandbox/fail", timeout=5, **how).json() == {"success": True}
    assert send(email="jo@example.com").status_code == 429
    http.post(f"{sandbox.url}/sandbox/clear", timeout=5)
    assert send(email="jo@example.com").status_code == 201


def test_a_browser_is_sent_back_to_the_page(sandbox: Sandbox, http: requests.Session) -> None:
    headers = {"Accept": "text/html,*/*", "Origin": sandbox.url, "Sec-Fetch-Site": "same-origin"}
    response = http.post(f"{sandbox.url}/sandbox/clear", headers=headers, timeout=5, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("path", ["fail", "clear"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_change_nothing(
    sandbox: Sandbox, http: requests.Session, send: Send, path: str, headers: dict[str, str]
) -> None:
    send(email="jo@example.com")
    response = http.post(f"{sandbox.url}/sandbox/{path}", data="status=500", headers=headers, timeout=5)
    assert_failure(response, 403, "FORBIDDEN")
    assert len(sandbox.leads) == 1
    assert send(email="jo@example.com").status_code == 201


@pytest.mark.parametrize(
    "data", [b"status=99", b"status=x", b"times=0", b"status=500&times=9999999999", b"status=%C2%B2"]
)
def test_failures_that_cannot_be_are_refused(sandbox: Sandbox, http: requests.Session, send: Send, data: bytes) -> None:
    assert_failure(http.post(f"{sandbox.url}/sandbox/fail", data=data, timeout=5), 400, "VALIDATION_ERROR")
    bad = http.post(f"{sandbox.url}/sandbox/fail", data=b"[", headers={"Content-Type": "application/json"}, timeout=5)
    assert_failure(bad, 400, "VALIDATION_ERROR")
    assert send(email="jo@example.com").status_code == 201


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "example.com", "", "::"])
def test_only_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host=host)


def test_bad_ports_and_an_address_before_the_start() -> None:
    with pytest.raises(ValueError, match="65535"):
        Sandbox(port=65536)
    with pytest.raises(RuntimeError, match="started"):
        _ = Sandbox().url


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_ipv6() -> None:
    try:
        sandbox = Sandbox(host="::1").start()
    except OSError:
        pytest.skip("no IPv6 loopback")
    try:
        assert sandbox.url == f"http://[::1]:{sandbox.port}"
        assert requests.get(sandbox.url, timeout=5).status_code == 200
    finally:
        sandbox.stop()


def test_stop_is_complete_and_a_restart_has_the_same_address(sandbox: Sandbox, send: Send) -> None:
    send(email="jo@example.com")
    url = sandbox.url
    kept = http.client.HTTPConnection(sandbox.host, sandbox.port, timeout=5)
    kept.request("GET", "/p")
    kept.getresponse().read()
    sandbox.stop()
    sandbox.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "octanist-sandbox"]
    assert kept.sock.recv(1) == b""
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sandbox.host, sandbox.port), timeout=5).close()
    assert len(sandbox.leads) == 1
    sandbox.start()
    assert sandbox.url == url
    assert send(email="jo@example.com").status_code == 201
    with pytest.raises(RuntimeError, match="already"):
        sandbox.start()


def test_a_taken_port_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=sandbox.port).start()


def test_many_at_once(sandbox: Sandbox) -> None:
    def work() -> None:
        with requests.Session() as session:
            for number in range(20):
                session.post(f"{sandbox.api_url}/leads", json={"name": str(number)}, headers=KEY, timeout=5)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sandbox.leads) == 320


def test_nothing_is_printed(sandbox: Sandbox, send: Send, capfd: pytest.CaptureFixture[str]) -> None:
    send(email="jo@example.com")
    send(emial="x")
    send(key="wrong", email="jo@example.com")
    sandbox.fail_next(status=0)
    with pytest.raises(requests.ConnectionError):
        send(email="jo@example.com")
    sandbox.stop()
    assert capfd.readouterr() == ("", "")


def test_an_event_of_the_pixel(sandbox: Sandbox, http: requests.Session) -> None:
    headers = {"X-Octanist-Client-IP": "203.0.113.9"}
    answer = http.post(f"{sandbox.url}/e", json={"mid": "OCT-SANDBOX1"}, headers=headers, timeout=5)
    assert (answer.status_code, answer.content) == (204, b"")
    (event,) = sandbox.events
    assert event.data == {"mid": "OCT-SANDBOX1"}
    assert event.headers["x-octanist-client-ip"] == "203.0.113.9"
    sandbox.clear()
    assert sandbox.events == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"mid": ""}', b"\xff", b'{"mid": NaN}', DEEP])
def test_what_is_no_event(sandbox: Sandbox, http: requests.Session, body: bytes) -> None:
    assert http.post(f"{sandbox.url}/e", data=body, timeout=5).status_code == 400
    assert sandbox.events == ()
