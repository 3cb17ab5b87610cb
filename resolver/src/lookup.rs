//! From an identifier to the answer.

use crate::Resolver;
use crate::admission::select;
use crate::directory::DirectoryError;
use crate::metrics::Outcome;
use crate::record::Entry;
use bytes::Bytes;
use discreet_protocol::identifier::Csi;
use discreet_protocol::mapping::Tag;
use discreet_protocol::query::{
    IdentifierRequest, IdentifierResponse, ResponseCode, Subject, VerifiableMapping, lookup_path,
};
use discreet_protocol::time::Timestamp;
use discreet_serve::problem;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

impl Resolver {
    /// Answers one request: the one call between a gateway and a resolver.
    ///
    /// A miss does the work of a hit with one mapping. Errors are problem documents
    /// (RFC 9457) that repeat nothing of the request.
    pub fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (response, outcome) = self.route(&request);
        self.metrics.count(outcome);
        response
    }

    fn route(&self, request: &Request<Bytes>) -> (Response<Bytes>, Outcome) {
        if request.uri().path() != lookup_path(&self.rules.domain) {
            return refuse(StatusCode::NOT_FOUND, "this resolver has no such resource");
        }
        if request.method() != Method::POST {
            let (mut response, outcome) = refuse(StatusCode::METHOD_NOT_ALLOWED, "a lookup is a POST");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return (response, outcome);
        }
        let Ok(query) = IdentifierRequest::decode(request.body()) else {
            return refuse(StatusCode::BAD_REQUEST, "the query is not an IdentifierRequest");
        };
        let answer = match &query.subject {
            Subject::Exact(csi) => self.look_up(csi, query.tag.as_ref()),
            Subject::NotCanonical(_) => {
                return refuse(StatusCode::BAD_REQUEST, "the identifier is not in canonical form");
            }
            Subject::Unsupported => Ok(IdentifierResponse::empty(ResponseCode::UnsupportedField)),
        };
        match answer.map(|answer| (answer.encode(), answer.code)) {
            Ok((Some(body), code)) => (success(body), Outcome::of(code)),
            Ok((None, _)) => self.fail(&DirectoryError::Content),
            Err(error) => self.fail(&error),
        }
    }

    /// The answer to a sender who asks about `csi` for the purpose `tag`.
    fn look_up(&self, csi: &Csi, tag: Option<&Tag>) -> Result<IdentifierResponse, DirectoryError> {
        let now = Timestamp::from_unix(self.clock.now());
        let mut found = self.directory.find(csi)?;
        found.record.entries.retain(|entry| found.is_decoy || self.stands(entry, csi, now));
        let default = Tag::default_tag();
        let mut answer = IdentifierResponse::empty(ResponseCode::Success);
        for entry in select(&found.record, tag.unwrap_or(&default)) {
            let status = self.directory.status(&entry.credential.authority, &entry.credential.id)?;
            if entry.mapping.serve_as_not_found || found.is_decoy {
                continue;
            }
            let status = status.map_or_else(Vec::new, |status| status.value);
            answer.uris.extend(entry.mapping.reaches.iter().map(|reach| reach.uri.clone()));
            answer.mappings.push(VerifiableMapping::new(entry.bytes.clone(), status));
        }
        if answer.mappings.is_empty() {
            answer.code = ResponseCode::NotFound;
        }
        Ok(answer)
    }

    /// Whether a mapping that was good when it was admitted still is: its time is not over, and its
    /// authority may still speak. Whether its status is fresh, the client judges and says.
    fn stands(&self, entry: &Entry, csi: &Csi, now: Timestamp) -> bool {
        let (mapping, credential) = (&entry.mapping, &entry.credential);
        now < mapping.not_after
            && now < credential.expires
            && self.rules.authorities.speaking(&credential.authority, csi).is_ok()
    }

    fn fail(&self, error: &DirectoryError) -> (Response<Bytes>, Outcome) {
        // The error names the directory's file and SQLite's reason, never the query.
        self.log.within(|| tracing::error!(%error, "a lookup failed"));
        let title = "the directory cannot answer now; try again later";
        (problem(StatusCode::INTERNAL_SERVER_ERROR, title), Outcome::Failed)
    }
}

fn success(body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    let octets = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, octets);
    response
}

fn refuse(status: StatusCode, title: &'static str) -> (Response<Bytes>, Outcome) {
    (problem(status, title), Outcome::Malformed)
}
