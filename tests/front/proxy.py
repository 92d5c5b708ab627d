"""The exporter behind nginx with TLS on both sides: with a prefix that nginx keeps, and one that it removes."""

import argparse
import gzip
import html.parser
import pathlib
import ssl
import urllib.error
import urllib.parse
import urllib.request

from app import LOOPBACK, TestApp, free_port, wait_for
from simulated import Scrape, Tenant

ROOT = pathlib.Path(__file__).resolve().parents[2]
CERTIFICATES = ROOT / "tests/configs/web"
# More than one page shows, and more than one buffer of nginx holds.
AGENTS = 600
# The limit of pages, because each agent has one of its own.
MOST_PAGES = 60

NGINX = """
daemon off;
# One process, which is stopped by its process id.
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  proxy_ssl_name localhost;
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {certificates}/ca.pem;
  server {{
    listen {loopback}:{port} ssl;
    server_name localhost;
    ssl_certificate {certificates}/server.pem;
    ssl_certificate_key {certificates}/server.key;
    location /kept/ {{ proxy_pass https://{loopback}:{prefix_kept}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    # The default of nginx: HTTP/1.0, one connection a request.
    location /removed/by-proxy/ {{ proxy_pass https://{loopback}:{prefix_removed}/; }}
  }}
}}
"""


class Links(html.parser.HTMLParser):
    """The targets of a page's links."""

    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, _tag, attributes):
        self.found |= {value for name, value in attributes if name in ("href", "src", "action") and value}


class Browser:
    """A client that verifies the server's certificate."""

    def __init__(self):
        self.context = ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")

    def get(self, url, method="GET", **headers):
        request = urllib.request.Request(url, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=15, context=self.context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()


def check(browser, base):
    """Follows every link, starting at the status page."""
    wait_for(f"{base} answers", lambda: browser.get(base)[0] == 200)
    origin = base[: base.index("/", len("https://"))]
    visited, queue = set(), [base]
    while queue and len(visited) < MOST_PAGES:
        # Breadth first, so that each kind of page is among them.
        url = queue.pop(0)
        if url in visited:
            continue
        status, headers, body = browser.get(url)
        visited.add(url)
        assert status == 200, f"{url} answered {status}"
        if headers["Content-Type"].startswith("text/html"):
            links = [urllib.parse.urljoin(url, link).split("#")[0] for link in Links(body.decode()).found]
            own = [link for link in links if link.startswith(origin)]
            outside = [link for link in own if not link.startswith(base)]
            assert not outside, f"{url} links out of the prefix: {outside}"
            queue += own
    assert len(visited) > 4, f"the status page has too few links: {visited}"
    status, headers, body = browser.get(f"{base}metrics", **{"Accept-Encoding": "gzip", "Accept": "text/plain; version=0.0.4"})
    assert (status, headers["Content-Encoding"]) == (200, "gzip"), (status, headers)
    scrape = Scrape(gzip.decompress(body).decode())
    assert scrape.value("cxone_up") == 1 and len(scrape.family("cxone_agent_observed_seconds")) == AGENTS
    status, headers, body = browser.get(f"{base}metrics", method="HEAD")
    assert (status, body) == (200, b"") and headers["Content-Type"].startswith("text/plain"), (status, headers)
    for path, expected in (("-/healthy", 200), ("-/ready", 200), ("sd", 200), ("nowhere", 404)):
        status, _, _ = browser.get(base + path)
        assert status == expected, f"{base}{path} answered {status}"
    return len(visited)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    binary = arguments.parse_args().binary
    with TestApp() as app:
        port, prefix_kept, prefix_removed, simulator = (free_port() for _ in range(4))
        app.start("simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={AGENTS}")
        config = app.write("config.yml", Tenant(simulator).config(cooldown="1h", max_staleness="2h"))
        for name, own, flags in (
            ("prefix_kept", prefix_kept, [f"--web.external-url=https://localhost:{port}/kept/"]),
            ("prefix_removed", prefix_removed, [f"--web.external-url=https://localhost:{port}/removed/by-proxy/", "--web.route-prefix=/"]),
        ):
            tls = f"--web.config.file={CERTIFICATES / 'tls.good.yml'}"
            app.start(name, binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{own}", tls, *flags)
        text = NGINX.format(certificates=CERTIFICATES, loopback=LOOPBACK, port=port, prefix_kept=prefix_kept, prefix_removed=prefix_removed)
        nginx = app.write("nginx.conf", text)
        app.start("nginx", "/usr/sbin/nginx", "-e", "stderr", "-p", app.path, "-c", nginx)
        browser = Browser()
        for prefix in ("kept/", "removed/by-proxy/"):
            visited = check(browser, f"https://localhost:{port}/{prefix}")
            app.report(f"behind nginx under /{prefix}: {visited} linked pages were read")
        for name in ("nginx", "prefix_kept", "prefix_removed"):
            app.alive(name)


main()
