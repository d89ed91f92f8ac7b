//! What pages load besides themselves: the stylesheet, the icon and the scripts, embedded, each under an address that holds its
//! hash, so that browsers may keep it for ever and still see the next release at once. A file that pages load gets a line
//! here, and with it a function that templates call; nothing that is made while the server runs may enter.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::error_page;

struct Asset {
    path: String,
    media_type: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, extension: &str, bytes: &'static [u8]) -> Asset {
        let media_type = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        let hash: String = Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Asset { path: format!("/static/{name}-{hash}.{extension}"), media_type, bytes }
    }
}

/// Gives each file a function that says its address, so that a template which names a missing one does not compile.
macro_rules! assets {
    ($($(#[$doc:meta])* $name:ident: $file:literal . $extension:literal = $bytes:expr;)*) => {
        mod file {
            use super::{Asset, LazyLock};
            $(pub(super) fn $name() -> &'static Asset {
                static ASSET: LazyLock<Asset> = LazyLock::new(|| Asset::new($file, $extension, $bytes));
                &ASSET
            })*
        }

        $($(#[$doc])* pub(crate) fn $name() -> &'static str {
            &file::$name().path
        })*

        fn all() -> impl Iterator<Item = &'static Asset> {
            [$(file::$name),*].into_iter().map(|asset| asset())
        }
    };
}

assets! {
    /// How everything looks: one sheet, its parts in the order in which later rules win.
    stylesheet: "oncue"."css" = concat!(
        include_str!("../../static/css/base.css"),
        include_str!("../../static/css/frame.css"),
        include_str!("../../static/css/parts.css"),
        include_str!("../../static/css/table.css"),
        include_str!("../../static/css/field.css"),
        include_str!("../../static/css/chart.css"),
        include_str!("../../static/css/form.css"),
        include_str!("../../static/css/lists.css"),
        include_str!("../../static/css/events.css"),
        include_str!("../../static/css/upcoming.css"),
        include_str!("../../static/css/account.css"),
        include_str!("../../static/css/nodes.css"),
        include_str!("../../static/css/destinations.css"),
        include_str!("../../static/css/modes.css"),
    ).as_bytes();
    /// The sign of the house.
    icon: "icon"."svg" = include_bytes!("../../static/icon.svg");
    /// Other people's work, unchanged: swaps parts of a page for newer ones.
    htmx: "htmx"."js" = include_bytes!("../../static/vendor/htmx.min.js");
    /// What every page starts with.
    boot: "boot"."js" = include_bytes!("../../static/boot.js");
    /// Keeps the relative times of a page true.
    clock: "clock"."js" = include_bytes!("../../static/clock.js");
    /// Moves within charts by keys.
    chart: "chart"."js" = include_bytes!("../../static/chart.js");
    /// Copy buttons.
    copy: "copy"."js" = include_bytes!("../../static/copy.js");
    /// Selecting many rows of a list.
    select: "select"."js" = include_bytes!("../../static/select.js");
    /// Single keys, for whoever wants them.
    shortcuts: "shortcuts"."js" = include_bytes!("../../static/shortcuts.js");
    /// Offers the browser's time zone.
    account: "account"."js" = include_bytes!("../../static/account.js");
    /// The form of a trigger.
    form: "form"."js" = include_bytes!("../../static/form.js");
    /// Keeps a page that is open up to date.
    live: "live"."js" = include_bytes!("../../static/live.js");
    /// The list of events as it grows.
    events: "events"."js" = include_bytes!("../../static/events.js");
    /// Says what happened without a new page.
    toast: "toast"."js" = include_bytes!("../../static/toast.js");
}

/// The stylesheet itself, for a page that tests write to a file.
#[cfg(test)]
pub(super) fn stylesheet_text() -> &'static str {
    std::str::from_utf8(file::stylesheet().bytes).expect("it is text")
}

/// GET /static/{file}
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let asked = format!("/static/{file}");
    let Some(asset) = all().find(|asset| asset.path == asked) else {
        return error_page(StatusCode::NOT_FOUND, "There is no such file here.");
    };
    let headers =
        [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_the_hash_of_what_is_there() {
        let (one, other) = (Asset::new("a", "css", b"one"), Asset::new("a", "css", b"other"));
        assert_eq!(one.path, "/static/a-7692c3ad3540.css");
        assert_ne!(one.path, other.path);
    }

    #[test]
    fn the_stylesheet_asks_nothing_of_anybody_else() {
        let css = std::str::from_utf8(file::stylesheet().bytes).expect("text");
        assert!(!css.contains("http") && !css.contains("@import") && !css.contains("url("));
    }

    #[test]
    fn our_scripts_ask_nothing_of_anybody_else_and_evaluate_no_text() {
        let ours = all().filter(|asset| asset.path.ends_with(".js") && !asset.path.contains("/htmx-"));
        for script in ours {
            let text = std::str::from_utf8(script.bytes).expect("text");
            for forbidden in ["http:", "https:", "import ", "import(", "eval(", "Function(", "innerHTML"] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", script.path);
            }
        }
    }

    #[test]
    fn htmx_is_the_file_that_its_authors_published() {
        let hash: String = Sha256::digest(file::htmx().bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717", "htmx.org 2.0.11");
    }
}
