//! What holds for every request before anything looks at what it asks for: it came to a name that is ours, it was not sent
//! by another site's page, it carries no key in its address; and what holds for every answer: the headers that keep a
//! browser on the safe side. A trailing slash makes no difference from here on.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use url::{Host, Url};

use crate::api::bulk::{is_bulk, is_lines};
use crate::app::{App, Mode, Settings};
use crate::auth::KEY_PREFIX;
use crate::extract::{is_json, is_safe};
use crate::fault::{Fault, FaultDetail, is_for_programs, respond_at};
use crate::ui;

/// Who is at the other end: the peer, or whom a trusted proxy names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress {
    pub(crate) ip: IpAddr,
    /// Whether somebody stands between us and them.
    pub(crate) is_forwarded: bool,
}

/// The address of the connection, put there by the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Judges a request and dresses its answer.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let is_page_for_people = !path.starts_with("/docs");
    let reads_pages = wants_page(request.headers()) && !is_for_programs(&path);
    let mut response = match judge(&app, &request) {
        Ok(()) => {
            let client = client_address(&app.settings, &request);
            request.extensions_mut().insert(client);
            trim_slash(request.uri_mut());
            next.run(request).await
        }
        Err(fault) => respond_at(&path, fault),
    };
    if reads_pages && let Some(FaultDetail(detail)) = response.extensions().get() {
        let mut page = ui::error_page(response.status(), detail);
        for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
            page.headers_mut().extend(response.headers().get(&name).cloned().map(|value| (name, value)));
        }
        response = page;
    }
    dress(&app.settings, response.headers_mut(), is_page_for_people);
    response
}

/// Whether whoever asks is a person with a browser.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("text/html"))
}

fn judge(app: &App, request: &Request) -> Result<(), Fault> {
    let settings = &app.settings;
    let headers = request.headers();
    if !came_to_us(settings, request) {
        return Err(Fault::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This server does not answer to that name. Use its address, localhost, or the name in --public-url.",
        ));
    }
    if matches!(settings.mode, Mode::Open(_))
        && (headers.contains_key(header::FORWARDED) || headers.contains_key(FORWARDED_FOR))
    {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "A server without login (--open) does not answer through a proxy.",
        ));
    }
    if !is_safe(request.method()) && is_from_elsewhere(settings, request) {
        return Err(Fault::new(StatusCode::FORBIDDEN, "Another site's page may not change anything here."));
    }
    let is_encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_encoded {
        return Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Bodies are taken as they are, without Content-Encoding.",
        ));
    }
    let is_in_lines = is_lines(headers) && is_bulk(request.uri().path());
    if is_for_programs(request.uri().path()) && has_body(headers) && !is_json(headers) && !is_in_lines {
        return Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "A body must come with the header Content-Type: application/json.",
        ));
    }
    if carries_key(request.uri()) {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "An API key does not belong in an address, where logs would keep it. Send it in the header Authorization: Bearer …, and replace this one.",
        ));
    }
    Ok(())
}

/// A body that comes in pieces may turn out to be empty; whoever reads it judges it then.
fn has_body(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// DNS rebinding makes a foreign name point at us; only names that we know are answered to.
fn came_to_us(settings: &Settings, request: &Request) -> bool {
    let named = named_authority(request);
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let only_one = hosts.next().is_none() || hosts.next().is_none();
    only_one
        && named.is_some_and(|authority| !authority.as_str().contains('@') && is_our_host(settings, authority.host()))
}

/// The host and port that a request was sent to, in its own words.
fn named_authority(request: &Request) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok()),
    }
}

fn is_our_host(settings: &Settings, host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = literal.parse::<IpAddr>() {
        // Listening on every interface, any literal is an address of ours: a name is what rebinding needs.
        let listening = settings.listen.ip();
        return listening.is_unspecified() || ip == listening || settings.public_url.host_str() == Some(host);
    }
    host.eq_ignore_ascii_case("localhost")
        || settings
            .public_url
            .host()
            .is_some_and(|ours| matches!(ours, Host::Domain(name) if name.eq_ignore_ascii_case(host)))
}

/// Whether a browser says that another site sent this. Neither header means that no browser sent it.
fn is_from_elsewhere(settings: &Settings, request: &Request) -> bool {
    let headers = request.headers();
    let site_is_foreign = headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "same-origin" && site != "none");
    let origin_is_foreign = headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| !origin.to_str().is_ok_and(|origin| is_our_origin(settings, request, origin)));
    site_is_foreign || origin_is_foreign
}

/// The public address, the very name that this request came to, or another name of the address that we listen on.
fn is_our_origin(settings: &Settings, request: &Request, origin: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    let here = named_authority(request).and_then(|authority| Url::parse(&format!("http://{authority}")).ok());
    if origin.origin() == settings.public_url.origin() || here.is_some_and(|here| here.origin() == origin.origin()) {
        return true;
    }
    let is_local = match origin.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => settings.listen.ip() == ip,
        Some(Host::Ipv6(ip)) => settings.listen.ip() == ip,
        None => false,
    };
    is_local && origin.scheme() == "http" && origin.port_or_known_default() == Some(settings.listen.port())
}

