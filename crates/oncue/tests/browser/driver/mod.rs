//! A headless Chromium, driven over the WebDriver protocol by hand: the few calls that the tests need are shorter than any
//! client library. Every page that is arrived at is looked over (`inspection`), so that no journey can forget to.

mod devtools;
mod keys;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use devtools::Scheme;
pub(crate) use keys::{BACKTAB, DOWN, END, ENTER, ESCAPE, HOME, LEFT, RIGHT, SPACE, TAB, UP};

use crate::inspection;
use crate::support::wait::PATIENCE;

/// Who sits at the browser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    runs_scripts: bool,
    zone: &'static str,
    ahead_ms: i64,
}

impl Visitor {
    /// Somebody with scripts, in UTC, whose clock is right.
    pub(crate) const PLAIN: Visitor = Visitor { runs_scripts: true, zone: "UTC", ahead_ms: 0 };

    /// The same without JavaScript.
    pub(crate) const fn without_scripts(self) -> Visitor {
        Visitor { runs_scripts: false, ..self }
    }

    /// The same in another time zone.
    pub(crate) const fn living_in(self, zone: &'static str) -> Visitor {
        Visitor { zone, ..self }
    }

    /// The same with a clock that is ahead of the server's, or behind.
    pub(crate) const fn ahead_by_ms(self, ahead_ms: i64) -> Visitor {
        Visitor { ahead_ms, ..self }
    }
}

/// A browser with one window and a profile of its own.
pub(crate) struct Browser {
    agent: ureq::Agent,
    session: String,
    process: Child,
    visitor: Visitor,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) fn of(visitor: Visitor) -> Browser {
        let (process, port) = start_driver();
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(120)));
        let profile = TempDir::new().expect("a temporary folder");
        let mut browser = Browser {
            agent: config.build().into(),
            session: format!("http://127.0.0.1:{port}"),
            process,
            visitor,
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
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let id = browser.call("/session", &wanted)["sessionId"].as_str().expect("a session has an id").to_owned();
        browser.session = format!("{}/session/{id}", browser.session);
        browser.live_in(visitor.zone);
        if visitor.ahead_ms != 0 {
            browser.wear_a_wrong_watch(visitor.ahead_ms);
        }
        browser.run_scripts(visitor.runs_scripts);
        // A new browser shows a page of its own; what that fetches is not ours.
        browser.call("/url", &json!({"url": "about:blank"}));
        browser.requests();
        browser.look(inspection::WIDE, Scheme::Light);
        browser
    }

    /// Who sits at it.
    pub(crate) fn visitor(&self) -> Visitor {
        self.visitor
    }

    fn call(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = self.agent.post(&url).send_json(body).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut value: Value = answer.body_mut().read_json().unwrap_or_else(|error| panic!("{path}: {error}"));
        let value = value["value"].take();
        assert!(value.get("error").is_none(), "{path}: {}", value["message"]);
        value
    }

    /// Opens an address and looks the page over.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.call("/url", &json!({"url": url}));
        inspection::look_over(self);
    }

    /// Does something that leads to another page, waits for it, and looks it over.
    #[track_caller]
    pub(crate) fn leave(&self, act: impl FnOnce()) {
        self.ask("window.isOld = true");
        act();
        // Between two pages stands an empty one, which is complete at once.
        let is_there = "!window.isOld && document.readyState === 'complete' && !!document.querySelector('h1')";
        self.until("the next page is there", |browser| browser.ask(is_there) == true);
        inspection::look_over(self);
    }

    /// Loads the page again.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.call("/refresh", &json!({}));
        inspection::look_over(self);
    }

    /// Goes back a page.
    #[track_caller]
    pub(crate) fn back(&self) {
        self.call("/back", &json!({}));
        inspection::look_over(self);
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

    /// How many elements a selector finds.
    pub(crate) fn count(&self, selector: &str) -> u64 {
        self.ask(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().expect("a number")
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
        let entries = entries.as_array().expect("a list").iter();
        entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes a picture of the window.
    pub(crate) fn screenshot(&self, file: &Path) {
        let url = format!("{}/screenshot", self.session);
        let mut answer = self.agent.get(&url).call().expect("chromedriver answers");
        let value: Value = answer.body_mut().with_config().limit(64 << 20).read_json().expect("JSON");
        let picture = value["value"].as_str().expect("a picture in base64");
        let picture = base64::prelude::BASE64_STANDARD.decode(picture).expect("a picture in base64");
        std::fs::write(file, picture).expect("a picture can be written");
    }
}

impl Visitor {
    /// Whether pages may run scripts.
    pub(crate) fn runs_scripts(self) -> bool {
        self.runs_scripts
    }
}

/// Starts chromedriver on a free port.
fn start_driver() -> (Child, String) {
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
    (process, port)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; without it only its driver would.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
