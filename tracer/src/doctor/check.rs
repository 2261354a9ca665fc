//! One thing that was checked.

use serde::Serialize;

use crate::error::ErrorKind;
use crate::report::Sentence;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// It is as it should be.
    pub ok: bool,
    /// How it is.
    pub found: Sentence,
    /// What to do, where it is not as it should be.
    pub remedy: Option<Sentence>,
    /// Why tracing would not work, if it cannot do without.
    #[serde(skip)]
    stops: Option<ErrorKind>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: &'static str, found: impl Into<Sentence>) -> Self {
        Self { name, ok: true, found: found.into(), remedy: None, stops: None }
    }

    /// Tracing works, but not as well as it could.
    pub fn lacking(name: &'static str, found: impl Into<Sentence>, remedy: impl Into<Sentence>) -> Self {
        Self { name, ok: false, found: found.into(), remedy: Some(remedy.into()), stops: None }
    }

    /// Tracing does not work, for a reason of this kind.
    pub fn failed(
        name: &'static str,
        kind: ErrorKind,
        found: impl Into<Sentence>,
        remedy: impl Into<Sentence>,
    ) -> Self {
        Self { stops: Some(kind), ..Self::lacking(name, found, remedy) }
    }

    /// What an error of the tracer says: up to `; try` what is wrong, then what to do.
    pub fn error(name: &'static str, kind: ErrorKind, error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        let (found, remedy) = text.split_once("; try ").unwrap_or((&text, "again"));
        Self::failed(name, kind, found, format!("try {remedy}"))
    }

    /// Why tracing would not work, if so.
    #[must_use]
    pub fn stops(&self) -> Option<ErrorKind> {
        self.stops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_remedy() {
        let error = std::io::Error::other("cannot load probe x: no; try sudo, or grant CAP_BPF");
        let check = Check::error("probes", ErrorKind::NotPermitted, &error);
        assert_eq!(check.found.as_str(), "cannot load probe x: no");
        assert_eq!(check.remedy.as_ref().map(Sentence::as_str), Some("try sudo, or grant CAP_BPF"));
        assert_eq!((check.ok, check.stops()), (false, Some(ErrorKind::NotPermitted)));
    }

    #[test]
    fn json_has_what_the_contract_names() {
        let check =
            serde_json::to_value(Check::failed("btf", ErrorKind::Kernel, "none", "try another kernel"))
                .unwrap();
        let expected = serde_json::json!({
            "name": "btf", "ok": false, "found": "none", "remedy": "try another kernel"
        });
        assert_eq!(check, expected);
    }
}
