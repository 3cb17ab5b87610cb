//! How much processor time a program has used: its own threads and those of the processes it started.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// Ticks per second of `/proc`: the kernel's user interface has always 100 on this system's architectures.
const TICKS: f64 = 100.0;

/// A program that may have workers in processes of their own, as nginx has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program(pub(crate) u32);

impl Program {
    /// Processor time so far, in user mode and in the kernel.
    pub(crate) fn used(self) -> Result<Duration> {
        let mut ticks = ticks(self.0)?;
        for child in children(self.0) {
            ticks += self::ticks(child)?;
        }
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
    }
}

fn ticks(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("{path} is not what proc(5) says"))
}

/// Fields 14 and 15 of proc_pid_stat(5). The second field is a name in parentheses that may hold anything.
fn parse(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The processes that a process has started and that live; none if that cannot be seen.
fn children(process: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) R) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1000 10";
        assert_eq!(parse(stat), Some(300));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn this_process_has_used_some() {
        let mut sum = 0u64;
        let program = Program(std::process::id());
        while program.used().unwrap().is_zero() {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
