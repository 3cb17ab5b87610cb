//! How many connections the system lets this process have.
//!
//! A connection that cannot be accepted for want of a descriptor waits in the kernel, where nobody makes
//! room for it; so there are never more places than descriptors.

/// Descriptors kept for the listeners, files and connections to upstreams; but no more than a quarter.
const KEPT: usize = 256;

/// `wanted` places, or as many as there are descriptors for.
pub(crate) fn places(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files(&limits).map_or(wanted, |most| wanted.min(without_kept(most)))
}

/// The soft limit, which is the first number of its line (proc_pid_limits(5)); `None` if there is none,
/// or the system is not Linux.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn without_kept(most: usize) -> usize {
    (most - KEPT.min(most / 4)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6 prints them.
    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max processes             127236               127236               processes 
Max open files            1024                 524288               files     
Max locked memory         8388608              8388608              bytes     
";

    #[test]
    fn the_soft_limit_counts() {
        assert_eq!(open_files(LIMITS), Some(1024));
        assert_eq!(open_files(&LIMITS.replace("1024  ", "unlimited")), None);
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn some_descriptors_are_kept_for_other_things() {
        assert_eq!((without_kept(1024), without_kept(65_536), without_kept(64)), (768, 65_280, 48));
        assert_eq!((without_kept(1), without_kept(0)), (1, 1));
        assert_eq!(places(1), 1);
    }
}
