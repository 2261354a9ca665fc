//! Names that come from the target, made safe to print: the only place that decides which characters pass.
//!
//! A name is bytes. What could move a cursor, reorder a line, hide itself or break a line is written as an escape:
//! `\xNN` is one byte (a C0 control, DEL, or a byte that is not UTF-8), `\u{NNNN}` one character. A backslash stays
//! as it is, so that ordinary names are not changed, unless what follows would make it read as one of these
//! escapes: then the backslash itself becomes `\x5c`. So an escape in a report is never the target's own text,
//! and [`unescape`] gives back the bytes that were captured.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What JSON keeps of a name, in bytes of its escaped form.
pub const JSON_BYTES: usize = 16 * 1024;

/// Bytes of names longer than [`JSON_SHORT`] that are shown whole: a stack that recurses in a function with a long name has
/// it a hundred times, and there are a thousand stacks.
const JSON_LONG_BYTES: usize = 16 << 20;

/// What JSON keeps of a name once that has been shown.
const JSON_SHORT: usize = 256;

/// What text keeps of a name, in characters of its escaped form.
pub const TEXT_CHARS: usize = 256;

/// The name for JSON: its first 16 KiB, or 256 bytes once very much has been shown. An escape is kept whole or not at all.
pub fn for_json(name: &[u8]) -> String {
    if name.len() <= JSON_SHORT {
        return first_bytes(name, JSON_BYTES);
    }
    let long = LONG.fetch_add(name.len().min(JSON_BYTES), Ordering::Relaxed);
    first_bytes(name, if long < JSON_LONG_BYTES { JSON_BYTES } else { JSON_SHORT })
}

/// Bytes of long names that have been shown.
static LONG: AtomicUsize = AtomicUsize::new(0);

fn first_bytes(name: &[u8], limit: usize) -> String {
    let mut out = String::with_capacity(name.len().min(limit));
    for piece in pieces(name) {
        let kept = out.len();
        piece.push_to(&mut out);
        if out.len() > limit {
            out.truncate(kept);
            break;
        }
    }
    out
}

/// The name for text and screens: its first 256 characters, the last one `…` where more followed.
pub fn for_text(name: &[u8]) -> String {
    let (mut out, mut chars, mut room_for_mark) = (String::new(), 0, 0);
    for piece in pieces(name) {
        if chars < TEXT_CHARS {
            room_for_mark = out.len();
        }
        chars += piece.push_to(&mut out);
        if chars > TEXT_CHARS {
            out.truncate(room_for_mark);
            out.push('…');
            break;
        }
    }
    out
}

/// A sentence of ours: line breaks and the like are escaped, backslashes are left alone, so doing it twice is harmless.
pub fn sentence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        TextPiece::from_char(character).push_to(&mut out);
    }
    out
}

/// JSON that somebody else may have written, with all that its strings would have a screen do made safe as in a sentence:
/// what we wrote is as it was. Control characters have an escape in JSON; elsewhere than in strings there are none.
pub fn json(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(|character| matches!(character, '\\' | '\x7f'..)) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (character, length) = json_character(rest);
        match character.map(TextPiece::from_char) {
            None | Some(TextPiece::Shown(_)) => out.push_str(&rest[..length]),
            Some(unsafe_one) => {
                out.push('\\'); // an escape's own backslash is escaped in JSON
                unsafe_one.push_to(&mut out);
            }
        }
        rest = &rest[length..];
    }
    out + rest
}

/// The character that a string of JSON has here, if it is no plain one, and the length of what stands for it.
fn json_character(text: &str) -> (Option<char>, usize) {
    let unit = |text: &str| u16::from_str_radix(hex(text.strip_prefix("\\u")?.get(..4)?)?, 16).ok();
    match text.as_bytes() {
        [b'\\', b'b', ..] => (Some('\x08'), 2),
        [b'\\', b'f', ..] => (Some('\x0c'), 2),
        [b'\\', b'n', ..] => (Some('\n'), 2),
        [b'\\', b'r', ..] => (Some('\r'), 2),
        [b'\\', b't', ..] => (Some('\t'), 2),
        [b'\\', b'u', ..] => {
            let units = [unit(text), text.get(6..).and_then(unit)].into_iter().map_while(|unit| unit);
            let first = char::decode_utf16(units).next().and_then(Result::ok);
            (first, first.map_or(2, |first| 6 * first.len_utf16()))
        }
        [b'\\', _, ..] => (None, 1 + text[1..].chars().next().map_or(0, char::len_utf8)),
        _ => (text.chars().next(), text.chars().next().map_or(0, char::len_utf8)),
    }
}

/// The bytes that [`for_json`] was given, up to its limit.
pub fn unescape(escaped: &str) -> Vec<u8> {
    let (mut name, mut rest) = (Vec::with_capacity(escaped.len()), escaped);
    while let Some(at) = rest.find('\\') {
        name.extend_from_slice(&rest.as_bytes()[..at]);
        let (piece, length) = escape_at(&rest[at..]).unwrap_or((TextPiece::Shown('\\'), 1));
        piece.push_raw_to(&mut name);
        rest = &rest[at + length..];
    }
    name.extend_from_slice(rest.as_bytes());
    name
}

