//! Which suites and cases are meant: arguments, labels, names.
//!
//! What an argument means among the suites that ship is decided here; `load` looks
//! at the disk.

use std::collections::BTreeMap;

use regex::Regex;

use crate::diagnostic::nearest;

/// `--select`: `area=network,tier!=slow,stable,!broken`, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Equals(String, String),
    /// As in Kubernetes, a label that is not there is not equal.
    NotEquals(String, String),
    Exists(String),
    Absent(String),
}

/// A text that is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` selects no label: write name=value, name!=value, name or !name")]
pub struct SelectorError {
    part: String,
}

impl LabelSelector {
    /// Reads a selector; of several, as of several flags, all must hold. An empty
    /// text selects everything.
    ///
    /// # Errors
    /// Anything but comparisons with `=`, `==` and `!=`, and names.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, SelectorError> {
        texts
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether labels are selected.
    pub fn admits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Equals(name, value) => labels.get(name) == Some(value),
            Requirement::NotEquals(name, value) => labels.get(name) != Some(value),
            Requirement::Exists(name) => labels.contains_key(name),
            Requirement::Absent(name) => !labels.contains_key(name),
        })
    }
}

fn requirement(part: &str) -> Result<Requirement, SelectorError> {
    let name = |text: &str| {
        let text = text.trim();
        let is_name = !text.is_empty() && !text.contains(['=', '!', ' ', '(', ')']);
        is_name
            .then(|| text.to_owned())
            .ok_or_else(|| SelectorError {
                part: part.to_owned(),
            })
    };
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(Requirement::NotEquals(name(key)?, name(value)?));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::Equals(name(key)?, name(value)?));
    }
    match part.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(name(key)?)),
        None => Ok(Requirement::Exists(name(part)?)),
    }
}

/// `--filter` and `--exclude`: globs on the whole rendered name of a case, in which
/// `*` is any text and `?` any character.
#[derive(Clone, Debug, Default)]
pub struct NameFilter {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

#[derive(Clone, Debug)]
struct Glob {
    regex: Regex,
    pieces: Vec<Piece>,
}

/// A part of a glob, or of a name of which something is still to be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    AnyChar,
    AnyText,
}

impl NameFilter {
    /// A filter that admits what one of `include` matches, or everything where
    /// there are none, and none of `exclude` does.
    pub fn new<S: AsRef<str>>(include: &[S], exclude: &[S]) -> Self {
        let globs = |patterns: &[S]| {
            patterns
                .iter()
                .map(|pattern| Glob::new(pattern.as_ref()))
                .collect()
        };
        Self {
            include: globs(include),
            exclude: globs(exclude),
        }
    }

    /// Whether a case of this name is left out in so many words.
    pub fn excludes(&self, name: &str) -> bool {
        self.exclude.iter().any(|glob| glob.regex.is_match(name))
    }

    /// Whether a case with a matrix may have cells that are to run, as far as its name in the file
    /// tells: what is rendered in it may be any text.
    pub fn may_admit(&self, name: &str) -> bool {
        let name = pieces_of_template(name);
        let one_is = |globs: &[Glob], rendered: Rendered| {
            let mut globs = globs.iter();
            globs.any(|glob| meets(&glob.pieces, &name, rendered))
        };
        let is_included = self.include.is_empty() || one_is(&self.include, Rendered::AsNeeded);
        let is_excluded = one_is(&self.exclude, Rendered::Unknown);
        is_included && !is_excluded
    }

    /// Whether every case is to run, whatever its name.
    pub fn admits_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a case of this name is to run.
    pub fn admits(&self, name: &str) -> bool {
        let is_included =
            self.include.is_empty() || self.include.iter().any(|glob| glob.regex.is_match(name));
        is_included && !self.excludes(name)
    }
}

