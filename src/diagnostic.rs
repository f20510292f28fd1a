//! What is wrong with a text that a user wrote, and how it is shown: the lines
//! quoted, a label on the place, a help line.
//!
//! Terminal and reports share the renderer. Finding mistakes is the business of
//! `spec` and `plan`.

use std::cmp::Ordering;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::source::{Place, SourceFile, Span};
use crate::template::TemplateError;

/// How wrong something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiagnosticLevel {
    /// Nothing is run.
    #[default]
    Error,
    /// It is valid, and most likely not what was meant.
    Warning,
}

/// One mistake and its place.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How wrong it is.
    pub level: DiagnosticLevel,
    /// What is wrong, in a line.
    pub message: String,
    /// Where.
    pub place: Place,
    /// What to say at the place itself.
    pub label: Option<Box<str>>,
    /// Other places that have to do with it, and what to say there.
    pub secondary: Vec<(Place, String)>,
    /// How to mend it.
    pub help: Option<String>,
    /// Whether the line at the place may be shown.
    pub quoting: Quoting,
}

/// Whether the line at a place may be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quoting {
    /// It is.
    #[default]
    Quoted,
    /// It may hold a secret: the place alone is told.
    Hidden,
}

impl Diagnostic {
    /// A message at its place.
    pub fn new(message: impl Into<String>, place: Place) -> Self {
        Self {
            level: DiagnosticLevel::Error,
            message: message.into(),
            place,
            label: None,
            secondary: Vec::new(),
            help: None,
            quoting: Quoting::Quoted,
        }
    }

    /// Leaves out the lines at its places, since they may hold a secret.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.quoting = Quoting::Hidden;
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.level = DiagnosticLevel::Warning;
        self
    }

    /// Says something at the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into().into_boxed_str());
        self
    }

    /// Points at another place.
    #[must_use]
    pub fn secondary(mut self, place: Place, label: impl Into<String>) -> Self {
        self.secondary.push((place, label.into()));
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says how to mend it, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The mistake in one line, as editors and logs read it:
    /// `file:line:column: message`.
    pub fn one_line(&self) -> String {
        printable(&format!("{}: {}", self.place, self.message))
    }

    /// By file, then by place in it.
    fn order(&self, other: &Self) -> Ordering {
        (&self.place.file.name, self.place.span)
            .cmp(&(&other.place.file.name, other.place.span))
            .then_with(|| self.message.cmp(&other.message))
    }
}

impl From<TemplateError> for Diagnostic {
    fn from(error: TemplateError) -> Self {
        Self::new(error.message, error.place).maybe_help(error.help)
    }
}

/// Sorts by file and place, and drops what is said twice: a text that an anchor
/// repeats is wrong once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(Diagnostic::order);
    diagnostics.dedup_by(|a, b| a.order(b) == Ordering::Equal);
}

/// The diagnostics for people, sorted by file and place: each with
/// `file:line:column`, the lines quoted, labels and help. `width` is that of the
/// terminal, in columns. Ends in a newline unless there are none.
pub fn render(diagnostics: &[Diagnostic], color: bool, width: usize) -> String {
    let mut sorted = diagnostics.to_vec();
    sort(&mut sorted);
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
    .term_width(width.max(40));
    sorted
        .iter()
        .map(|diagnostic| format!("{}\n", renderer.render(&[group(diagnostic)])))
        .collect::<Vec<_>>()
        .join("\n")
}

fn group(diagnostic: &Diagnostic) -> Group<'static> {
    let main = &diagnostic.place.file;
    let is_same_file = |file: &SourceFile| file == &**main;
    let (near, far): (Vec<_>, Vec<_>) = diagnostic
        .secondary
        .iter()
        .partition(|(place, _)| is_same_file(&place.file));
    let primary = (
        diagnostic.place.span,
        diagnostic.label.as_deref(),
        AnnotationKind::Primary,
    );
    let mut marks = vec![primary];
    marks.extend(
        near.iter()
            .map(|(place, label)| (place.span, Some(label.as_str()), AnnotationKind::Context)),
    );
    let level = match diagnostic.level {
        DiagnosticLevel::Error => Level::ERROR,
        DiagnosticLevel::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message));
    let mut group = match diagnostic.quoting {
        Quoting::Quoted => title.element(snippet(main, &marks)),
        Quoting::Hidden => title.element(origin(&diagnostic.place)),
    };
    for (place, label) in far {
        let mark = (place.span, Some(label.as_str()), AnnotationKind::Context);
        group = match diagnostic.quoting {
            Quoting::Quoted => group.element(snippet(&place.file, &[mark])),
            Quoting::Hidden => group.element(origin(place)),
        };
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(printable(help))),
        None => group,
    }
}

