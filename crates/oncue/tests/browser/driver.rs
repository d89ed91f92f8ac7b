//! A headless Chromium, driven over the WebDriver protocol by hand: the few calls that the tests need are shorter than any
//! client library. Keys go to whatever has the focus, as from a keyboard.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const LEFT: &str = "\u{e012}";
pub(crate) const RIGHT: &str = "\u{e014}";

/// How many times Tab is pressed before something counts as out of the keyboard's reach.
const TABS_MAX: usize = 120;

/// A browser with one window.
pub(crate) struct Browser {
    agent: ureq::Agent,
    session: String,
    process: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) fn start() -> Browser {
        let mut process = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .env("LANGUAGE", "en_US")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver is missing ({error}); Debian's packages are chromium and chromium-driver")
            });
        let mut lines =
            BufReader::new(process.stdout.take().expect("standard output is a pipe")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| {
                line.split_once("started successfully on port ").map(|(_, port)| port.trim_end_matches('.').to_owned())
            })
            .expect("chromedriver says where it listens");
        // Nobody may block on a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
        let profile = TempDir::new().expect("a temporary folder");
        let mut browser = Browser {
            agent: config.build().into(),
            session: format!("http://127.0.0.1:{port}"),
            process,
            _profile: profile,
        };
        let mut flags: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-US",
            "--window-size=1280,900",
        ]
        .map(str::to_owned)
        .to_vec();
        flags.push(format!("--user-data-dir={}", browser._profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let id = browser.call("/session", &wanted)["sessionId"].as_str().expect("a session has an id").to_owned();
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    fn call(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = self.agent.post(&url).send_json(body).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut value: Value = answer.body_mut().read_json().unwrap_or_else(|error| panic!("{path}: {error}"));
        let value = value["value"].take();
        assert!(value.get("error").is_none(), "{path}: {}", value["message"]);
        value
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.call("/url", &json!({"url": url}));
    }

    /// What a script in the page returns.
    pub(crate) fn ask(&self, script: &str) -> Value {
        self.call("/execute/sync", &json!({"script": format!("return ({script});"), "args": []}))
    }

    /// What a script in the page hands to `done`.
    pub(crate) fn ask_later(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.call("/execute/async", &json!({"script": script, "args": []}))
    }

    /// The path of the page and its query.
    pub(crate) fn path(&self) -> String {
        self.ask("location.pathname + location.search").as_str().expect("a path is a text").to_owned()
    }

    /// The text of what a selector finds first, and of nothing where it finds nothing.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.ask(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)));
        found.as_str().expect("a text").to_owned()
    }

    /// Presses keys, one after the other.
    pub(crate) fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars().map(String::from) {
            actions.extend([json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]);
        }
        self.call("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Presses keys that lead to another page, and waits for it.
    #[track_caller]
    pub(crate) fn press_and_go(&self, keys: &str) {
        self.ask("window.isOld = true");
        self.press(keys);
        // Between two pages stands an empty one, which is complete at once.
        let is_there = "!window.isOld && document.readyState === 'complete' && !!document.querySelector('h1')";
        self.until("the next page is there", |browser| browser.ask(is_there) == true);
    }

    /// Waits until the focus is on what the selector names; a page may take a moment to set it.
    #[track_caller]
    pub(crate) fn until_at(&self, selector: &str) {
        self.until(&format!("the focus is on {selector}"), |browser| browser.is_at(selector));
    }

    /// Whether the focus is on what the selector names.
    fn is_at(&self, selector: &str) -> bool {
        self.ask(&format!("document.activeElement.matches({})", json!(selector))) == true
    }

    /// Presses Tab until the focus is on what the selector names.
    #[track_caller]
    pub(crate) fn tab_to(&self, selector: &str) {
        for _ in 0..TABS_MAX {
            if self.is_at(selector) {
                return;
            }
            self.press(TAB);
        }
        panic!("{selector} cannot be reached with the keyboard on {}:\n{}", self.path(), self.text("body"));
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Browser) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain: {what}; on {}:\n{}", self.path(), self.text("body"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the console said since the last question, warnings and reports of the content security policy included.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.call("/se/log", &json!({"type": "browser"}));
        entries
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Makes the window so wide and as high as the page, and the preferred colours light or dark.
    pub(crate) fn look(&self, width: u32, scheme: &str) {
        self.develop(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        let metrics = |height: u64| json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.develop("Emulation.setDeviceMetricsOverride", metrics(800));
        let height = self.ask("document.documentElement.scrollHeight").as_u64().expect("a height");
        self.develop("Emulation.setDeviceMetricsOverride", metrics(height.clamp(800, 6000)));
    }

    fn develop(&self, command: &str, parameters: Value) {
        self.call("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    /// Writes a picture of the window.
    pub(crate) fn screenshot(&self, file: &Path) {
        let url = format!("{}/screenshot", self.session);
        let mut answer = self.agent.get(&url).call().expect("chromedriver answers");
        let value: Value = answer.body_mut().with_config().limit(64 << 20).read_json().expect("JSON");
        let picture = value["value"].as_str().expect("a picture in base64");
        use base64::Engine;
        let picture = base64::prelude::BASE64_STANDARD.decode(picture).expect("a picture in base64");
        std::fs::write(file, picture).expect("a picture can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; without it only its driver would.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
