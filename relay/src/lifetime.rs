//! How long a shared cache may keep what a gateway says (RFC 9111 §4.2.1).

use http::{HeaderMap, header::CACHE_CONTROL};

/// The lifetime that `Cache-Control` gives, in seconds: 0 where it forbids to keep, none where it
/// says nothing that can be read.
pub(crate) fn lifetime_secs(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    // RFC 9111 §5.2: case does not matter, and some have an argument that narrows them, which counts as all.
    let directives = values.flat_map(|value| value.split(',')).map(|part| part.trim().to_ascii_lowercase());
    let directives: Vec<_> = directives.collect();
    let forbids = |directive: &String| {
        let name = directive.split('=').next().unwrap_or_default();
        matches!(name, "no-store" | "no-cache" | "private")
    };
    if directives.iter().any(forbids) {
        return Some(0);
    }
    let seconds =
        |name: &str| directives.iter().find_map(|directive| directive.strip_prefix(name)?.parse().ok());
    seconds("s-maxage=").or_else(|| seconds("max-age="))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lifetime(cache_control: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
        lifetime_secs(&headers)
    }

    #[test]
    fn the_gateways_cache_control_is_read() {
        assert_eq!(lifetime("max-age=600"), Some(600));
        assert_eq!(lifetime("public, max-age=600, s-maxage=60"), Some(60));
        assert_eq!(lifetime("no-store, max-age=600"), Some(0));
        assert_eq!(lifetime("No-Store, Max-Age=600"), Some(0));
        assert_eq!(lifetime("no-cache=\"x\", max-age=600"), Some(0));
        assert_eq!(lifetime("Max-Age=600"), Some(600));
        assert_eq!(lifetime("max-age=soon"), None);
        assert_eq!(lifetime("max-age=99999999999999999999999"), None);
        assert_eq!(lifetime_secs(&HeaderMap::new()), None);
    }
}