/// A place without its line.
fn origin(place: &Place) -> Origin<'static> {
    let position = place.file.position(place.span.start);
    Origin::path(printable(&place.file.name))
        .line(position.line)
        .char_column(position.column)
}

/// The marked lines of a file. Only these are handed on: the renderer walks all
/// that it gets, and a file may be large and have many mistakes.
fn snippet(
    file: &SourceFile,
    marks: &[(Span, Option<&str>, AnnotationKind)],
) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
    let ranges: Vec<_> = marks
        .iter()
        .map(|(span, ..)| visible(&file.text, *span))
        .collect();
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let start = file.text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = file.text[last..]
        .find('\n')
        .map_or(file.text.len(), |at| last + at);
    // a replacement of the same length, so that the places stay right
    let mut quoted = file.text[start..end].replace("\r\n", " \n");
    if quoted.ends_with('\r') {
        quoted.pop();
    }
    let within = |at: usize| (at - start).min(quoted.len());
    let annotations: Vec<_> = marks
        .iter()
        .zip(ranges)
        .map(|((_, label, kind), range)| {
            let annotation = kind.span(within(range.start)..within(range.end));
            match label {
                Some(label) => annotation.label(printable(label)),
                None => annotation,
            }
        })
        .collect();
    Snippet::source(quoted)
        .path(printable(&file.name))
        .line_start(file.position(start).line)
        .annotations(annotations)
}

/// So many lines are told before and after the one that is meant.
const AROUND: usize = 3;

/// A few lines of a text around a place in it, numbered, with a mark below what is meant: for
/// reports, of a text that nobody has a file of.
pub fn excerpt(file: &SourceFile, span: Span) -> String {
    let position = file.position(span.start);
    let first = position.line.saturating_sub(AROUND).max(1);
    let last = position.line + AROUND;
    let width = last.to_string().len();
    let meant = visible(&file.text, span);
    let length = file.text[meant].chars().count().max(1);
    let mut excerpt = String::new();
    let numbered = (1..).zip(file.text.lines());
    for (number, line) in numbered.skip(first - 1).take(last - first + 1) {
        let line = printable(line);
        excerpt.push_str(format!("{number:width$} | {line}").trim_end());
        excerpt.push('\n');
        if number == position.line {
            let (indent, mark) = (" ".repeat(position.column - 1), "^".repeat(length));
            excerpt.push_str(&format!("{:width$} | {indent}{mark}\n", ""));
        }
    }
    excerpt
}

/// The part of a span that can be shown: inside the text, on character borders,
/// and of its first line only, since a block of text is known by how it begins.
fn visible(text: &str, span: Span) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    let end = floor(span.end).max(start);
    let line_end = text[start..end].find(['\n', '\r']);
    start..line_end.map_or(end, |at| start + at)
}

/// Names and values of users come with whatever they hold; a terminal gets none
/// of its control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The candidate that somebody who wrote `name` may have meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let written = fold(name);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let meant = fold(candidate);
            let longer = written.chars().count().max(meant.chars().count());
            (strsim::osa_distance(&written, &meant), longer, candidate)
        })
        // a third of the letters may be wrong; of two letters none may
        .filter(|(distance, longer, _)| *distance <= longer / 3)
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., candidate)| candidate)
}

