//! The guard as a whole: ranges up to their edges, spellings, ports, exemptions and answers of names.

use super::port::FETCH_BAD_PORTS;
use super::*;
use crate::destination::Webhook;

const REACHES: [Reach; 3] = [Reach::Public, Reach::Loopback, Reach::Private];

fn egress(reach: Reach) -> Egress {
    Egress::new(reach, vec![])
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

fn parse(text: &str) -> Result<Webhook, Refusal> {
    Webhook::parse(text, None)
}

fn judge_typed(reach: Reach, text: &str) -> Result<(), Refusal> {
    egress(reach).judge_url(&parse(text)?.url)
}

#[test]
fn some_addresses_are_refused_whatever_the_reach() {
    let never = "0.0.0.0 0.1.2.3 100.100.100.200 168.63.129.16 169.254.0.23 169.254.169.254 169.254.170.2 169.254.170.23 \
        192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255 \
        198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
        :: ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::8.8.8.8 \
        64:ff9b::169.254.169.254 64:ff9b:1::1 100::1 100:0:0:1::1 5f00::1 ::5efe:10.0.0.1 fe80::1 fe80::5efe:10.0.0.1 febf::1 fec0::1 \
        ff02::1 ff0e::1 2001::1 2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff::1 2001:db8::1 2002:7f00:1::1 2620:4f:8000::1 \
        3fff::1 3fff:fff::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42 4000::1 1::1 fb00::1";
    for address in never.split_whitespace() {
        for reach in REACHES {
            let refused = egress(reach).judge_address(ip(address), 443);
            assert!(refused.is_err_and(|refusal| !refusal.0.contains("--")), "{address} with {reach:?}");
        }
    }
}

#[test]
fn the_inner_network_takes_a_switch_and_the_refusal_names_it() {
    let loopback = ["127.0.0.1", "127.255.255.254", "::1"];
    let private = "10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 fc00::1 \
        fd12:3456::1 fdff::1";
    let rows = loopback.map(|address| (address, Reach::Loopback)).into_iter();
    for (address, needed) in rows.chain(private.split_whitespace().map(|address| (address, Reach::Private))) {
        for reach in REACHES {
            match egress(reach).judge_address(ip(address), 8080) {
                Ok(()) => assert!(reach >= needed, "{address} with {reach:?}"),
                Err(refusal) => {
                    assert!(reach < needed, "{address} with {reach:?}");
                    assert!(refusal.0.contains("--allow-private-destinations"), "{refusal}");
                    assert!(refusal.0.contains("ONCUE_ALLOW_PRIVATE_DESTINATIONS"), "{refusal}");
                    assert!(!refusal.0.contains(address), "{refusal}");
                }
            }
        }
    }
}

#[test]
fn the_public_internet_is_open_up_to_the_edges_of_the_special_ranges() {
    let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17 \
        169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 \
        223.255.255.255 2001:200::1 2606:4700:4700::1111 2a00:1450:4001::1 2620:4f:7fff::1 2003::1 3ffe::1";
    for address in public.split_whitespace() {
        for reach in REACHES {
            assert_eq!(egress(reach).judge_address(ip(address), 443), Ok(()), "{address} with {reach:?}");
        }
    }
}

#[test]
fn tricky_spellings_of_inner_addresses_are_seen_through() {
    let spellings = [
        "http://0x7f.1/",
        "http://0177.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://127.0.0.1./",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://%31%32%37.0.0.1/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[::]/",
        "http://0.0.0.0/",
        "http://0/",
        "http://localhost/",
        "http://LOCALHOST/",
        "http://localhost./",
        "http://ｌｏｃａｌｈｏｓｔ/",
        "http://a.localhost/",
        "http://a.localhost./",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://nas.home.arpa/",
        "http://home.arpa/",
        "http://intranet/",
        "http://internal/",
        "https:\\\\127.0.0.1\\",
        "http:127.0.0.1",
        "http:///127.0.0.1",
        "http://192.168.257/",
        "http://0xa9fea9fe/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://127.0.0.1%25eth0/",
    ];
    for spelling in spellings {
        assert!(judge_typed(Reach::Public, spelling).is_err(), "{spelling}");
    }
    for spelling in
        ["http://0x7f.1/", "http://[::1]/", "http://localhost/", "http://a.localhost/", "http://localhost:81/"]
    {
        assert_eq!(judge_typed(Reach::Loopback, spelling), Ok(()), "{spelling}");
    }
    for spelling in
        ["http://[::ffff:127.0.0.1]/", "http://[::]/", "http://0.0.0.0/", "http://intranet/", "http://10.0.0.1/"]
    {
        assert!(judge_typed(Reach::Loopback, spelling).is_err(), "{spelling}");
    }
    for spelling in ["http://intranet/", "http://printer.local/", "http://nas.home.arpa:81/", "http://10.0.0.1:5432/"] {
        assert_eq!(judge_typed(Reach::Private, spelling), Ok(()), "{spelling}");
    }
    for name in [
        "https://mylocalhost.com/",
        "https://local.example.com/",
        "https://thelocal.se/",
        "https://xn--bcher-kva.example/",
    ] {
        assert_eq!(judge_typed(Reach::Public, name), Ok(()), "{name}");
    }
}

#[test]
fn ports_of_other_services_are_shut_towards_the_internet() {
    let at = |reach, port| egress(reach).judge_address(ip("8.8.8.8"), port);
    for port in [80, 443, 1024, 3000, 8000, 8080, 8443, 65535] {
        assert_eq!(at(Reach::Public, port), Ok(()), "{port}");
    }
    for port in [81, 444, 1023, 2375, 2379, 3306, 3389, 5432, 5984, 6379, 9200, 11211, 27017] {
        assert!(at(Reach::Public, port).is_err_and(|refusal| refusal.0.contains("--allow-private")), "{port}");
        assert!(at(Reach::Loopback, port).is_err(), "{port}: only loopback was opened");
        assert_eq!(egress(Reach::Loopback).judge_address(ip("127.0.0.1"), port), Ok(()), "{port}");
        assert_eq!(at(Reach::Private, port), Ok(()), "{port}");
    }
    for port in FETCH_BAD_PORTS {
        for reach in REACHES {
            assert!(at(reach, *port).is_err(), "{port} with {reach:?}");
        }
    }
    assert!(judge_typed(Reach::Public, "https://example.com:25/").is_err());
    assert!(judge_typed(Reach::Public, "https://example.com:5432/").is_err());
    assert!(judge_typed(Reach::Private, "https://example.com:25/").is_err());
    assert_eq!(judge_typed(Reach::Public, "https://example.com:8443/"), Ok(()));
}

#[test]
fn deliveries_never_go_to_our_own_ports() {
    let own = |text: &str| Egress::new(Reach::Private, vec![text.parse().expect("a socket address")]);
    let rows: [(&str, &[&str], &[&str]); 4] = [
        (
            "0.0.0.0:8000",
            &["127.0.0.1:8000", "127.9.9.9:8000", "[::1]:8000", "0.0.0.0:8000"],
            &["127.0.0.1:8001", "10.0.0.1:8000"],
        ),
        ("[::]:8000", &["127.0.0.1:8000", "[::1]:8000"], &["[::1]:8001"]),
        ("127.0.0.1:8000", &["127.0.0.1:8000", "127.0.0.2:8000", "[::1]:8000"], &["10.0.0.1:8000", "8.8.8.8:8000"]),
        ("10.0.0.5:5432", &["10.0.0.5:5432"], &["10.0.0.6:5432", "10.0.0.5:8000", "127.0.0.1:5432"]),
    ];
    for (listens, refused, allowed) in rows {
        let judge = |address: &&str| {
            let address: SocketAddr = address.parse().expect("a socket address");
            own(listens).judge_address(address.ip(), address.port())
        };
        assert!(refused.iter().all(|address| judge(address).is_err()), "{listens}");
        assert!(allowed.iter().all(|address| judge(address).is_ok()), "{listens}");
    }
}

#[test]
fn an_address_of_this_machine_counts_as_loopback() {
    let own = vec!["0.0.0.0:8000".parse().expect("a socket address")];
    let here = |port| SocketAddr::new(ip("8.8.8.8"), port);
    assert!(Egress::new(Reach::Public, own.clone()).judge_this_machine("a.example", here(443)).is_err());
    assert!(Egress::new(Reach::Private, own.clone()).judge_this_machine("a.example", here(8000)).is_err());
    assert_eq!(Egress::new(Reach::Private, own).judge_this_machine("a.example", here(8001)), Ok(()));
}

#[test]
fn an_exemption_is_for_one_address_and_one_port() {
    let exempt: SocketAddr = "127.0.0.1:4711".parse().expect("a socket address");
    let guard = egress(Reach::Public).exempting(exempt);
    let typed = |text: &str| guard.judge_url(&parse(text).expect("an address").url);
    assert_eq!(typed("http://127.0.0.1:4711/hook"), Ok(()));
    assert_eq!(guard.judge_answers("a.example", &[exempt]), Ok(&[exempt][..]));
    assert_eq!(guard.judge_this_machine("a.example", exempt), Ok(()));
    for other in ["127.0.0.1:4712", "127.0.0.2:4711", "[::1]:4711", "10.0.0.1:4711"] {
        assert!(typed(&format!("http://{other}/hook")).is_err(), "{other}");
        let other: SocketAddr = other.parse().expect("a socket address");
        assert!(
            guard.judge_answers("a.example", &[exempt, other]).is_err()
                && guard.judge_this_machine("a.example", other).is_err(),
            "{other}"
        );
    }
}

#[test]
fn one_refused_answer_refuses_the_whole_name() {
    let addresses = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(ip(text), 443)).collect::<Vec<_>>();
    let guard = egress(Reach::Public);
    let good = addresses(&["8.8.8.8", "2606:4700:4700::1111"]);
    assert_eq!(guard.judge_answers("a.example", &good), Ok(good.as_slice()));
    assert!(guard.judge_answers("a.example", &addresses(&["8.8.8.8", "10.0.0.1"])).is_err());
    assert!(guard.judge_answers("a.example", &addresses(&["8.8.8.8", "::ffff:8.8.8.8"])).is_err());

    let mut many = vec![SocketAddr::new(ip("8.8.8.8"), 443); 40];
    assert_eq!(guard.judge_answers("a.example", &many).map(<[SocketAddr]>::len), Ok(ANSWERS_MAX));
    many.push(SocketAddr::new(ip("127.0.0.1"), 443));
    assert!(guard.judge_answers("a.example", &many).is_err(), "an answer past the ones that are dialled counts too");
}

