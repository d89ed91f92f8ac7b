//! Every inner address in every spelling: nothing is looked up, nothing is dialled.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use oncue_domain::destination::{Egress, Reach, Webhook};

use super::names::{Told, believing};
use super::{Receiver, failure, send};

/// One of each range that is private, special or somebody's metadata service.
const INNER: [[u8; 4]; 22] = [
    [0, 0, 0, 0],
    [0, 1, 2, 3],
    [10, 0, 0, 1],
    [10, 255, 255, 255],
    [100, 64, 0, 1],
    [100, 100, 100, 200],
    [127, 0, 0, 1],
    [127, 255, 255, 254],
    [168, 63, 129, 16],
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [172, 16, 0, 1],
    [172, 31, 255, 255],
    [192, 0, 0, 192],
    [192, 0, 2, 1],
    [192, 88, 99, 1],
    [192, 168, 0, 1],
    [198, 18, 0, 1],
    [198, 51, 100, 1],
    [203, 0, 113, 1],
    [224, 0, 0, 1],
    [255, 255, 255, 255],
];

/// The ways to write an IPv4 address that some program somewhere understands, and the IPv6 addresses that mean it.
fn spellings(octets: [u8; 4]) -> Vec<String> {
    let [a, b, c, d] = octets;
    let whole = u32::from_be_bytes(octets);
    let (low24, low16) = (whole & 0xff_ffff, whole & 0xffff);
    let plain = format!("{a}.{b}.{c}.{d}");
    let wide: String =
        plain.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c != '.').unwrap_or(c)).collect();
    let encoded: String = plain.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (high, low) = (whole >> 16, whole & 0xffff);
    let v6 = |text: String| format!("[{text}]");
    let seen = Ipv4Addr::from(octets).to_ipv6_mapped();
    let written_out = |ip: Ipv6Addr| ip.segments().map(|segment| format!("{segment:04x}")).join(":");
    vec![
        plain.clone(),
        format!("{plain}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("{whole:#X}").replace("0X", "0x"),
        format!("0X{whole:08X}"),
        format!("{whole:#o}").replace("0o", "0"),
        format!("000{}", format!("{whole:o}")),
        format!("{a}.{low24}"),
        format!("{a}.{b}.{low16}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0x{a:08x}.0x{b:x}.{c}.{d}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b}.0x{low16:x}"),
        format!("{a}.0x{low24:x}"),
        wide.clone(),
        wide.replace('.', "\u{3002}"),
        plain.replace('.', "\u{ff0e}"),
        plain.replace('.', "\u{ff61}"),
        plain.replace('.', "%2e"),
        encoded,
        v6(format!("::ffff:{plain}")),
        v6(format!("::ffff:{high:x}:{low:x}")),
        v6(format!("0:0:0:0:0:FFFF:{plain}")),
        v6(written_out(seen)),
        v6(format!("::{plain}")),
        v6(format!("::ffff:0:{plain}")),
        v6(format!("64:ff9b::{plain}")),
        v6(format!("64:ff9b:1::{plain}")),
        v6(format!("2002:{high:x}:{low:x}::1")),
        v6(format!("2001:0:1:2:3:4:{:x}:{:x}", high ^ 0xffff, low ^ 0xffff)),
        v6(format!("fe80::5efe:{plain}")),
        v6(format!("::5efe:{plain}")),
    ]
}

#[tokio::test]
async fn inner_addresses_are_seen_through_in_every_spelling() {
    let names = Arc::new(Told::default());
    let out = believing(Egress::new(Reach::Public, vec![]), names.clone());
    for octets in INNER {
        for host in spellings(octets) {
            let url = format!("http://{host}/");
            // What is no address at all by the WHATWG rules is refused before anybody is asked.
            let Ok(_) = Webhook::parse(&url, None) else { continue };
            let exchange = send(&out, &url).await;
            assert_eq!(exchange.facts.address, None, "{url}");
            let words = failure(exchange);
            assert!(words.contains("deliveries"), "{url}: {words}");
        }
    }
    assert_eq!(names.asked(), 0, "nothing of it was taken for a name");
}

#[tokio::test]
async fn an_open_network_opens_its_addresses_in_plain_ipv4_only() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = receiver.address.port();
    let out = believing(Egress::new(Reach::Private, vec![]), Arc::new(Told::default()));
    for spelling in spellings([127, 0, 0, 1]) {
        let url = format!("http://{spelling}:{port}/");
        let Ok(webhook) = Webhook::parse(&url, None) else { continue };
        let exchange = send(&out, &url).await;
        let is_plain = webhook.url.host_str() == Some("127.0.0.1");
        assert_eq!(exchange.result.is_ok(), is_plain, "{url}: {:?}", exchange.result);
    }
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn nothing_in_an_address_hides_its_host() {
    let names = Arc::new(Told::default());
    let out = believing(Egress::new(Reach::Public, vec![]), names.clone());
    for url in [
        "http://shop.example@127.0.0.1/",
        "http://shop.example:80@127.0.0.1/",
        "http://127.0.0.1@shop.example/",
        "http://a@b@127.0.0.1/",
        "http://shop.example%40127.0.0.1/",
        "http://127.0.0.1%00.shop.example/",
        "http://127.0.0.1%0d%0a.shop.example/",
        "http://127.0.0.1%2f.shop.example/",
        "http://127.0.0.1\t.shop.example/",
        "http://127.0.0.1 .shop.example/",
        "http://127.0.0.1\u{ad}/",
        "http://[::1]shop.example/",
        "http://[::1%25lo]/",
        "http://shop.example:0x50/",
        "http://127.0.0.1..//",
        "gopher://127.0.0.1/",
        "http://1.2.3.4.5/",
        "http://256.256.256.256/",
        "http://08.0.0.1/",
    ] {
        assert!(Webhook::parse(url, None).is_err(), "{url}");
    }
    for (url, host) in [
        ("http://127.0.0.1#@shop.example/", "127.0.0.1"),
        ("http://127.0.0.1?@shop.example/", "127.0.0.1"),
        ("http://127.0.0.1/@shop.example/", "127.0.0.1"),
        ("http://127.0.0.1\\@shop.example/", "127.0.0.1"),
        ("http:\\\\127.0.0.1\\@shop.example/", "127.0.0.1"),
        ("http:127.0.0.1/@shop.example", "127.0.0.1"),
        ("http:///127.0.0.1/shop.example", "127.0.0.1"),
        ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "localhost"),
        ("http://ｌｏｃａｌｈｏｓｔ。/", "localhost"),
        ("http://①②⑦.⓪.⓪.①/", "127.0.0.1"),
        ("http://%6c%6f%63%61%6c%68%6f%73%74/", "localhost"),
        ("http://LocalHost./", "localhost"),
        ("http://metadata.google.internal./", "metadata.google.internal"),
    ] {
        let parsed = Webhook::parse(url, None).unwrap_or_else(|refusal| panic!("{url}: {refusal}")).url;
        assert_eq!(parsed.host_str(), Some(host), "{url}");
        let words = failure(send(&out, url).await);
        assert!(words.contains("deliveries"), "{url}: {words}");
    }
    assert_eq!(names.asked(), 0);
    for (url, host) in
        [("http://shop.example/@127.0.0.1", "shop.example"), ("http://shop.example\\@127.0.0.1/", "shop.example")]
    {
        let parsed = Webhook::parse(url, None).unwrap_or_else(|refusal| panic!("{url}: {refusal}")).url;
        assert_eq!(parsed.host_str(), Some(host), "{url}");
        assert!(failure(send(&out, url).await).contains("could not be resolved"), "{url}");
    }
    assert_eq!(names.asked(), 2, "the name that is looked up is the one that was judged");
}
