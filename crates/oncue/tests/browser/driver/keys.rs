//! The keyboard: keys go to whatever has the focus, so what these tests do, somebody without a mouse can do.

use serde_json::json;

use super::Browser;

pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const END: &str = "\u{e010}";
pub(crate) const HOME: &str = "\u{e011}";
pub(crate) const LEFT: &str = "\u{e012}";
pub(crate) const UP: &str = "\u{e013}";
pub(crate) const RIGHT: &str = "\u{e014}";
pub(crate) const DOWN: &str = "\u{e015}";

/// Shift and Tab.
pub(crate) const BACKTAB: &str = "\u{e008}\u{e004}";

/// Held until the last of the keys that are pressed with it.
const SHIFT: &str = "\u{e008}";

/// How many times Tab is pressed before something counts as out of the keyboard's reach.
const TABS_MAX: usize = 160;

impl Browser {
    /// Presses keys, one after the other.
    pub(crate) fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        let mut held = Vec::new();
        for key in keys.chars().map(String::from) {
            actions.push(json!({"type": "keyDown", "value": key}));
            let lift = json!({"type": "keyUp", "value": key});
            if key == SHIFT { held.push(lift) } else { actions.push(lift) }
        }
        actions.append(&mut held);
        self.call("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Presses a key while Shift is held down.
    pub(crate) fn press_with_shift(&self, key: &str) {
        let press = |kind: &str, key: &str| json!({"type": kind, "value": key});
        let actions = [press("keyDown", SHIFT), press("keyDown", key), press("keyUp", key), press("keyUp", SHIFT)];
        self.call("/actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// Presses keys that lead to another page, waits for it, and looks it over.
    #[track_caller]
    pub(crate) fn press_and_go(&self, keys: &str) {
        self.leave(|| self.press(keys));
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

    /// Goes with Tab to what the selector names, replaces what is typed there, and leaves the focus on it.
    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        self.tab_to(selector);
        // As Ctrl+A does; a field that is reached with Tab has its text selected already, one that had the focus has not.
        self.ask("document.activeElement.select?.()");
        self.press(text);
    }
}