#[test]
fn mail_goes_to_the_ports_of_mail_servers_and_to_no_other_public_one() {
    let ports = |reach, address: &str| -> Vec<u16> {
        let mail = egress(reach).for_mail();
        let asked = [25, 80, 110, 443, 465, 587, 993, 1025, 2525, 3306, 5432, 6379, 8080];
        asked.into_iter().filter(|port| mail.judge_address(ip(address), *port).is_ok()).collect()
    };
    assert_eq!(ports(Reach::Public, "93.184.216.34"), [25, 465, 587, 2525]);
    assert_eq!(ports(Reach::Loopback, "93.184.216.34"), [25, 465, 587, 2525]);
    assert_eq!(ports(Reach::Loopback, "127.0.0.1"), [25, 465, 587, 1025, 2525, 8080]);
    assert_eq!(ports(Reach::Private, "10.0.0.1"), [25, 465, 587, 1025, 2525, 8080]);
    assert_eq!(ports(Reach::Public, "10.0.0.1"), [0_u16; 0]);
    for port in [25, 465, 587] {
        assert!(
            egress(Reach::Private).judge_address(ip("93.184.216.34"), port).is_err(),
            "the web stays off port {port}"
        );
    }
}

#[test]
fn mail_is_kept_out_of_the_inner_network_like_everything_else() {
    let own = Egress::new(Reach::Private, vec![SocketAddr::new(ip("127.0.0.1"), 8025)]).for_mail();
    assert!(
        own.judge_address(ip("::1"), 8025).is_err_and(|refusal| refusal.0.contains("The mail server is oncue's own"))
    );
    for (reach, address) in
        [(Reach::Public, "10.0.0.1"), (Reach::Loopback, "10.0.0.1"), (Reach::Private, "169.254.169.254")]
    {
        let refused = egress(reach).for_mail().judge_address(ip(address), 587);
        assert!(refused.is_err_and(|refusal| refusal.0.starts_with("The mail server ")), "{address} with {reach:?}");
    }
    let public = egress(Reach::Public).for_mail();
    for name in ["localhost", "mail", "mail.local", "smtp.corp.internal."] {
        assert!(public.judge_host(&Host::Domain(name), 587).is_err(), "{name}");
    }
    assert!(public.judge_host(&Host::Domain("smtp.example.com"), 587).is_ok());
    assert!(public.judge_host(&Host::Domain("smtp.example.com"), 6379).is_err());
}