/// "did you mean `x`?", or else what there is: "there is `a`, `b`".
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<_> = candidates.into_iter().collect();
    if let Some(candidate) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    (!candidates.is_empty()).then(|| format!("known here: {}", candidates.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn place(text: &str, start: usize, end: usize) -> Place {
        Place {
            file: SourceFile::new("a.yaml", text),
            span: Span::new(start, end),
        }
    }

    fn shown(text: &str, start: usize, end: usize) -> String {
        let diagnostic = Diagnostic::new("wrong", place(text, start, end)).label("here");
        render(&[diagnostic], false, 80)
    }

    #[test]
    fn everything_of_a_diagnostic_is_shown() {
        let text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\n";
        let other = Place {
            file: SourceFile::new("b.yaml", "x: 1\n"),
            span: Span::new(0, 1),
        };
        let diagnostic = Diagnostic::new("`g` again", place(text, 30, 31))
            .label("second")
            .secondary(place(text, 5, 6), "first")
            .secondary(other, "from here")
            .help("remove one");
        assert_eq!(diagnostic.one_line(), "a.yaml:7:1: `g` again");
        assert_snapshot!(render(&[diagnostic], false, 80), @r#"
        error: `g` again
         --> a.yaml:7:1
          |
        2 | b: 2
          | - first
        ...
        7 | g: 7
          | ^ second
          |
         ::: b.yaml:1:1
          |
        1 | x: 1
          | - from here
          |
          = help: remove one
        "#);
    }

    #[test]
    fn what_may_be_secret_is_not_quoted() {
        let diagnostic = Diagnostic::new("wrong", place("a: 1\npassword: hunter2\n", 15, 22))
            .label("here")
            .help("mend it")
            .hidden();
        assert_snapshot!(render(&[diagnostic], false, 80), @r"
        error: wrong
        --> a.yaml:2:11
         = help: mend it
        ");
    }

    #[test]
    fn odd_characters_do_not_break_the_quote() {
        assert_snapshot!(shown("a:\t\u{1b}[31m x\n", 9, 10), @r#"
        error: wrong
         --> a.yaml:1:10
          |
        1 | a:    ␛[31m x
          |             ^ here
        "#);
        assert_snapshot!(shown("日本: x\n", 8, 9), @r#"
        error: wrong
         --> a.yaml:1:5
          |
        1 | 日本: x
          |       ^ here
        "#);
        assert_snapshot!(shown("a: 1\r\nb: 2\r\n", 6, 7), @r#"
        error: wrong
         --> a.yaml:2:1
          |
        2 | b: 2
          | ^ here
        "#);
        assert_snapshot!(shown("a: |\n  x\n  y\nb: 1\n", 7, 13), @r#"
        error: wrong
         --> a.yaml:2:3
          |
        2 |   x
          |   ^ here
        "#);
    }

    #[test]
    fn odd_places_do_not_break_the_quote() {
        for text in ["", "\n", "a", "ä\nö", "a\r\n", "\u{feff}a: 1", "\0"] {
            for start in 0..8 {
                for end in 0..8 {
                    shown(text, start, end);
                }
            }
        }
        shown("a", usize::MAX - 1, usize::MAX);
    }

    #[test]
    fn an_excerpt_has_the_lines_around_a_place() {
        let text = (1..=12).map(|number| format!("k{number}: *v{number}\n"));
        let file = SourceFile::new("a.yaml", text.collect::<String>());
        let start = file.text.find("*v9").unwrap();
        assert_snapshot!(excerpt(&file, Span::new(start, start + 3)), @r"
         6 | k6: *v6
         7 | k7: *v7
         8 | k8: *v8
         9 | k9: *v9
           |     ^^^
        10 | k10: *v10
        11 | k11: *v11
        12 | k12: *v12
        ");
        for text in ["", "ä", "a\r\nb", "\n\n\t\u{1b}[31m"] {
            for start in 0..8 {
                excerpt(
                    &SourceFile::new("a.yaml", text),
                    Span::new(start, start + 2),
                );
            }
        }
    }

    #[test]
    fn a_long_line_is_cut_to_the_width() {
        let text = format!("a: {}x{}\n", "b ".repeat(200), " c".repeat(200));
        let shown = shown(&text, 403, 404);
        assert!(
            shown.lines().all(|line| line.chars().count() <= 90),
            "{shown}"
        );
    }

    #[test]
    fn diagnostics_are_sorted_and_said_once() {
        let text = "a: 1\nb: 2\n";
        let at = |start| Diagnostic::new("wrong", place(text, start, start + 1));
        let mut diagnostics = vec![at(5), at(0), at(5)];
        sort(&mut diagnostics);
        let lines: Vec<_> = diagnostics.iter().map(Diagnostic::one_line).collect();
        assert_eq!(lines, ["a.yaml:1:1: wrong", "a.yaml:2:1: wrong"]);
    }

    #[test]
    fn near_misses_are_found() {
        let known = ["command", "container", "perNode", "if", "target"];
        for (written, meant) in [
            ("comand", Some("command")),
            ("commnad", Some("command")),
            ("per_node", Some("perNode")),
            ("pernode", Some("perNode")),
            ("fi", None),
            ("assert", None),
            ("target", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
