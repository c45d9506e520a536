#!/usr/bin/python3
"""/status in a real browser: what is wrong is told first, during a pause, a promotion and a flood; the page
refreshes itself, is whole without JavaScript, fits a phone, and reads in the dark.

Needs Debian's chromium and chromium-driver; `make browser-test` installs them. SHOTS=FOLDER keeps
screenshots there.
"""

import base64
import contextlib
import json
import os
import subprocess
import time
import unittest
import urllib.request

import testbed
from cluster import Cluster
from history import History
from host import Host
from relay import refusing_server
from testbed import free_port, wait_for

SHOTS = os.environ.get("SHOTS")
PHONE = (400, 800)


class Browser:
    """One chromium, driven by WebDriver's own protocol; `with` ends it."""

    def __init__(self, javascript=True, dark=False, size=(1200, 1000)):
        port = free_port()
        self._driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self._url = f"http://127.0.0.1:{port}"
        wait_for(self._is_ready, "chromedriver")
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     f"--window-size={size[0]},{size[1]}"]
        preferences = {} if javascript else {"profile.managed_default_content_settings.javascript": 2}
        # A window is not made as narrow as a phone; a device is.
        device = {"mobileEmulation": {"deviceMetrics": {
            "width": size[0], "height": size[1], "pixelRatio": 1}}} if size == PHONE else {}
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments, "prefs": preferences, **device}}}})
        self._session = "/session/" + session["sessionId"]
        if dark:
            self._call("POST", self._session + "/goog/cdp/execute", {
                "cmd": "Emulation.setEmulatedMedia",
                "params": {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}})

    def _is_ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self._call("POST", self._session + "/url", {"url": url})

    def run(self, script):
        return self._call("POST", self._session + "/execute/sync", {"script": script, "args": []})

    def text(self):
        """What a reader sees, from the top."""
        return self.run("return document.querySelector('main').innerText")

    def complaints(self):
        """Of the page: errors of its script, what its policy forbids."""
        lines = self._call("POST", self._session + "/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def shot(self, name):
        if SHOTS:
            image = self._call("GET", self._session + "/screenshot")
            with open(os.path.join(SHOTS, name + ".png"), "wb") as file:
                file.write(base64.b64decode(image))

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        with contextlib.suppress(OSError):
            self._call("DELETE", self._session)
        self._driver.terminate()
        self._driver.wait()


class StatusPage(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(standbys=("standby",))
        self.addCleanup(self.cluster.destroy)
        self.cluster.load(testbed.ROOT + "/tests/schema.sql")
        self.history = History(seed=9)
        self.life = self.history.life_of_a_run()
        self.history.write(self.cluster.primary)
        self.cluster.wait_caught_up()
        self.host = Host(self.cluster.primary, self.cluster.standbys, policy={
            "policy": "replica_then_primary", "replica_retry_max_ms": 0, "primary_budget_per_s": 5},
            settings={"admin": {"port": free_port()}}).start()
        self.addCleanup(self.host.kill)
        self.url = f"http://127.0.0.1:{self.host.settings['admin']['port']}/status"

    def flood(self, seconds):
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.host.lookup(self.life[0]["runId"], self.history.new_id())

    def assert_told_first(self, browser, words, name, keep_going=lambda: None):
        """Without the page being opened again."""
        def is_told():
            keep_going()
            return words in browser.text().partition("Servers")[0].partition("\n")[2][:200]

        wait_for(is_told, f"the page to say first: {words}", every_s=0.2)
        self.assertRegex(browser.run("return document.title"), r"^snapshot-host: \d problem")
        browser.shot(name)

    def test_incidents(self):
        with Browser() as browser:
            browser.open(self.url)
            self.assertIn("Nothing is wrong.", browser.text())
            browser.run("window.opened = 1")
            browser.shot("well")
            self.cluster.standby.pause_replay()
            self.cluster.commit_something()
            self.assert_told_first(browser, "replica is", "pause")
            self.cluster.standby.resume_replay()
            self.assert_told_first(browser, "Lookups are shed", "flood", lambda: self.flood(0.3))
            self.cluster.standby.promote()
            self.assert_told_first(browser, "Split:", "promotion")
            self.host.stop()
            wait_for(lambda: "No answer for" in browser.run("return document.body.innerText"),
                     "the page to say that it is old", every_s=0.2)
            self.assertEqual(browser.run("return window.opened"), 1)
            browser.shot("gone")
            foreign = [line for line in browser.complaints() if "ERR_CONNECTION" not in line]
            self.assertEqual(foreign, [])

    def test_phone_in_the_dark(self):
        self.flood(0.5)
        with Browser(dark=True, size=PHONE) as browser:
            browser.open(self.url)
            width = "return [document.documentElement.scrollWidth, window.innerWidth]"
            scrolled, inner = browser.run(width)
            self.assertEqual(inner, PHONE[0])
            self.assertLessEqual(scrolled, inner)  # nothing to scroll to the right for
            shades = browser.run("var s = getComputedStyle(document.body);"
                                 "return [s.backgroundColor, s.color]")
            back, front = ([int(part) for part in shade[4:-1].split(",")] for shade in shades)
            self.assertLess(sum(back), 150)
            self.assertGreater(sum(front), 600)
            browser.shot("phone")
            self.assertEqual(browser.complaints(), [])

    def test_long_words_of_servers_and_markup(self):
        """They are broken, and what is beside them is not pushed out of the window."""
        markup = "<script>document.title = 'run'</script>"
        with refusing_server(markup.encode() + b" " + b"y" * 1000) as port:
            words = {"conninfo": f"host=127.0.0.1 port={port} dbname=x sslmode=disable"}
            self.host.reload(settings={**self.host.settings, f"replica.{'n' * 30}<b>": words})
            for size in ((1200, 1000), (1080, 1000), (780, 1000), PHONE):
                with Browser(size=size) as browser:
                    browser.open(self.url)
                    wait_for(lambda: "yyyyyyyyyy" in browser.text(), "its words", every_s=0.2)
                    scrolled, inner = browser.run(
                        "return [document.documentElement.scrollWidth, window.innerWidth]")
                    self.assertLessEqual(scrolled, inner, size)
                    self.assertIn(markup, browser.text())
                    self.assertNotEqual(browser.run("return document.title"), "run")
                    browser.shot(f"words-{size[0]}")

    def test_without_javascript(self):
        self.flood(0.3)
        with Browser(javascript=False) as browser:
            browser.open(self.url)
            source = browser.text()
            for words in ("Servers", "primary", "replica", "Lookups", "What a read does",
                          "read the replica", "This process"):
                self.assertIn(words, source)


if __name__ == "__main__":
    testbed.complain_if_not_built()
    unittest.main()
