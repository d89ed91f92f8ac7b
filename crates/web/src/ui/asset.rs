//! What pages load besides themselves: the stylesheet and the icon, embedded, each under an address that holds its hash, so
//! that browsers may keep it for ever and still see the next release at once.

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
    fn new(name: &str, extension: &str, media_type: &'static str, bytes: &'static [u8]) -> Asset {
        let hash: String = Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Asset { path: format!("/static/{name}-{hash}.{extension}"), media_type, bytes }
    }
}

static STYLESHEET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("oncue", "css", "text/css; charset=utf-8", include_bytes!("../../static/oncue.css")));

static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../static/icon.svg")));

/// Where the stylesheet is.
pub(crate) fn stylesheet() -> &'static str {
    &STYLESHEET.path
}

/// Where the icon is.
pub(crate) fn icon() -> &'static str {
    &ICON.path
}

/// GET /static/{file}
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let asked = format!("/static/{file}");
    let assets = [&*STYLESHEET, &*ICON];
    let Some(asset) = assets.into_iter().find(|asset| asset.path == asked) else {
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
        let (one, other) = (Asset::new("a", "css", "text/css", b"one"), Asset::new("a", "css", "text/css", b"other"));
        assert_eq!(one.path, "/static/a-7692c3ad3540.css");
        assert_ne!(one.path, other.path);
    }

    #[test]
    fn the_stylesheet_asks_nothing_of_anybody_else() {
        let css = std::str::from_utf8(STYLESHEET.bytes).expect("text");
        assert!(!css.contains("http") && !css.contains("@import") && !css.contains("url("));
    }
}
