//! Lines with their numbers, in bounded memory.

use super::MAX_LINE;
use std::io::{self, BufRead, Read};

/// A line's number, from 1, and its bytes; `None` if it was too long to keep.
pub(super) type Numbered = (u64, Option<Vec<u8>>);

pub(super) struct Lines<R> {
    input: R,
    number: u64,
    position: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0, position: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Up to `most` lines that are not blank; none at the end of the input.
    pub(super) fn take(&mut self, most: usize) -> io::Result<Vec<Numbered>> {
        let mut batch = Vec::new();
        while batch.len() < most {
            match self.next()? {
                Some((_, Some(text))) if text.trim_ascii().is_empty() => {}
                Some(line) => batch.push(line),
                None => break,
            }
        }
        Ok(batch)
    }

    fn next(&mut self) -> io::Result<Option<Numbered>> {
        let mut text = Vec::new();
        // One byte more than a line may have, for the line feed.
        let limit = MAX_LINE as u64 + 1;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut text)? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.position += read;
        if read == limit && !text.ends_with(b"\n") {
            self.position += self.input.skip_until(b'\n')? as u64;
            return Ok(Some((self.number, None)));
        }
        Ok(Some((self.number, Some(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_but_do_not_appear() {
        let mut lines = Lines::new(&b"a\n\n  \nb"[..]);
        let batch = lines.take(10).unwrap();
        assert_eq!(batch, [(1, Some(b"a\n".to_vec())), (4, Some(b"b".to_vec()))]);
        assert_eq!(lines.position(), 7);
        assert!(lines.take(10).unwrap().is_empty());
    }

    #[test]
    fn an_overlong_line_is_skipped_and_the_next_one_read() {
        let input = [vec![b'x'; MAX_LINE * 3], b"\nb\n".to_vec()].concat();
        let mut lines = Lines::new(input.as_slice());
        assert_eq!(lines.take(10).unwrap(), [(1, None), (2, Some(b"b\n".to_vec()))]);
        assert_eq!(lines.position(), input.len() as u64);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_kept() {
        let input = [vec![b'x'; MAX_LINE], b"\n".to_vec()].concat();
        let batch = Lines::new(input.as_slice()).take(10).unwrap();
        assert_eq!(batch[0].1.as_ref().unwrap().len(), MAX_LINE + 1);
    }
}
