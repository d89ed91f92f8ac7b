//! What only the developer tools can do to a page: another width, colours, time zone or clock, no scripts, and the list of
//! what it fetched.

use serde_json::{Value, json};

use super::Browser;

/// The colours somebody prefers, or insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
    /// The system's few colours instead of the page's.
    Forced,
}

impl Browser {
    /// Makes the window so wide and as high as the page.
    pub(crate) fn look(&self, width: u32, scheme: Scheme) {
        let (colours, forced) = match scheme {
            Scheme::Light => ("light", "none"),
            Scheme::Dark => ("dark", "none"),
            Scheme::Forced => ("dark", "active"),
        };
        let features = json!([
            {"name": "prefers-color-scheme", "value": colours},
            {"name": "forced-colors", "value": forced},
            // A picture is of a page at rest.
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.develop("Emulation.setEmulatedMedia", json!({"features": features}));
        self.resize(width, 800);
        let height = self.ask("document.documentElement.scrollHeight").as_u64().expect("a height");
        self.resize(width, height.clamp(800, 6000));
    }

    /// Shows the page as it goes to paper (or to the screen again).
    pub(crate) fn lay_out_for(&self, medium: &str) {
        self.develop("Emulation.setEmulatedMedia", json!({"media": medium}));
    }

    /// What would be pasted now.
    pub(crate) fn clipboard(&self) -> String {
        self.call("/permissions", &json!({"descriptor": {"name": "clipboard-read"}, "state": "granted"}));
        let pasted =
            self.ask_later("navigator.clipboard.readText().then(done, error => done({error: String(error)}));");
        pasted.as_str().unwrap_or_else(|| panic!("the clipboard cannot be read: {pasted}")).to_owned()
    }

    /// Makes the window so large.
    pub(crate) fn resize(&self, width: u32, height: u64) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.develop("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Lets pages run scripts from now on, or not; what is loaded already neither starts nor starts again.
    pub(crate) fn run_scripts(&self, may_run: bool) {
        self.develop("Emulation.setScriptExecutionDisabled", json!({"value": !may_run}));
    }

    pub(super) fn live_in(&self, zone: &str) {
        self.develop("Emulation.setTimezoneOverride", json!({"timezoneId": zone}));
    }

    /// Puts the browser's own clock ahead (or behind) for every page that is opened from now on.
    pub(super) fn wear_a_wrong_watch(&self, ahead_ms: i64) {
        let source = format!(
            "{{ const Right = Date; globalThis.Date = class extends Right {{ \
             constructor(...given) {{ given.length ? super(...given) : super(Right.now() + {ahead_ms}); }} \
             static now() {{ return Right.now() + {ahead_ms}; }} }}; }}"
        );
        self.develop("Page.addScriptToEvaluateOnNewDocument", json!({"source": source}));
    }

    /// The addresses that were asked for since the last question, by pages and all that is on them.
    pub(crate) fn requests(&self) -> Vec<String> {
        let entries = self.call("/se/log", &json!({"type": "performance"}));
        let entries = entries.as_array().expect("a list").iter();
        entries
            .filter_map(|entry| {
                let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let message = &entry["message"];
                let asked = match message["method"].as_str()? {
                    "Network.requestWillBeSent" => &message["params"]["request"]["url"],
                    "Network.webSocketCreated" => &message["params"]["url"],
                    _ => return None,
                };
                asked.as_str().map(str::to_owned)
            })
            .collect()
    }

    pub(super) fn develop(&self, command: &str, parameters: Value) {
        self.call("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }
}
