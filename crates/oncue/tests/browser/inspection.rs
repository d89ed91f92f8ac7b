//! What must hold on every page: nothing on the console, no report of the content security policy, nothing that axe-core
//! calls serious, in light and in dark, wide and at 320 pixels, where nothing may stick out sideways. Pictures of all of it
//! are left in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::driver::Browser;

/// Looks at the page that the browser shows.
#[track_caller]
pub(crate) fn inspect(browser: &Browser, name: &str) {
    let here = browser.ask("location.origin").as_str().expect("an origin").to_owned() + &browser.path();
    let said: Vec<String> = browser.console().into_iter().filter(|message| !is_about_status(message, &here)).collect();
    assert!(said.is_empty(), "{name}: the console is not empty: {said:#?}");
    let pictures = target().join("screenshots");
    std::fs::create_dir_all(&pictures).expect("the target folder can be written");
    for (look, width, scheme) in [("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 320, "light")] {
        browser.look(width, scheme);
        browser.screenshot(&pictures.join(format!("{name}-{look}.png")));
        assert_accessible(browser, &format!("{name} ({look})"));
        let overhang = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(overhang, 0, "{name} ({look}): the page is wider than its window");
    }
    browser.look(1280, "light");
}

/// The browser notes every answer that is no 2xx; a page that is itself such an answer, as a form that comes back, is meant to be.
fn is_about_status(message: &str, here: &str) -> bool {
    message.starts_with(&format!("{here} - Failed to load resource: the server responded with a status of 4"))
}

#[track_caller]
fn assert_accessible(browser: &Browser, name: &str) {
    if browser.ask("typeof axe === 'undefined'") == true {
        let source = std::fs::read_to_string(axe()).expect("axe-core can be read");
        browser.ask_later(&format!("{source}; done(true);"));
    }
    let violations = browser.ask_later("axe.run({resultTypes: ['violations']}).then(found => done(found.violations));");
    let violations = violations.as_array().expect("a list");
    let grave: Vec<String> = violations
        .iter()
        .filter(|violation| violation["impact"] == "serious" || violation["impact"] == "critical")
        .map(|violation| {
            let nodes = violation["nodes"].as_array().expect("a list").iter();
            let places: Vec<&str> =
                nodes.filter_map(|node| node["failureSummary"].as_str().or(node["html"].as_str())).collect();
            format!(
                "{}: {}\n{}\n{}",
                violation["id"],
                violation["help"],
                violation["nodes"][0]["html"],
                places.join("\n")
            )
        })
        .collect();
    assert!(grave.is_empty(), "{name}: {}", grave.join("\n\n"));
    let checked = browser.ask("axe.version");
    assert!(matches!(checked, Value::String(_)), "axe-core was not there");
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the folder lies in target").to_owned()
}

/// axe-core's file, fetched when it is not there yet: its licence (MPL-2.0) keeps it out of the repository.
fn axe() -> PathBuf {
    let file = target().join("axe-core/package/axe.min.js");
    if file.exists() {
        return file;
    }
    let fetched = tempfile::TempDir::new_in(target()).expect("the target folder can be written");
    run("npm", &["pack", "axe-core@4", "--silent"], fetched.path());
    let archive = std::fs::read_dir(fetched.path()).expect("a folder").find_map(|entry| {
        let path = entry.expect("a folder can be read").path();
        (path.extension()? == "tgz").then_some(path)
    });
    let archive = archive.expect("npm pack leaves an archive");
    run("tar", &["-xzf", archive.to_str().expect("a plain path")], fetched.path());
    // Another test may have been faster; then its copy is as good.
    let _ = std::fs::rename(fetched.path(), target().join("axe-core"));
    assert!(file.exists(), "axe-core's archive holds no axe.min.js");
    file
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{program} is missing ({error}); the browser tests fetch axe-core with npm and tar")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {} failed, perhaps for want of a network: {said}", arguments.join(" "));
}