#[derive(Clone, Copy)]
enum TextPiece {
    /// Passes as it is.
    Shown(char),
    /// Becomes `\xNN`.
    Byte(u8),
    /// Becomes `\u{NNNN}`.
    Escaped(char),
}

impl TextPiece {
    fn from_char(character: char) -> Self {
        match character {
            '\0'..='\x1f' | '\x7f' => Self::Byte(character as u8),
            _ if is_unsafe(character) => Self::Escaped(character),
            _ => Self::Shown(character),
        }
    }

    /// Appends the piece and returns its characters.
    fn push_to(self, out: &mut String) -> usize {
        match self {
            Self::Shown(character) => {
                out.push(character);
                1
            }
            Self::Byte(byte) => push_ascii(out, &format!("\\x{byte:02x}")),
            Self::Escaped(character) => push_ascii(out, &format!("\\u{{{:04x}}}", u32::from(character))),
        }
    }

    fn push_raw_to(self, name: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => name.push(byte),
            Self::Shown(character) | Self::Escaped(character) => {
                name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

fn push_ascii(out: &mut String, escape: &str) -> usize {
    out.push_str(escape);
    escape.len()
}

fn pieces(name: &[u8]) -> impl Iterator<Item = TextPiece> {
    name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid();
        let shown = valid.char_indices().map(move |(at, character)| match character {
            '\\' if escape_at(&valid[at..]).is_some() => TextPiece::Byte(b'\\'),
            _ => TextPiece::from_char(character),
        });
        shown.chain(chunk.invalid().iter().copied().map(TextPiece::Byte))
    })
}

/// The escape that `text` begins with, and its length. Writing and reading both ask here, so they cannot disagree.
fn escape_at(text: &str) -> Option<(TextPiece, usize)> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let byte = u8::from_str_radix(hex(digits.get(..2)?)?, 16).ok()?;
        return Some((TextPiece::Byte(byte), "\\xNN".len()));
    }
    let (digits, _) = text.strip_prefix("\\u{")?.split_once('}')?;
    let character = char::from_u32(u32::from_str_radix(hex(digits)?, 16).ok()?)?;
    Some((TextPiece::Escaped(character), "\\u{}".len() + digits.len()))
}

/// `from_str_radix` alone would take a sign as well.
fn hex(digits: &str) -> Option<&str> {
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)
}