impl Glob {
    fn new(pattern: &str) -> Self {
        let pieces: Vec<Piece> = pattern
            .chars()
            .map(|c| match c {
                '*' => Piece::AnyText,
                '?' => Piece::AnyChar,
                c => Piece::Char(c),
            })
            .collect();
        let inner: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::AnyText => ".*".to_owned(),
                Piece::AnyChar => ".".to_owned(),
                Piece::Char(c) => regex::escape(&c.to_string()),
            })
            .collect();
        let regex = Regex::new(&format!("(?s)^{inner}$"));
        Self {
            regex: regex.expect("escaped text, `.` and `.*` are a pattern"),
            pieces,
        }
    }
}

/// The name of a case with a matrix, which may get ` [axis=value]` behind it.
fn pieces_of_template(name: &str) -> Vec<Piece> {
    let mut parts = name.split("{{");
    let mut pieces: Vec<Piece> = parts
        .next()
        .into_iter()
        .flat_map(str::chars)
        .map(Piece::Char)
        .collect();
    for part in parts {
        let literal = part.split_once("}}").map_or("", |(_, behind)| behind);
        pieces.push(Piece::AnyText);
        pieces.extend(literal.chars().map(Piece::Char));
    }
    // of statements, and of braces in an expression, nobody knows what they leave
    let is_strange =
        name.contains("{%") || name.matches("}}").count() != name.matches("{{").count();
    match is_strange {
        true => vec![Piece::AnyText],
        false => {
            pieces.push(Piece::AnyText);
            pieces
        }
    }
}

/// What a text that is still to be rendered is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rendered {
    /// Whatever makes a glob match.
    AsNeeded,
    /// What only a `*` matches for sure.
    Unknown,
}

/// Whether a glob and a name can be the same text, from the ends of both.
fn meets(glob: &[Piece], name: &[Piece], rendered: Rendered) -> bool {
    let mut meets = vec![vec![false; name.len() + 1]; glob.len() + 1];
    for at in (0..=glob.len()).rev() {
        for of in (0..=name.len()).rev() {
            meets[at][of] = match (glob.get(at), name.get(of)) {
                (None, None) => true,
                (Some(Piece::AnyText), next) => {
                    meets[at + 1][of] || next.is_some() && meets[at][of + 1]
                }
                (next, Some(Piece::AnyText)) if rendered == Rendered::AsNeeded => {
                    meets[at][of + 1] || next.is_some() && meets[at + 1][of]
                }
                (Some(Piece::AnyChar), Some(Piece::Char(_))) => meets[at + 1][of + 1],
                (Some(Piece::Char(one)), Some(Piece::Char(other))) => {
                    one == other && meets[at + 1][of + 1]
                }
                _ => false,
            };
        }
    }
    meets[0][0]
}

