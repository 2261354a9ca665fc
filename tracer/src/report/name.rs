//! Text of a report that could do harm if it were printed as it is, wrapped so that it cannot be.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::sanitize;

/// A path, title, function, thread or file name as it was captured from the target: any bytes.
///
/// It leaves the program by `Display` (text, at most 256 characters) or `Serialize` (JSON, at most 16 KiB), both of
/// which go through the sanitiser. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Bytes);

impl Name {
    /// The name that these bytes are; nothing is cut or changed.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Self(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// The bytes as captured: to compare and to look up, not to print.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::new([])
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Bytes> for Name {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&sanitize::for_text(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name(\"{self}\")")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&sanitize::for_json(&self.0))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let escaped = String::deserialize(deserializer)?;
        Ok(Self::new(sanitize::unescape(&escaped)))
    }
}

/// A sentence of ours, whose names were written by `Display`. What would break a line is escaped again to be sure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sentence(String);

impl Sentence {
    /// Takes the sentence, made safe.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(sanitize::sentence(text.as_ref()))
    }

    /// The safe text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sentence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_json() {
        for bytes in [&b"plain"[..], b"\x1b]0;x\x07", b"caf\xe9", br"\x1b", b"\\\n\\x41"] {
            let name = Name::new(bytes);
            let json = serde_json::to_string(&name).unwrap();
            let back: Name = serde_json::from_str(&json).unwrap();
            assert_eq!(back, name);
            assert_eq!(serde_json::to_string(&back).unwrap(), json);
        }
    }

    #[test]
    fn neither_display_nor_debug_shows_what_was_captured() {
        let name = Name::new("a\u{202e}\n");
        assert_eq!(name.to_string(), r"a\u{202e}\x0a");
        assert_eq!(format!("{name:?}"), r#"Name("a\u{202e}\x0a")"#);
        assert_eq!(format!("{:>4}", Name::from("x")), "   x");
    }
}
