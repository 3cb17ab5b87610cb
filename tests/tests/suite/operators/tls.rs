//! Certificates: of a server, and of a peer that is known by it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use super::machine::{Machine, NUMBER};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// The certificate that the server at `addr` shows to whoever trusts `ca`.
fn shown(machine: &Machine, addr: SocketAddr) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(machine, "ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::from(addr.ip());
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(addr).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).unwrap();
    }
    connection.peer_certificates().unwrap()[0].clone().into_owned()
}

fn certificate(machine: &Machine, file: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(machine.site.path(file)).unwrap()
}

/// A new certificate with a new key, as the certificate authority sent it.
fn renewed(machine: &Machine) {
    machine.site.certificates.server("new", &["127.0.0.1"]).unwrap();
    fs::rename(machine.site.path("new.key.pem"), machine.site.path("new.key")).unwrap();
}

pub(crate) fn stolen_server_key(block: &str) {
    let mut machine = Machine::running();
    let stolen = certificate(&machine, "relay.pem");
    assert_eq!(shown(&machine, machine.server("discreet-relay").addr), stolen);
    renewed(&machine);
    let next = certificate(&machine, "new.pem");
    machine.follow(block);
    assert_ne!(next, stolen);
    assert_eq!(shown(&machine, machine.server("discreet-relay").addr), next);
    machine.lookup(NUMBER, "state").succeeded();
}

pub(crate) fn stolen_identity(block: &str) {
    let mut machine = Machine::new();
    for name in ["resolver", "gateway-identity"] {
        machine.site.certificates.server(name, &["127.0.0.1"]).unwrap();
    }
    fs::rename(machine.site.path("gateway-identity.key.pem"), machine.site.path("gateway-identity.key"))
        .unwrap();
    machine.shell("mkdir peers; cp gateway-identity.pem peers/gateway-identity.pem");
    let serve = "[serve.listen.mutual_tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"resolver.pem\"\n\
                 key = \"resolver.key.pem\"\npeers = [\"peers/gateway-identity.pem\"]\n";
    let directory = fs::read_to_string(machine.site.path("resolver.toml")).unwrap();
    machine.site.write("resolver.toml", &format!("{directory}{serve}"));
    machine.start("discreet-resolver");
    let remote = format!(
        "[resolver.remote]\nrules = \"rules.toml\"\n[resolver.remote.upstream]\nurl = \"https://{}\"\nca = \"ca.pem\"\n\
         identity = {{ certificate = \"gateway-identity.pem\", key = \"gateway-identity.key\" }}",
        machine.server("discreet-resolver").addr
    );
    machine.site.bend("gateway.toml", "[resolver]\nembedded = \"resolver.toml\"", &remote);
    machine.start("discreet-gateway");
    machine.start_relays();
    machine.lookup(NUMBER, "state").succeeded();
    renewed(&machine);
    machine.follow(block);
    machine.lookup(NUMBER, "state").succeeded();
    // Who comes with the stolen one is not let in.
    let names = ["gateway-identity.pem", "gateway-identity.key"];
    for name in names {
        fs::rename(machine.site.path(&format!("{name}.stolen")), machine.site.path(name)).unwrap();
    }
    machine.stop("discreet-gateway");
    machine.start("discreet-gateway");
    let refused = machine.lookup(NUMBER, "state");
    assert!(refused.code == Some(3) && refused.stdout.contains("502"), "{refused:?}");
}
