//! The lines of the file, and where they have their partition keys.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, BufReader};

use crate::error::Error;

/// The longest line: what a record holds by default.
const MAX_LINE_BYTES: usize = kpl::limits::DEFAULT_MAX_RECORD_BYTES;

/// Bytes that are read from the file at once.
const READ_BYTES: usize = 256 * 1024;

/// The lines of a file, one pass or several.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    passes_left: u32,
    /// The line that was read last, from 1, and its bytes.
    number: u64,
    line: Vec<u8>,
    bytes_total: u64,
    bytes_read: u64,
}

impl Lines {
    /// Opens a file, to be read `passes` times.
    pub(crate) async fn open(path: &Path, passes: u32) -> Result<Self, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).await.map_err(failed)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(READ_BYTES, file),
            passes_left: passes.saturating_sub(1),
            number: 0,
            line: Vec::new(),
            bytes_total: bytes.saturating_mul(passes.into()),
            bytes_read: 0,
        })
    }

    /// The next line, without its line feed and otherwise as it is; `None` behind the last one of the last pass.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.number += 1;
        let mut read = self.read_line().await?;
        if read == 0 && self.number > 1 && self.passes_left > 0 {
            self.passes_left -= 1;
            self.number = 1;
            self.file.rewind().await.map_err(|source| self.unreadable(source))?;
            read = self.read_line().await?;
        }
        if read == 0 {
            return Ok(None);
        }
        self.bytes_read += read as u64;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        if line.len() > MAX_LINE_BYTES {
            let (path, line) = (self.path.clone(), self.number);
            return Err(Error::LineTooLong {
                path,
                line,
                limit: MAX_LINE_BYTES,
            });
        }
        Ok(Some(Bytes::copy_from_slice(line)))
    }

    /// Whether half of all passes was read.
    pub(crate) fn past_the_middle(&self) -> bool {
        self.bytes_read >= self.bytes_total / 2
    }

    /// The bytes of all passes.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    /// The bytes that were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    async fn read_line(&mut self) -> Result<usize, Error> {
        self.line.clear();
        // One byte for the line feed, and one to see that a line is too long without reading all of it.
        let mut rest = (&mut self.file).take(MAX_LINE_BYTES as u64 + 2);
        let read = rest.read_until(b'\n', &mut self.line).await;
        read.map_err(|source| self.unreadable(source))
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        Error::ReadLine {
            path: self.path.clone(),
            line: self.number,
            source,
        }
    }
}

/// A dotted path into a JSON document, such as `properties.net`.
#[derive(Debug, Clone)]
pub(crate) struct KeyPath {
    /// The same as a JSON pointer, RFC 6901: `/properties/net`.
    pointer: String,
}

impl KeyPath {
    /// The string or number at the path; `None` if there is neither, or the line is no JSON.
    pub(crate) fn find(&self, line: &[u8]) -> Option<String> {
        let mut document: Value = serde_json::from_slice(line).ok()?;
        match document.pointer_mut(&self.pointer)?.take() {
            Value::String(key) => Some(key).filter(|key| !key.is_empty()),
            Value::Number(key) => Some(key.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl FromStr for KeyPath {
    type Err = Infallible;

    fn from_str(path: &str) -> Result<Self, Infallible> {
        let escaped = path.replace('~', "~0").replace('/', "~1");
        Ok(Self {
            pointer: format!("/{}", escaped.replace('.', "/")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str, line: &str) -> Option<String> {
        let Ok(path) = path.parse::<KeyPath>();
        path.find(line.as_bytes())
    }

    #[test]
    fn a_dotted_path_leads_into_nested_objects() {
        let line = r#"{"id":"uw1","properties":{"net":"uw","mag":0.31},"a/b":{"~":7}}"#;
        assert_eq!(key("id", line).as_deref(), Some("uw1"));
        assert_eq!(key("properties.net", line).as_deref(), Some("uw"));
        assert_eq!(key("properties.mag", line).as_deref(), Some("0.31"));
        assert_eq!(key("a/b.~", line).as_deref(), Some("7"));
    }

    #[test]
    fn a_line_without_a_string_or_number_there_has_no_key() {
        for line in [
            "",
            "no json",
            "7",
            "{}",
            r#"{"id":null}"#,
            r#"{"id":""}"#,
            r#"{"id":{"x":1}}"#,
            "{\"id\":\"\u{1}",
        ] {
            assert_eq!(key("id", line), None, "{line}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_as_often_as_asked_byte_by_byte() {
        let path = std::env::temp_dir().join(format!("quickstart-{}.txt", std::process::id()));
        std::fs::write(&path, b"one\r\n\n\xff").unwrap();
        let mut lines = Lines::open(&path, 2).await.unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        std::fs::remove_file(&path).unwrap();
        let once: [&[u8]; 3] = [b"one\r", b"", b"\xff"];
        assert_eq!(read, [once, once].concat());
        assert_eq!(lines.bytes_read(), lines.bytes_total());
    }
}