/// Whether an API key stands anywhere in an address, however it is encoded.
fn carries_key(uri: &Uri) -> bool {
    let target = uri.path_and_query().map_or("", PathAndQuery::as_str);
    let decoded = percent_encoding::percent_decode_str(target).decode_utf8_lossy();
    let is_key_char = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    decoded.split(KEY_PREFIX).skip(1).any(|rest| rest.chars().take_while(is_key_char).count() >= KEY_CHARS)
}

/// How many characters of an API key follow its prefix: 256 bits in base64.
const KEY_CHARS: usize = 43;

/// The right-most address that no proxy of ours added.
fn client_address(settings: &Settings, request: &Request) -> ClientAddress {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip().to_canonical());
    let headers = request.headers();
    let is_forwarded = headers.contains_key(FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
    let is_trusted = |ip: &IpAddr| settings.trusted_proxies.iter().any(|network| network.contains(ip));
    if !is_trusted(&peer) {
        return ClientAddress { ip: peer, is_forwarded };
    }
    let parts: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
    // Each proxy adds on the right. What stands left of the first part that makes no sense, nobody vouches for.
    let vouched = parts.iter().rev().map_while(|part| part.trim().parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    let ip = vouched.into_iter().find(|ip| !is_trusted(ip)).unwrap_or(peer);
    ClientAddress { ip, is_forwarded }
}

fn trim_slash(uri: &mut Uri) {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return;
    }
    let target = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    let Ok(target) = PathAndQuery::try_from(target) else { return };
    parts.path_and_query = Some(target);
    if let Ok(shorter) = Uri::from_parts(parts) {
        *uri = shorter;
    }
}

/// What pages may load: from here, and nothing inline.
const PAGE_POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What anything else may load: nothing.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Swagger UI styles its widgets inline and draws with data: images; nothing else may.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
                           base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn dress(settings: &Settings, headers: &mut HeaderMap, is_page_for_people: bool) {
    let is_html = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    let policy = match (is_html, is_page_for_people) {
        (true, true) => PAGE_POLICY,
        (true, false) => DOCS_POLICY,
        (false, _) => DATA_POLICY,
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With no-referrer, browsers send our own forms with `Origin: null`, which nobody can tell from a foreign one.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if settings.public_url.scheme() == "https" {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
}

/// Counts requests by the pattern of their path; no label names a user, a trigger or an address.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or("unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let started = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("oncue_http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => status).increment(1);
    metrics::histogram!("oncue_http_request_duration_seconds", "method" => method, "route" => route)
        .record(started.elapsed().as_secs_f64());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> IpAddr {
        let mut settings = crate::app::test_settings();
        settings.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        let mut request = Request::new(axum::body::Body::empty());
        request.extensions_mut().insert(Peer(SocketAddr::new(peer.parse().expect("an address"), 1)));
        for value in forwarded {
            request.headers_mut().append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a value"));
        }
        client_address(&settings, &request).ip
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_believed() {
        let real: IpAddr = "9.8.7.6".parse().expect("an address");
        let proxy: IpAddr = "10.1.1.1".parse().expect("an address");
        assert_eq!(client("9.8.7.6", &["1.1.1.1"]), real, "not through a proxy of ours");
        assert_eq!(client("10.1.1.1", &["9.8.7.6"]), real);
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 9.8.7.6"]), real, "what the client claims stands on the left");
        assert_eq!(client("10.1.1.1", &["1.1.1.1, x, 9.8.7.6"]), real);
        assert_eq!(client("10.1.1.1", &["1.1.1.1, 9.8.7.6, 10.2.2.2"]), real, "two proxies of ours");
        assert_eq!(client("10.1.1.1", &["1.1.1.1", "9.8.7.6"]), real, "two headers are one list");
        assert_eq!(client("10.1.1.1", &["1.1.1.1, x"]), proxy);
        assert_eq!(client("10.1.1.1", &["::ffff:9.8.7.6"]), real);
        assert_eq!(client("10.1.1.1", &[]), proxy);
    }

    #[test]
    fn an_origin_is_ours_when_the_request_came_to_it() {
        let settings = crate::app::test_settings();
        let is_foreign = |host: &str, origin: &str| {
            let mut request = Request::new(axum::body::Body::empty());
            request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).expect("a value"));
            request.headers_mut().insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"));
            is_from_elsewhere(&settings, &request)
        };
        assert!(!is_foreign("127.0.0.1:8000", "http://127.0.0.1:8000"));
        assert!(!is_foreign("localhost:8000", "http://localhost:8000"));
        assert!(!is_foreign("127.0.0.1:8000", "https://oncue.example.com"), "the public address");
        for origin in [
            "null",
            "http://6.6.6.6:8000",
            "http://127.0.0.1:9000",
            "https://127.0.0.1:8000",
            "http://oncue.example.com",
        ] {
            assert!(is_foreign("127.0.0.1:8000", origin), "{origin}");
        }
    }
}
