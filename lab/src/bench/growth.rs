//! What a lookup costs as the directory grows: the same gateway in front of directories of several sizes, by
//! turns; and what the import of each took.

use super::Bench;
use super::contest::{Row, run};
use super::cpu::Program;
use super::gateway::contestant;
use super::stock::Directory;
use super::system::{GATEWAY_PATH, System, Transport};
use anyhow::Result;
use discreet_envelope::keys::Kem;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a directory of some size took.
#[derive(Clone, Debug)]
pub(super) struct Size {
    mappings: u64,
    import_seconds: f64,
    import_cpu_seconds: f64,
    import_peak: u64,
    file_bytes: u64,
    gateway_anonymous: u64,
}

impl Size {
    pub(super) fn json(&self) -> Value {
        json!({
            "mappings": self.mappings,
            "import_seconds": self.import_seconds,
            "import_cpu_seconds": self.import_cpu_seconds,
            "import_peak_bytes": self.import_peak,
            "file_bytes": self.file_bytes,
            "gateway_anonymous_bytes": self.gateway_anonymous,
        })
    }
}

pub(super) fn rows(bench: &Bench) -> usize {
    bench.sizes.len()
}

pub(super) async fn measure(bench: &Bench) -> Result<(Vec<Row>, Vec<Size>)> {
    let mut systems = Vec::new();
    for mappings in &bench.sizes {
        bench.bar.set_message(format!("growth: {mappings} mappings are made and imported"));
        systems.push((*mappings, System::new(*mappings, "").await?));
    }
    let (mut gateways, mut contestants) = (Vec::new(), Vec::new());
    for (mappings, system) in &systems {
        let gateway = system.gateway(Transport::Plain, "free").await?;
        let policy = system.policy(Transport::Plain, gateway.address()).await?;
        let (present, absent) = (system.present.clone(), system.absent.clone());
        let directory = Arc::new(Directory::new(policy, Kem::X25519, present, absent)?);
        let target = system.target(Transport::Plain, gateway.address(), GATEWAY_PATH);
        let name = format!("{mappings} mappings");
        contestants.push(contestant(&name, target, Program(gateway.id()), &directory, None));
        gateways.push(gateway);
    }
    let mut rows = Vec::new();
    for concurrency in &bench.concurrency {
        rows.extend(run("growth", &contestants, *concurrency, bench.plan, &bench.bar).await?);
    }
    let mut sizes = Vec::new();
    for ((mappings, system), gateway) in systems.iter().zip(&gateways) {
        sizes.push(Size {
            mappings: *mappings,
            import_seconds: system.import.time.as_secs_f64(),
            import_cpu_seconds: system.import.used.as_secs_f64(),
            import_peak: system.import.peak,
            file_bytes: system.file_bytes()?,
            gateway_anonymous: gateway.memory()?.anonymous,
        });
    }
    Ok((rows, sizes))
}

/// For people.
pub(super) fn table(sizes: &[Size]) -> Vec<String> {
    let heading = format!(
        "{:>10} {:>18} {:>12} {:>14} {:>10} {:>22}",
        "mappings", "made, imported s", "import CPU s", "its peak MB", "file MB", "gateway anonymous MB"
    );
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let line = |size: &Size| {
        format!(
            "{:>10} {:>18.1} {:>12.1} {:>14.1} {:>10.0} {:>22.1}",
            size.mappings,
            size.import_seconds,
            size.import_cpu_seconds,
            mb(size.import_peak),
            mb(size.file_bytes),
            mb(size.gateway_anonymous)
        )
    };
    [heading].into_iter().chain(sizes.iter().map(line)).collect()
}
