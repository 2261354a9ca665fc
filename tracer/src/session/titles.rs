//! Command lines and paths of programs: each as long as a process wants, and there may be thousands of processes.

use crate::event::{Bytes, Nanos, ProcessDescription};
use crate::report::Shed;

/// Bytes of them that are kept whole.
const WHOLE: usize = 4 << 20;
/// Bytes of each from then on, as much as a screen shows.
const KEPT: usize = 256;
const MARK: &[u8] = "…".as_bytes();

/// What has been kept so far.
#[derive(Debug, Default)]
pub struct Titles {
    bytes: usize,
    is_cut: bool,
}

impl Titles {
    /// Cuts what there is no room for; what was known of the process before is kept once.
    pub fn admit(&mut self, process: &mut ProcessDescription, known: Option<&ProcessDescription>) {
        self.admit_one(&mut process.title, known.map(|known| &known.title));
        if let Some(exe) = &mut process.exe {
            self.admit_one(exe, known.and_then(|known| known.exe.as_ref()));
        }
        if let Some(cgroup) = &mut process.cgroup {
            self.admit_one(cgroup, known.and_then(|known| known.cgroup.as_ref()));
        }
    }

    fn admit_one(&mut self, text: &mut Bytes, known: Option<&Bytes>) {
        match known {
            Some(known) if known == text => *text = known.clone(),
            _ if text.len() <= KEPT => {}
            _ if self.bytes + text.len() <= WHOLE => self.bytes += text.len(),
            _ => {
                self.is_cut = true;
                *text = [&text[..KEPT], MARK].concat().into();
            }
        }
    }

    /// That some were cut.
    pub fn cut(&self, at_ns: Nanos) -> Option<Shed> {
        let why = format!("{} MiB of them have been seen", WHOLE >> 20);
        self.is_cut.then(|| Shed { at_ns, what: "the ends of long command lines and paths".to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_take_so_much_room_and_no_more() {
        let mut titles = Titles::default();
        let process = |byte, length| ProcessDescription {
            title: vec![byte; length].into(),
            ..ProcessDescription::default()
        };
        let first = process(b'a', 20 << 10);
        for _ in 0..1_000 {
            titles.admit(&mut first.clone(), Some(&first));
        }
        assert_eq!((titles.bytes, titles.cut(7)), (0, None), "it is the same one");
        let admitted = |titles: &mut Titles, length| {
            let mut process = process(b'b', length);
            titles.admit(&mut process, Some(&first));
            process.title.len()
        };
        let whole = (0..1_000).filter(|_| admitted(&mut titles, 20 << 10) == 20 << 10).count();
        assert_eq!(whole, WHOLE / (20 << 10));
        assert_eq!(admitted(&mut titles, 20 << 10), KEPT + MARK.len());
        assert_eq!(admitted(&mut titles, KEPT), KEPT, "short ones are left alone");
        assert!(titles.cut(7).is_some());
    }
}
