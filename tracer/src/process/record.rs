//! Files of `/proc` that the kernel makes up as a whole whenever they are read from their start: those of one thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// All but the strangest are shorter.
const USUAL_BYTES: usize = 4096;
/// Most bytes that are read.
const LIMIT: usize = 1 << 20;

/// What the file says now. It takes one call, where a reader that looks for the end takes four.
///
/// # Errors
/// When whatever it describes is gone, or we may not know.
pub fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; USUAL_BYTES];
    loop {
        let length = file.read_at(&mut bytes, 0)?;
        if length < bytes.len() || length >= LIMIT {
            bytes.truncate(length);
            return Ok(bytes);
        }
        bytes.resize(2 * length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_and_anew() {
        let file = tempfile::tempfile().expect("a new file");
        for length in [0, 1, USUAL_BYTES - 1, USUAL_BYTES, USUAL_BYTES + 1, 5 * USUAL_BYTES, LIMIT - 1] {
            file.set_len(0).expect("our own file");
            file.write_all_at(&vec![b'x'; length], 0).expect("our own file");
            assert_eq!(read(&file).expect("our own file"), vec![b'x'; length], "{length}");
        }
    }
}
