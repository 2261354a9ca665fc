//! A file that is there from its first piece on, and grows.

use std::path::Path;

use super::draft::Draft;
use super::error::OutputError;
use super::invoker::Invoker;

/// A file that pieces are added to. It consists of whole pieces, also when the disk is full; who is killed may leave a
/// part of the last.
#[derive(Debug)]
pub struct GrowingFile {
    draft: Draft,
    written: u64,
}

impl GrowingFile {
    /// Begins it: what has its name is replaced with the first piece.
    ///
    /// # Errors
    /// When the directory takes no file, or what is there is not the caller's to replace.
    pub fn create(invoker: &Invoker, path: &Path) -> Result<Self, OutputError> {
        Ok(Self { draft: Draft::create(invoker, path)?, written: 0 })
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// When there is no room for all of it: then none of it is there.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), OutputError> {
        if let Err(error) = self.draft.write(piece) {
            let _ = self.draft.truncate(self.written); // the first error is the one to report
            return Err(error);
        }
        if self.written == 0 {
            self.draft.publish()?;
        }
        self.written += piece.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn it_takes_its_name_with_the_first_piece() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a.trc");
        fs::write(&path, "old").unwrap();
        let mut file = GrowingFile::create(&Invoker::current(), &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.append(b"one").unwrap();
        file.append(b"two").unwrap();
        assert_eq!((fs::read(&path).unwrap(), file.written()), (b"onetwo".to_vec(), 6));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"onetwo");
    }

    #[test]
    fn one_without_pieces_leaves_nothing() {
        let directory = TempDir::new().unwrap();
        drop(GrowingFile::create(&Invoker::current(), &directory.path().join("a.trc")).unwrap());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }
}
