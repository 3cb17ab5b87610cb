//! The programs that the laboratory starts.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Cargo builds a package's binaries for that package's own tests only: the others are built here, once, in the
/// profile and folder of this one. The same packages as in crate `tests`, so that nothing is built twice.
pub(crate) fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_lab")).parent().unwrap();
        let profile = match folder.file_name().and_then(OsStr::to_str).unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args(["build", "--locked", "--bins", "--profile", profile]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        for role in ["client", "relay", "gateway", "resolver", "provider"] {
            cargo.arg("-p").arg(format!("discreet-{role}"));
        }
        let built = cargo.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    });
}
