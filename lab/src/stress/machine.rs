//! The machine a figure was measured on, and the bounds it sets.

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fmt;
use time::OffsetDateTime;

/// What a figure depends on.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
    seconds: u64,
}

impl Machine {
    /// This one, now.
    pub(crate) fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib = value(&memory, "MemTotal").and_then(|it| it.split(' ').next()?.parse::<u64>().ok());
        Self {
            cpu: value(&cpus, "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mb: kib.unwrap_or(0) * 1024 / 1_000_000,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            seconds: discreet_serve::Clock::system().now(),
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "cpu": self.cpu, "cores": self.cores, "memory_mb": self.memory_mb, "kernel": self.kernel,
            "measured_at": self.seconds,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_mb, kernel, seconds } = self;
        let gigabytes = *memory_mb as f64 / 1000.0;
        write!(f, "{cores} cores of {cpu}, {gigabytes:.0} GB, Linux {kernel}, {}", date(*seconds))
    }
}

/// Raises the bound on open files and sockets as far as this process may; servers started from it
/// inherit the bound.
pub(crate) fn raise_descriptors(needed: u64) -> Result<()> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit { current: maximum, maximum };
        setrlimit(Resource::Nofile, raised).context("cannot raise the number of open files")?;
    }
    let allowed = maximum.unwrap_or(u64::MAX);
    ensure!(
        allowed >= needed,
        "{needed} open files are needed, {allowed} are allowed: raise `ulimit -Hn`, or ask for fewer connections"
    );
    Ok(())
}

/// The day of a time in seconds since 1970.
fn date(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_or_else(|_| String::new(), |time| time.date().to_string())
}
