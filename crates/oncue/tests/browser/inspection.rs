//! What must hold on every page: nothing on the console, no report of the content security policy, nothing fetched from
//! elsewhere, a title and one heading, no id that stands twice, nothing that axe-core calls serious, and nothing that sticks out sideways at 320 pixels.
//! Pages that are inspected closely are looked at in light, in dark and in the system's forced colours, wide and narrow;
//! pictures of all of it are left in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::driver::{Browser, Scheme};

/// As wide as a page on a desk.
pub(crate) const WIDE: u32 = 1280;

/// As narrow as WCAG 2.2 asks for (1.4.10 Reflow).
const NARROW: u32 = 320;

/// Looks over the page that was just arrived at; every arrival does.
#[track_caller]
pub(crate) fn look_over(browser: &Browser) {
    let here = browser.ask("location.origin").as_str().expect("an origin").to_owned() + &browser.path();
    assert_quiet(browser, &here);
    assert_headed(browser, &here);
    assert_named_once(browser, &here);
    assert_accessible(browser, &here);
    browser.resize(NARROW, 800);
    assert_fits(browser, &here);
    browser.resize(WIDE, 800);
}

/// Looks closely at the page that the browser shows, from every side, and takes its pictures under this name.
#[track_caller]
pub(crate) fn inspect(browser: &Browser, name: &str) {
    for (colours, scheme) in [("light", Scheme::Light), ("dark", Scheme::Dark), ("forced", Scheme::Forced)] {
        for (size, width) in [("wide", WIDE), ("narrow", NARROW)] {
            browser.look(width, scheme);
            let view = format!("{name}-{size}-{colours}");
            browser.screenshot(&picture(&view));
            assert_fits(browser, &view);
            // Forced colours are the system's, so there is no contrast of ours to check.
            if scheme == Scheme::Dark || (scheme, width) == (Scheme::Light, NARROW) {
                assert_accessible(browser, &view);
            }
        }
    }
    browser.look(WIDE, Scheme::Light);
}

/// Where the picture of this name belongs.
pub(crate) fn picture(name: &str) -> PathBuf {
    let pictures = target().join("screenshots");
    std::fs::create_dir_all(&pictures).expect("the target folder can be written");
    pictures.join(format!("{name}.png"))
}

/// Nothing on the console, and nothing fetched from anywhere but where the page came from.
#[track_caller]
pub(crate) fn assert_quiet(browser: &Browser, here: &str) {
    let said: Vec<String> = browser
        .console()
        .into_iter()
        .filter(|message| !is_about_status(message, here) && !is_about_leaving(message))
        .collect();
    assert!(said.is_empty(), "{here}: the console is not empty: {said:#?}");
    let origin = browser.ask("location.origin");
    let origin = origin.as_str().expect("an origin");
    // The browser draws its own parts from addresses that lead nowhere; a page's own `data:` is refused by the policy.
    let is_its_own = |url: &str| ["about:", "chrome:", "data:"].iter().any(|scheme| url.starts_with(scheme));
    let elsewhere = |url: &String| !url.starts_with(&format!("{origin}/")) && !is_its_own(url);
    let strays: Vec<String> = browser.requests().into_iter().filter(elsewhere).collect();
    assert!(strays.is_empty(), "{here}: something was fetched from elsewhere: {strays:#?}");
}

#[track_caller]
fn assert_headed(browser: &Browser, here: &str) {
    let title = browser.ask("document.title");
    assert!(title.as_str().is_some_and(|title| !title.trim().is_empty()), "{here}: the page has no title");
    assert_eq!(browser.count("h1"), 1, "{here}: a page has one first heading");
    assert!(!browser.text("h1").trim().is_empty(), "{here}: the first heading says nothing");
}

/// Labels, popovers and links go by ids, and take the first that they find.
#[track_caller]
fn assert_named_once(browser: &Browser, here: &str) {
    let twice = browser.ask(
        "[...document.querySelectorAll('[id]')].map(element => element.id).filter((id, at, all) => all.indexOf(id) < at)",
    );
    assert_eq!(twice, serde_json::json!([]), "{here}: ids that stand on the page twice");
}

#[track_caller]
fn assert_fits(browser: &Browser, view: &str) {
    let overhang = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    let wide = browser.ask(
        "[...document.querySelectorAll('body *')]
             .filter(element => {
                 const range = document.createRange();
                 range.selectNodeContents(element);
                 return range.getBoundingClientRect().right > document.documentElement.clientWidth;
             })
             .map(element => element.outerHTML.slice(0, 80))",
    );
    assert_eq!(overhang, 0, "{view}: the page is wider than its window, by some of {wide}");
}

/// The browser notes every answer that is no 2xx; a page that is itself such an answer, as a form that comes back, is meant to be.
fn is_about_status(message: &str, here: &str) -> bool {
    message.starts_with(&format!("{here} - Failed to load resource: the server responded with a status of 4"))
}

/// htmx notes every request that is given up, though a newer one took its place or the page was left. One that fails says
/// more than this.
fn is_about_leaving(message: &str) -> bool {
    message.contains("\"htmx:sendAbort, ") || message.contains("\"htmx:afterRequest, ")
}

#[track_caller]
fn assert_accessible(browser: &Browser, name: &str) {
    // axe-core is a script as well; the page's own were kept from starting when it was loaded, and stay so.
    browser.run_scripts(true);
    if browser.ask("typeof axe === 'undefined'") == true {
        let source = std::fs::read_to_string(axe()).expect("axe-core can be read");
        browser.ask_later(&format!("{source}; done(true);"));
    }
    // The colours of Swagger UI are its makers'; the page around it is ours.
    let violations = browser.ask_later(
        "axe.run({exclude: ['#swagger-ui']}, {resultTypes: ['violations']}).then(found => done(found.violations));",
    );
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
    browser.run_scripts(browser.visitor().runs_scripts());
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
