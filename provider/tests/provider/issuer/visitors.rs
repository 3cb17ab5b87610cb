//! Accounts by client certificate.

use super::*;
use discreet_serve::UpstreamConfig;
use discreet_serve::upstream::Identity;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

/// A CA, whose certificate lies in `ca.pem`.
fn ca(folder: &Path) -> Issuer<'static, KeyPair> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Users' CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(params, key)
}

/// A certificate for `host`, if any, with this name in its subject.
fn certificate(folder: &Path, ca: &Issuer<'_, KeyPair>, file: &str, subject: Option<&str>) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    if let Some(subject) = subject {
        params.distinguished_name.push(DnType::CommonName, subject);
    }
    let identity =
        Identity { certificate: folder.join(format!("{file}.pem")), key: folder.join(format!("{file}.key")) };
    fs::write(&identity.certificate, params.signed_by(&key, ca).unwrap().pem()).unwrap();
    fs::write(&identity.key, key.serialize_pem()).unwrap();
    identity
}

#[tokio::test]
async fn an_account_goes_by_its_certificates_subject_whoever_renews_it() {
    let listen = "[listen.mutual_tls]\naddress = \"127.0.0.1:0\"\ncertificate = \"server.pem\"\n\
                  key = \"server.key\"\nissuer = \"ca.pem\"\n";
    let site = Site::new(&format!("{listen}{ISSUER}accounts = \"certificates\"\n"));
    let folder = site.folder.path().to_owned();
    let ca = ca(&folder);
    certificate(&folder, &ca, "server", Some("server"));
    let mut issuing = Issuing::start(site, None, NOW).await.unwrap();
    let mut left = Vec::new();
    for (file, subject) in
        [("one", Some("ann")), ("two", Some("ann")), ("three", Some("ben")), ("four", None)]
    {
        let mut config = UpstreamConfig::new(format!("https://{}", issuing.provider.addr()).parse().unwrap());
        config.ca = Some(folder.join("ca.pem"));
        config.identity = Some(certificate(&folder, &ca, file, subject));
        issuing.client = Upstream::new(&config).unwrap();
        left.push(issuing.signed("nothing", 6).await);
    }
    // Ann's two certificates share ten; who has no name has no account.
    assert_eq!(left, [6, 4, 6, 0]);
}
