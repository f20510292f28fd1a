//! Files of what collectors found: `DIR/<suite>/<case>/<n>-<what>.txt`.

use std::fs;
use std::io;
use std::path::Path;

use crate::event::CaseId;

/// Writes one file.
///
/// # Errors
/// What the system says.
pub fn write(folder: &Path, id: &CaseId, number: usize, title: &str, text: &str) -> io::Result<()> {
    let folder = folder
        .join(file_name(&id.suite.name))
        .join(file_name(&id.name));
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join(format!("{number}-{}.txt", file_name(title))),
        text,
    )
}

/// A name of anything as one of a file: no separators, nothing hidden, not too long.
fn file_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(100)
        .collect();
    match name.trim_start_matches('.') {
        "" => "_".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(file_name(".."), "_");
        assert_eq!(file_name("logs pod/a"), "logs_pod_a");
    }
}
