"""The chat page in headless Chromium: an answer streams, tokens take the colours of their drafts, a
key is asked for, and nothing breaks the page's own policy. Screenshots go to TALON_SCREENSHOTS."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from served import Served

QUESTION = "Tom has 3 boxes of 12 pens. How many pens does Tom have?"


def chromium(width: int, height: int) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    return webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Served()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.served.stop()

    def open(self, served: Served, width: int = 1000, height: int = 800) -> webdriver.Chrome:
        browser = chromium(width, height)
        self.addCleanup(browser.quit)
        browser.get(served.address + "/")
        return browser

    def ask(self, browser: webdriver.Chrome, text: str) -> str:
        before = len(browser.find_elements(By.CSS_SELECTOR, "article.assistant"))
        box = browser.find_element(By.ID, "prompt")
        box.send_keys(text)
        box.send_keys(Keys.ENTER)
        WebDriverWait(browser, 30).until(lambda b: len(b.find_elements(
            By.CSS_SELECTOR, "article.assistant .meta:not(:empty)")) > before)
        return browser.find_elements(By.CSS_SELECTOR, "article.assistant .text")[-1].text

    def shoot(self, browser: webdriver.Chrome, name: str) -> None:
        folder = os.environ.get("TALON_SCREENSHOTS")
        if folder:
            browser.save_screenshot(str(Path(folder) / f"{name}.png"))

    def assert_no_complaints(self, browser: webdriver.Chrome) -> None:
        self.assertEqual([entry for entry in browser.get_log("browser")
                          if entry["level"] == "SEVERE" and "favicon" not in entry["message"]], [])

    def wait_for_model(self, browser: webdriver.Chrome, text: str) -> None:
        WebDriverWait(browser, 20).until(
            lambda b: text in b.find_element(By.ID, "model").text)

    def test_an_answer_streams_and_the_conversation_goes_on(self) -> None:
        browser = self.open(self.served)
        self.wait_for_model(browser, "talon-tiny")

        first = self.ask(browser, "Hello, how are you?")
        second = self.ask(browser, QUESTION)

        self.assertTrue(first)
        self.assertIn("36", second)
        self.shoot(browser, "chat")
        self.assert_no_complaints(browser)

    def test_tokens_show_the_draft_that_gave_them(self) -> None:
        browser = self.open(self.served)
        self.wait_for_model(browser, "talon-tiny")
        browser.find_element(By.ID, "show-settings").click()
        browser.find_element(By.ID, "show-drafts").click()
        browser.find_element(By.ID, "show-settings").click()

        self.ask(browser, QUESTION)

        tokens = browser.find_elements(By.CSS_SELECTOR, "article.assistant .token")
        joined = "".join(token.get_property("textContent") for token in tokens)
        self.assertTrue(joined.endswith("#### 36"), joined)
        self.assertTrue(browser.find_elements(By.CSS_SELECTOR, "article.assistant .token.d1"))
        meta = browser.find_elements(By.CSS_SELECTOR, "article.assistant .meta")[-1].text
        self.assertIn("tokens per forward", meta)
        self.shoot(browser, "drafts")
        self.assert_no_complaints(browser)

    def test_it_fits_a_phone(self) -> None:
        browser = self.open(self.served, 390, 800)
        self.wait_for_model(browser, "talon-tiny")

        self.ask(browser, QUESTION)

        width = browser.execute_script("return document.documentElement.scrollWidth")
        self.assertLessEqual(width, browser.execute_script("return window.innerWidth"))
        self.shoot(browser, "phone")

    def test_a_key_is_asked_for_and_kept_for_the_tab(self) -> None:
        guarded = Served("--api-key", "secret")
        self.addCleanup(guarded.stop)
        browser = self.open(guarded)
        self.wait_for_model(browser, "key is needed")

        key = browser.find_element(By.ID, "api-key")
        key.send_keys("secret")
        key.send_keys(Keys.TAB)

        self.wait_for_model(browser, "talon-tiny")
        browser.refresh()
        self.wait_for_model(browser, "talon-tiny")


if __name__ == "__main__":
    unittest.main()