/// The ids of the suites that ship which an argument means: one of them, all of a
/// folder, or the one whose last part it is.
///
/// # Errors
/// Nothing of this name, or several: a message that says what there is.
pub fn shipped(argument: &str, ids: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let argument = argument.trim_end_matches('/');
    if let Some(id) = ids.iter().find(|id| **id == argument) {
        return Ok(vec![id]);
    }
    let is_inside = |id: &str| {
        id.strip_prefix(argument)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let inside: Vec<_> = ids.iter().copied().filter(|id| is_inside(id)).collect();
    if !inside.is_empty() {
        return Ok(inside);
    }
    let named: Vec<_> = ids
        .iter()
        .copied()
        .filter(|id| id.rsplit('/').next() == Some(argument))
        .collect();
    match named.len() {
        1 => Ok(named),
        0 => Err(unknown(argument, ids)),
        _ => Err(format!(
            "`{argument}` may be any of {}: name it in full",
            named.join(", ")
        )),
    }
}

fn unknown(argument: &str, ids: &[&'static str]) -> String {
    let folders = ids.iter().filter_map(|id| Some(id.rsplit_once('/')?.0));
    let last_parts = ids.iter().filter_map(|id| id.rsplit('/').next());
    let words = ids.iter().copied().chain(folders).chain(last_parts);
    let hint = match nearest(argument, words) {
        Some(word) => format!("did you mean `{word}`? "),
        None => String::new(),
    };
    format!(
        "there is no suite `{argument}`. {hint}These ship: {}. Files of your own are named \
         by a path, such as ./{argument} or {argument}.yaml",
        ids.join(", ")
    )
}

/// Whether an argument is a path, the user's own, rather than the name of a suite
/// that ships.
pub fn is_path(argument: &str) -> bool {
    argument.contains(['/', std::path::MAIN_SEPARATOR])
        || argument.ends_with(".yaml")
        || argument.ends_with(".yml")
        || matches!(argument, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_selected_as_kubernetes_does() {
        let labels = BTreeMap::from([("area".to_owned(), "network".to_owned())]);
        for (text, expected) in [
            ("", true),
            ("area=network", true),
            ("area==network", true),
            ("area=disk", false),
            ("area!=disk", true),
            ("tier!=slow", true),
            ("area", true),
            ("!area", false),
            ("!tier", true),
            ("area=network, !tier", true),
            ("area,tier", false),
        ] {
            let selector = LabelSelector::parse([text]).unwrap();
            assert_eq!(selector.admits(&labels), expected, "{text}");
        }
        for wrong in ["=a", "a=", "a in (b)", "!", "a=b=c", "a b"] {
            assert!(LabelSelector::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_filtered_by_globs() {
        let admits = |include: &[&str], exclude: &[&str], name: &str| {
            NameFilter::new(include, exclude).admits(name)
        };
        assert!(admits(&[], &[], "anything"));
        assert!(admits(&["node1 *"], &[], "node1 reaches node2"));
        assert!(!admits(&["node1 *"], &[], "node10 reaches node2"));
        assert!(!admits(&["node1"], &[], "node1 reaches node2"));
        assert!(admits(&["b", "a?"], &[], "ab"));
        assert!(!admits(&["*"], &["*node2"], "node1 reaches node2"));
        assert!(admits(&["a [x=1] (b)*"], &[], "a [x=1] (b)\n"));
    }

    #[test]
    fn a_name_that_is_not_rendered_yet_is_left_out_where_that_is_sure() {
        let may_admit = |include: &[&str], exclude: &[&str], name: &str| {
            NameFilter::new(include, exclude).may_admit(name)
        };
        for (pattern, name, expected) in [
            ("smoke *", "pod {{ n }} x", false),
            // a node may be called so
            ("smoke *", "{{ n }} x", true),
            ("node1 *", "{{ a.node }} reaches {{ b.node }}", true),
            ("node1 pings", "{{ a.node }} reaches {{ b.node }}", false),
            ("n?de *", "node {{ n }}", true),
            ("n?de *", "nde {{ n }}", false),
            ("case", "case", true),
            ("case ?n=1?", "case", true),
            ("cas", "case", false),
            ("smoke *", "pod {% if n %}x{% endif %}", true),
            ("smoke *", "pod {{ \"}}\" }}", true),
        ] {
            assert_eq!(
                may_admit(&[pattern], &[], name),
                expected,
                "{pattern} {name}"
            );
        }
        for (pattern, name, expected) in [
            ("pod *", "pod {{ n }} x", false),
            ("* x*", "{{ n }} x", false),
            ("*", "{{ n }} x", false),
            // it may get something behind it
            ("* x", "{{ n }} x", true),
            ("pod ? x*", "pod {{ n }} x", true),
            ("pod 1*", "pod {{ n }} x", true),
        ] {
            assert_eq!(
                may_admit(&[], &[pattern], name),
                expected,
                "{pattern} {name}"
            );
        }
        assert!(may_admit(&["a", "pod*"], &[], "pod {{ n }}"));
        assert!(!may_admit(&["pod*"], &["pod*"], "pod {{ n }}"));
    }

    #[test]
    fn an_ambiguous_name_is_not_guessed() {
        let ids = ["a/x", "b/x", "x2"];
        assert_eq!(
            shipped("x", &ids).unwrap_err(),
            "`x` may be any of a/x, b/x: name it in full"
        );
        assert_eq!(shipped("a", &ids), Ok(vec!["a/x"]));
    }
}