/// Characters beyond ASCII that a terminal obeys, that reorder what is around them, or that show nothing.
#[rustfmt::skip] // one kind a line
fn is_unsafe(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'                                       // C1 controls: U+009B is CSI to some terminals
        | '\u{61c}' | '\u{200e}'..='\u{200f}'                     // direction marks
        | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'       // embeddings, overrides and isolates
        | '\u{2028}'..='\u{2029}'                                 // line and paragraph separators
        | '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}'         // nothing to see: two names would look like one
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        | '\u{fffe}'..='\u{ffff}'                                 // no characters, and no XML either
    )
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a hostile target may call itself, and what JSON shows of it.
    pub const EVIL: &[(&str, &[u8], &str)] = &[
        ("empty", b"", ""),
        ("plain", b"/usr/bin/python3", "/usr/bin/python3"),
        ("NUL", b"a\0b", r"a\x00b"),
        ("bell", b"\x07", r"\x07"),
        ("tab", b"a\tb", r"a\x09b"),
        ("line feed forges a line", b"x\nREADS  none seen", r"x\x0aREADS  none seen"),
        ("carriage return overwrites", b"evil\rgood", r"evil\x0dgood"),
        ("backspace", b"ab\x08c", r"ab\x08c"),
        ("SGR", b"\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("OSC 0 sets the title", b"\x1b]0;P\x07", r"\x1b]0;P\x07"),
        ("OSC 52 fills the clipboard", b"\x1b]52;c;cm0=\x1b\\", r"\x1b]52;c;cm0=\x1b\"),
        ("DCS", b"\x1bP$q\x1b\\", r"\x1bP$q\x1b\"),
        ("unit separator", b"\x1f", r"\x1f"),
        ("DEL", b"a\x7f", r"a\x7f"),
        ("C1 as a lone byte", b"\x9b31m", r"\x9b31m"),
        ("C1 in UTF-8", "\u{9b}31m".as_bytes(), r"\u{009b}31m"),
        ("NEL", "a\u{85}b".as_bytes(), r"a\u{0085}b"),
        ("right-to-left override", "a\u{202e}txt.exe".as_bytes(), r"a\u{202e}txt.exe"),
        ("isolate", "\u{2066}a\u{2069}".as_bytes(), r"\u{2066}a\u{2069}"),
        ("direction marks", "\u{200e}\u{200f}\u{61c}".as_bytes(), r"\u{200e}\u{200f}\u{061c}"),
        ("line separator", "a\u{2028}b\u{2029}".as_bytes(), r"a\u{2028}b\u{2029}"),
        ("zero width", "ro\u{200b}ot\u{feff}".as_bytes(), r"ro\u{200b}ot\u{feff}"),
        ("tag characters", "a\u{e0041}".as_bytes(), r"a\u{e0041}"),
        ("soft hyphen", "a\u{ad}b".as_bytes(), r"a\u{00ad}b"),
        ("no character", "a\u{fffe}\u{ffff}".as_bytes(), r"a\u{fffe}\u{ffff}"),
        ("not UTF-8", b"caf\xe9", r"caf\xe9"),
        ("overlong slash", b"\xc0\xaf", r"\xc0\xaf"),
        ("lone surrogate", b"\xed\xa0\x80", r"\xed\xa0\x80"),
        ("cut in a character", b"\xf0\x9f\x90", r"\xf0\x9f\x90"),
        ("letters stay", "Ärger_日本_🐍".as_bytes(), "Ärger_日本_🐍"),
        ("a backslash stays", br"C:\temp\x", r"C:\temp\x"),
        ("text like an escape", br"\x1b[31m", r"\x5cx1b[31m"),
        ("text like a wide escape", br"\u{202e}", r"\x5cu{202e}"),
        ("backslash before an escape", b"\\\x1b", r"\\x1b"),
        ("backslashes before text like one", br"\\x41", r"\\x5cx41"),
        ("escape torn by a bad byte", b"\\x\xff1", r"\x\xff1"),
        ("a sign is no digit", br"\x+1", r"\x+1"),
        ("no such character", br"\u{d800}", r"\u{d800}"),
        ("angle brackets are not our matter", b"<script>", "<script>"),
    ];

    #[test]
    fn writes_evil_names_harmlessly() {
        for (name, bytes, expected) in EVIL {
            assert_eq!(for_json(bytes), *expected, "{name} in JSON");
            assert_eq!(for_text(bytes), *expected, "{name} in text");
            assert!(!expected.chars().any(|c| c.is_control() || is_unsafe(c)), "{name}");
        }
    }

    #[test]
    fn gives_the_bytes_back() {
        for (name, bytes, escaped) in EVIL {
            assert_eq!(unescape(escaped), *bytes, "{name}");
        }
    }

    #[test]
    fn gives_every_pair_of_bytes_back_also_behind_a_backslash() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let name = [b'\\', first, second, b'x', b'4', b'1', first];
                let escaped = for_json(&name);
                assert_eq!(unescape(&escaped), name, "{escaped}");
                assert_eq!(for_json(&unescape(&escaped)), escaped);
            }
        }
    }

    #[test]
    fn keeps_what_the_contract_says() {
        for (name, bytes, json_bytes, text_chars) in [
            ("just fits text", vec![b'a'; 256], 256, 256),
            ("too long for text", vec![b'a'; 257], 257, 256),
            ("just fits JSON", vec![b'a'; 16_384], 16_384, 256),
            ("too long for JSON", vec![b'a'; 100_000], 16_384, 256),
            ("an escape is not cut", vec![b'\n'; 100_000], 16_384, 253),
            ("nor is a character", "日".repeat(50_000).into_bytes(), 16_383, 256),
        ] {
            assert_eq!(for_json(&bytes).len(), json_bytes, "{name} in JSON");
            assert_eq!(for_text(&bytes).chars().count(), text_chars, "{name} in text");
            assert_eq!(for_text(&bytes).ends_with('…'), bytes.len() > TEXT_CHARS, "{name}: the mark");
        }
    }

    #[test]
    fn json_of_others_is_made_safe_and_ours_is_as_it_was() {
        for (name, bytes, escaped) in EVIL {
            let ours = serde_json::to_string(escaped).expect("a string");
            assert_eq!(json(&ours), ours, "{name}");
            let Ok(raw) = std::str::from_utf8(bytes) else { continue };
            let by_units: String = raw.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            for theirs in [serde_json::to_string(raw).expect("a string"), format!("\"{by_units}\"")] {
                let read: String = serde_json::from_str(&json(&theirs)).expect("a string still");
                assert_eq!(read, sentence(raw), "{name}: {theirs}");
            }
        }
        for broken in ["\"\\", "\"\\u", "\"\\u12", "\"\\ud83d\\u0041\"", "\"\\u+123\"", "\\é"] {
            assert_eq!(json(broken), broken, "left to who reads it");
        }
        assert_eq!(
            json("{\n\t\"a\": \"\u{7f}\"}"),
            "{\n\t\"a\": \"\\\\x7f\"}",
            "what is between strings stays"
        );
    }

    #[test]
    fn a_sentence_is_made_safe_once() {
        let once = sentence("line\nand \u{202e} but \\x1b");
        assert_eq!(once, r"line\x0aand \u{202e} but \x1b");
        assert_eq!(sentence(&once), once);
    }
}
