//! A certificate authority of one's own, for TLS that is real and reaches nobody else.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// A CA whose certificate lies in `ca.pem` of a folder; its key is kept in memory only.
pub struct Certificates {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// Makes the CA and writes its certificate.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Discreet test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key)?;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ca.pem"), certificate.pem()).context("cannot write the CA certificate")?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key) })
    }

    /// The CA's certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Makes a server's certificate for `hosts` and returns the files of certificate and key.
    ///
    /// # Errors
    ///
    /// When the files cannot be written.
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::generate()?;
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let certificate = CertificateParams::new(hosts)?.signed_by(&key, &self.issuer)?;
        let (certificate_file, key_file) =
            (self.folder.join(format!("{name}.pem")), self.folder.join(format!("{name}.key.pem")));
        fs::write(&certificate_file, certificate.pem())?;
        fs::write(&key_file, key.serialize_pem())?;
        Ok((certificate_file, key_file))
    }
}
