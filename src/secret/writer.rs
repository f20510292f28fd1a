//! Masks what is written, whole lines at a time: for tracing.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::mask::Mask;

/// A line without an end is written when it has so many bytes; a secret that stands just there is
/// not recognized.
const LONGEST_LINE: usize = 256 * 1024;

/// Masks what goes through it. Lines are held back until they are whole, since a secret may come in
/// two writes; [`flush`](Write::flush) and dropping let the rest go.
#[derive(Debug)]
pub struct MaskingWriter<W: Write> {
    mask: Mask,
    inner: W,
    held: Vec<u8>,
}

impl<W: Write> MaskingWriter<W> {
    /// In front of `inner`.
    pub fn new(mask: Mask, inner: W) -> Self {
        Self {
            mask,
            inner,
            held: Vec::new(),
        }
    }

    /// Writes the first `length` bytes of what is held. They are gone then, even where it fails:
    /// what was written in part must not come again.
    fn release(&mut self, length: usize) -> io::Result<()> {
        let rest = self.held.split_off(length);
        let lines = std::mem::replace(&mut self.held, rest);
        self.inner.write_all(&self.mask.mask_bytes(&lines))
    }
}

impl<W: Write> Write for MaskingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let lines = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => before + last + 1,
            None if self.held.len() >= LONGEST_LINE => self.held.len(),
            None => 0,
        };
        if lines > 0 {
            self.release(lines)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.release(self.held.len())?;
        self.inner.flush()
    }
}

impl<W: Write> Drop for MaskingWriter<W> {
    fn drop(&mut self) {
        // Nobody is there to tell.
        let _ = self.release(self.held.len());
    }
}

/// Makes a [`MaskingWriter`] for each line of tracing:
/// `tracing_subscriber::fmt().with_writer(MaskingWriters::new(mask, std::io::stderr))`.
#[derive(Clone, Debug)]
pub struct MaskingWriters<M> {
    mask: Mask,
    inner: M,
}

impl<M> MaskingWriters<M> {
    /// In front of what `inner` makes.
    pub fn new(mask: Mask, inner: M) -> Self {
        Self { mask, inner }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for MaskingWriters<M> {
    type Writer = MaskingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        MaskingWriter::new(self.mask.clone(), self.inner.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        MaskingWriter::new(self.mask.clone(), self.inner.make_writer_for(metadata))
    }
}
