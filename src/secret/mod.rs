//! What must be masked, and the mask: applied to events before they leave the dispatcher, and to
//! what tracing writes.
//!
//! A [`Mask`] is a shared handle: whoever meets a secret adds it, and from then on all who hold
//! the handle mask it. What is a secret is the caller's knowledge; this is about the forms that
//! one takes on its way into a text.

mod event;
mod forms;
mod mask;
mod object;
mod search;
mod skeleton;
#[cfg(test)]
mod tests;
mod writer;

pub use mask::{MASK, Mask, SHORTEST};
pub use writer::{MaskingWriter, MaskingWriters};
