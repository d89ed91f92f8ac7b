//! Where a form leads back to, and where a login goes on to: an address that came with the request, believed only where it
//! is one of our own pages, so that no link of ours can carry anybody elsewhere or make them do what a GET does.

use url::Url;

/// The longest address that is led back to, in bytes.
const ADDRESS_BYTES_MAX: usize = 2048;

/// The pages that can be led back to. Logging out is none of them.
const PAGES: [&str; 6] = ["/ui", "/events", "/upcoming", "/forecast", "/account", "/docs"];

/// The address in its normal spelling where it names a page of ours; its fragment is left out.
pub(crate) fn page_of_ours(address: &str) -> Option<String> {
    if address.len() > ADDRESS_BYTES_MAX || !address.starts_with('/') {
        return None;
    }
    // Read as a browser would, so that what is judged is what it would open: `//`, `/\` and `/x/../` are all seen through.
    let base = Url::parse("http://oncue.invalid/").ok()?;
    let read = base.join(address).ok()?;
    if read.origin() != base.origin() || !read.username().is_empty() || read.password().is_some() {
        return None;
    }
    let path = read.path();
    let is_page = |page: &str| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // A path of two slashes would leave us again once the host in front of it is gone.
    let is_ours = path == "/" || (!path.starts_with("//") && PAGES.into_iter().any(is_page));
    is_ours.then(|| read.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
}

/// The address without some names of its query.
pub(crate) fn without(address: &str, names: &[&str]) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !names.contains(&pair.split('=').next().unwrap_or_default()))
        .collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_are_led_back_to() {
        for address in ["/", "/?status=all", "/ui/triggers", "/ui/triggers?q=a%20b&page=2", "/events/5", "/account"] {
            assert_eq!(page_of_ours(address).as_deref(), Some(address));
        }
        for address in [
            "",
            "ui/triggers",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/ui/..//evil.example",
            "http://evil.example/",
            "javascript:alert(1)",
            "/logout",
            "/ui/../logout",
            "/ui/%2e%2e/logout",
            "/auth/login",
            "/uiX",
            "/triggers",
            "/api/v1/triggers",
        ] {
            assert_eq!(page_of_ours(address), None, "{address}");
        }
        assert_eq!(page_of_ours(&format!("/ui/{}", "x".repeat(ADDRESS_BYTES_MAX))), None);
        assert_eq!(page_of_ours("/events/5#deliveries").as_deref(), Some("/events/5"));
        assert_eq!(
            page_of_ours("/ui/a\r\nset-cookie:x").as_deref(),
            Some("/ui/aset-cookie:x"),
            "no second header line"
        );
    }

    #[test]
    fn what_was_said_once_is_not_said_again() {
        let names = ["done", "event"];
        assert_eq!(without("/?done=fired&event=3", &names), "/");
        assert_eq!(without("/ui/triggers?q=a&done=fired&event=3&page=2", &names), "/ui/triggers?q=a&page=2");
        assert_eq!(without("/events/5", &names), "/events/5");
    }
}
