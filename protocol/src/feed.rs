//! How resolvers keep up with an authority: pages of statuses and revocations, in the order in which
//! the authority signed them. A page names nobody: credentials go by their random numbers.
//!
//! ```cddl
//! page = [next: uint, more: bool, statements: [* bstr]]
//! ```

use crate::statement::cbor;
use ciborium::Value;

/// Path of an authority's feed; `?after=` names the last number seen, 0 at first.
pub const FEED_PATH: &str = "/v1/statuses";
/// The media type of a page.
pub const FEED_TYPE: &str = "application/discreet-statuses+cbor";
/// Most statements on one page.
pub const MAX_PAGE: usize = 2048;
/// Most bytes of one page.
pub const MAX_PAGE_BYTES: usize = 512 * 1024;

/// One page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What to ask after next time.
    pub next: u64,
    /// Whether there is more now.
    pub more: bool,
    /// [`crate::credential::Standing`] statements, each whole.
    pub statements: Vec<Vec<u8>>,
}

impl Page {
    /// The page's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let statements = self.statements.iter().map(|statement| Value::Bytes(statement.clone()));
        let fields = vec![self.next.into(), self.more.into(), Value::Array(statements.collect())];
        cbor::encode(&Value::Array(fields))
    }

    /// Reads what [`Page::encode`] wrote; `None` if it is something else, or over a bound.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(..MAX_PAGE_BYTES.min(bytes.len()))?;
        let value: Value = ciborium::from_reader(&mut rest).ok().filter(|_| rest.is_empty())?;
        let [next, more, statements] = value.into_array().ok()?.try_into().ok()?;
        let statements = statements.into_array().ok().filter(|list| list.len() <= MAX_PAGE)?;
        let statements = statements.into_iter().map(|statement| statement.into_bytes().ok());
        Some(Self {
            next: next.into_integer().ok()?.try_into().ok()?,
            more: more.into_bool().ok()?,
            statements: statements.collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_laid_out_as_its_cddl_says() {
        let page = Page { next: 500, more: true, statements: vec![b"ab".to_vec(), vec![]] };
        let bytes = hex::decode("831901f4f58242616240").unwrap();
        assert_eq!(page.encode(), bytes);
        assert_eq!(Page::decode(&bytes), Some(page));
    }

    #[test]
    fn rejects_what_is_no_page() {
        for bytes in ["", "80", "8301f5", "8301f580ff", "8320f580", "8301f58101", "840120f58080"] {
            assert_eq!(Page::decode(&hex::decode(bytes).unwrap()), None, "{bytes}");
        }
    }

    #[test]
    fn rejects_pages_over_the_bounds() {
        let page = |count, size| Page { next: 1, more: false, statements: vec![vec![0; size]; count] };
        assert!(Page::decode(&page(MAX_PAGE, 1).encode()).is_some());
        assert!(Page::decode(&page(MAX_PAGE + 1, 1).encode()).is_none());
        assert!(Page::decode(&page(2, MAX_PAGE_BYTES / 2).encode()).is_none());
    }
}
