//! JSONPath as kubectl writes it, made into what the standard (RFC 9535) says.
//!
//! Looking something up with it is the business of `run`.

/// A text that is no JSONPath.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is not a JSONPath: {problem}")]
pub struct JsonpathError {
    /// As written.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The same path in the standard's words: the braces of kubectl go, `$` comes
/// before it, and a field whose name is more than letters, digits and `_` goes into
/// brackets, as `{.metadata.annotations.example\.com/a}` needs it.
///
/// # Errors
/// Syntax that the standard does not have either.
pub fn standard(path: &str) -> Result<String, JsonpathError> {
    let refuse = |problem: String| {
        Err(JsonpathError {
            path: path.to_owned(),
            problem,
        })
    };
    let inner = path.trim();
    let inner = match inner.strip_prefix('{') {
        Some(inner) => match inner.strip_suffix('}') {
            Some(inner) => inner.trim(),
            None => return refuse("it has no closing `}`".to_owned()),
        },
        None => inner,
    };
    if inner.is_empty() {
        return refuse("it is empty".to_owned());
    }
    if inner.contains(['{', '}']) {
        return refuse("it is more than one `{…}`".to_owned());
    }
    let standard = translated(inner);
    match jsonpath_rust::parser::parse_json_path(&standard) {
        Ok(_) => Ok(standard),
        Err(_) => refuse("write it like {.status.phase} or {.items[0].name}".to_owned()),
    }
}

fn translated(path: &str) -> String {
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    let mut standard = "$".to_owned();
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            let end = bracket_end(rest);
            standard.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if let Some(deeper) = rest.strip_prefix("..") {
            standard.push_str("..");
            rest = deeper;
            if rest.starts_with('[') {
                continue;
            }
        } else {
            // kubectl takes `status.phase` for `.status.phase`
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
        let (field, behind) = field_of(rest);
        rest = behind;
        if field.is_empty() {
            // a dot too many, which the standard does not take either
            standard.push('.');
            standard.push_str(rest);
            break;
        }
        let is_descendant = standard.ends_with("..");
        let is_plain = field == "*"
            || field.starts_with(|c: char| c.is_alphabetic() || c == '_')
                && field.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_plain {
            if !is_descendant {
                standard.push('.');
            }
            standard.push_str(&field);
        } else {
            let quoted = field.replace('\\', "\\\\").replace('\'', "\\'");
            standard.push_str(&format!("['{quoted}']"));
        }
    }
    standard
}

/// A field's name up to the next dot or bracket; a backslash keeps a dot in it.
fn field_of(text: &str) -> (String, &str) {
    let mut field = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (field, &text[at..]),
            '\\' => match chars.next() {
                Some((_, escaped)) => field.push(escaped),
                None => field.push('\\'),
            },
            c => field.push(c),
        }
    }
    (field, "")
}

/// Where a bracket ends, its own brackets and quoted text inside; the whole text
/// where it does not.
fn bracket_end(text: &str) -> usize {
    let mut depth = 0;
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectls_paths_become_the_standards() {
        for (written, expected) in [
            ("{.status.phase}", "$.status.phase"),
            (".status.phase", "$.status.phase"),
            ("status.phase", "$.status.phase"),
            ("{$.status.phase}", "$.status.phase"),
            ("{.items[*].metadata.name}", "$.items[*].metadata.name"),
            ("{..name}", "$..name"),
            (
                "{.metadata.annotations.example\\.com/a-b}",
                "$.metadata.annotations['example.com/a-b']",
            ),
            (
                "{.status.conditions[?(@.type==\"Ready\")].status}",
                "$.status.conditions[?(@.type==\"Ready\")].status",
            ),
            ("{.a['x.y']}", "$.a['x.y']"),
        ] {
            assert_eq!(standard(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "{}", "{.a", "{.a}{.b}", "{.a[}", "{.a[?]}", "{.a...b}"] {
            assert!(standard(text).is_err(), "{text:?}");
        }
    }
}
