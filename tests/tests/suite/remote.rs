//! Roles that know each other by their certificates: a gateway whose resolver is another process's, and
//! a gateway that lets known relays in.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use crate::commands::process::Server;
use crate::commands::system::{Site, TALKATIVE};
use tests::Certificates;

const NUMBER: &str = "+14155550123";

/// The directory's host serves gateways whose certificate it knows; the gateway has no directory.
pub(crate) fn remote(site: &Site, known: &str) -> Server {
    let directory = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    let serve = format!(
        "[serve.listen.mutual_tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"resolver.pem\"\n\
         key = \"resolver.key.pem\"\npeers = [\"{known}.pem\"]\n"
    );
    let talkative = TALKATIVE.replace('[', "[serve.");
    site.write("resolver.toml", &format!("{directory}{serve}{talkative}"));
    Server::start_with("discreet-resolver", &site.path("resolver.toml"), &["serve"])
}

pub(crate) fn site() -> Site {
    let site = Site::new();
    let certificates = Certificates::new(&site.path("pki")).unwrap();
    for name in ["resolver", "gateway-1", "gateway-2"] {
        certificates.server(name, &["127.0.0.1"]).unwrap();
        for file in [format!("{name}.pem"), format!("{name}.key.pem")] {
            std::fs::copy(site.path("pki").join(&file), site.path(&file)).unwrap();
        }
    }
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    site
}

pub(crate) fn point_gateway_at(site: &Site, resolver: &Server) {
    let remote = format!(
        "[resolver.remote]\nrules = \"rules.toml\"\n[resolver.remote.upstream]\nurl = \"https://{}\"\n\
         ca = \"pki/ca.pem\"\nidentity = {{ certificate = \"gateway-1.pem\", key = \"gateway-1.key.pem\" }}",
        resolver.addr
    );
    site.bend("gateway.toml", "[resolver]\nembedded = \"resolver.toml\"", &remote);
}

#[test]
fn a_lookup_is_answered_by_a_resolver_on_another_host() {
    let site = site();
    let resolver = remote(&site, "gateway-1");
    point_gateway_at(&site, &resolver);
    let system = site.start();
    let found = system.site.lookup([NUMBER]).succeeded();
    assert!(found.stdout.contains("one.authority.example"), "{found:?}");
    assert_eq!(system.site.lookup(["+14155550199"]).code, Some(1));
    // A directory that is gone is the provider's trouble, said inside the sealed answer.
    drop(resolver);
    let failed = system.site.lookup([NUMBER]);
    assert!(failed.code == Some(3) && failed.stderr.contains("502"), "{failed:?}");
}

#[test]
fn rejects_a_gateway_that_the_resolver_does_not_know() {
    let site = site();
    let resolver = remote(&site, "gateway-2");
    point_gateway_at(&site, &resolver);
    let system = site.start();
    let failed = system.site.lookup([NUMBER]);
    assert!(failed.code == Some(3) && failed.stderr.contains("502"), "{failed:?}");
}

#[test]
fn rejects_serving_everybody() {
    let site = Site::new();
    let directory = "rules = \"rules.toml\"\ndirectory = \"directory.db\"\npepper = \"pepper.key\"\n";
    site.resolver(["serve"]).refused(2, "has no [serve]");
    let open =
        format!("{directory}[serve{}", crate::commands::system::listen("gateway", 0).trim_start_matches('['));
    site.write("resolver.toml", &open.replace("[servelisten", "[serve.listen"));
    site.resolver(["serve"]).refused(2, "must be mutual_tls");
}

#[test]
fn rejects_a_remote_resolver_without_an_identity_to_show() {
    let site = Site::new();
    let remote = "[resolver.remote]\nrules = \"rules.toml\"\n[resolver.remote.upstream]\nurl = \"https://127.0.0.1:1\"";
    site.bend("gateway.toml", "[resolver]\nembedded = \"resolver.toml\"", remote);
    site.gateway(["--check-config"]).refused(2, "needs identity");
}

/// A gateway that lets in relays with these certificates, as processes.
fn with_known_relays(known: &[&str], limit: &str) -> crate::commands::system::System {
    let site = Site::new();
    site.import("lines.jsonl", &[site.world.line(NUMBER)]).succeeded();
    let peers: Vec<_> = known.iter().map(|name| format!("\"{name}.pem\"")).collect();
    let mutual = format!("[listen.mutual_tls]\npeers = [{}]\n", peers.join(", "));
    site.bend("gateway.toml", "[listen.tls]\n", &mutual);
    site.bend("gateway.toml", "[resolver]\n", &format!("{limit}\n[resolver]\n"));
    site.start_with_relays(|index| {
        format!("identity = {{ certificate = \"relay-{index}.pem\", key = \"relay-{index}.key.pem\" }}\n")
    })
}

#[test]
fn a_gateway_answers_relays_it_knows() {
    let system = with_known_relays(&["relay-0", "relay-1"], "");
    for _ in 0..4 {
        system.site.lookup([NUMBER]).succeeded();
    }
}

#[test]
fn rejects_a_relay_that_the_gateway_does_not_know() {
    let system = with_known_relays(&["relay-0"], "");
    // The policy is wanted through both.
    let failed = system.site.lookup([NUMBER]);
    assert_eq!(failed.code, Some(3), "{failed:?}");
}

#[test]
fn rejects_a_limit_for_relays_that_are_not_known() {
    let site = Site::new();
    site.bend("gateway.toml", "[resolver]\n", "relay_limit = { per_second = 1, burst = 1 }\n[resolver]\n");
    site.gateway(["--check-config"]).refused(2, "relay_limit needs listen.mutual_tls with peers");
    site.bend("gateway.toml", "[listen.tls]\n", "[listen.mutual_tls]\nissuer = \"ca.pem\"\n");
    site.gateway(["--check-config"]).refused(2, "relay_limit needs listen.mutual_tls with peers");
}

#[test]
fn a_relay_over_its_limit_is_told_so_whoever_asks() {
    let system = with_known_relays(&["relay-0", "relay-1"], "relay_limit = { per_second = 1, burst = 1 }");
    let told = (0..20).map(|_| system.site.lookup([NUMBER])).find(|ran| ran.code != Some(0)).unwrap();
    assert!(
        told.code == Some(3) && told.stderr.contains("503: the gateway asks everybody to come back later"),
        "{told:?}"
    );
}
