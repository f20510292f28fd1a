//! What is said of a text that is no such value.

/// A text that cannot be read as the value it should be, or a step that leaves
/// what such a value can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// What is wrong, with the text, cut where it is long.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl ValueError {
    /// `text` was to be `what`, such as "a quantity".
    pub(super) fn not(text: &str, what: &str, help: &str) -> Self {
        Self {
            message: format!("`{}` is not {what}", shortened(text)),
            help: Some(help.to_owned()),
        }
    }

    /// A result that is larger than such a value can be.
    pub(super) fn too_large(what: &str) -> Self {
        Self {
            message: format!("the result is too large for {what}"),
            help: None,
        }
    }
}

/// At most some sixty characters of a text: a message quotes it, and it may be a
/// whole file.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        format!("{start}…")
    } else {
        start
    }
}
