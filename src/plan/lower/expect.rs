//! What steps expect: patterns, bounds and partial matches, checked as far as they
//! are literal.

use crate::diagnostic::Diagnostic;
use crate::matcher::{self, ExitExpectation, OutputExpectation};
use crate::plan::lower::lowering::Lowering;
use crate::plan::lower::names::Names;
use crate::plan::model::{
    HttpExpectation, ProcessExpectation, Rejection, TextExpectation, TookExpectation,
    WriteExpectation,
};
use crate::spec::schema::{
    HttpExpectSpec, ProcessExpectSpec, RejectionSpec, Text, TextExpectSpec, TookSpec,
    WriteExpectSpec,
};
use crate::template::Template;

impl Lowering<'_> {
    pub(super) fn write_expectation(
        &mut self,
        spec: &WriteExpectSpec,
        names: &Names,
    ) -> WriteExpectation {
        WriteExpectation {
            rejected: spec
                .rejected
                .as_ref()
                .map(|rejected| self.rejection(rejected, names)),
            warnings: spec
                .warnings
                .as_ref()
                .map(|warnings| self.output(warnings, names)),
        }
    }

    fn rejection(&mut self, spec: &RejectionSpec, names: &Names) -> Rejection {
        Rejection {
            code: spec.code,
            reason: spec
                .reason
                .as_ref()
                .and_then(|reason| self.constant(reason)),
            message: self.output(&spec.message, names),
        }
    }

    pub(super) fn process_expectation(
        &mut self,
        spec: &ProcessExpectSpec,
        names: &Names,
    ) -> ProcessExpectation {
        ProcessExpectation {
            exit: spec.exit.clone().unwrap_or(ExitExpectation::OneOf(vec![0])),
            stdout: spec
                .stdout
                .as_ref()
                .map(|stdout| self.text_expectation(stdout, names)),
            stderr: spec
                .stderr
                .as_ref()
                .map(|stderr| self.text_expectation(stderr, names)),
            took: self.took(spec.took.as_ref()),
        }
    }

    pub(super) fn http_expectation(
        &mut self,
        spec: &HttpExpectSpec,
        names: &Names,
    ) -> HttpExpectation {
        HttpExpectation {
            status: spec.status.clone(),
            headers: spec
                .headers
                .iter()
                .map(|(name, expected)| {
                    (
                        name.value.to_lowercase(),
                        self.text_expectation(expected, names),
                    )
                })
                .collect(),
            body: spec
                .body
                .as_ref()
                .map(|body| self.text_expectation(body, names)),
            valid_for: self.duration(spec.valid_for.as_ref()),
            took: self.took(spec.took.as_ref()),
        }
    }

    pub(super) fn text_expectation(
        &mut self,
        spec: &TextExpectSpec,
        names: &Names,
    ) -> TextExpectation {
        TextExpectation {
            output: self.output(&spec.output, names),
            json: spec.json.as_ref().map(|json| self.pattern(json, names)),
        }
    }

    fn took(&mut self, spec: Option<&TookSpec>) -> Option<TookExpectation> {
        let spec = spec?;
        let took = TookExpectation {
            min: self.duration(spec.min.as_ref()),
            max: self.duration(spec.max.as_ref()),
        };
        if let (Some(min), Some(max)) = (took.min, took.max)
            && min > max
        {
            self.push(
                spec.span,
                "nothing takes more than `min` and less than `max`: swap them".to_owned(),
                None,
            );
        }
        if spec.min.is_none() && spec.max.is_none() {
            self.push(
                spec.span,
                "`took` has no bound".to_owned(),
                Some("write {max: 4m}".to_owned()),
            );
        }
        Some(took)
    }

    fn output(
        &mut self,
        spec: &OutputExpectation<Text>,
        names: &Names,
    ) -> OutputExpectation<Template> {
        let expectation = OutputExpectation {
            equals: self.template(spec.equals.as_ref(), names),
            contains: self.templates(&spec.contains, names),
            matches: self.templates(&spec.matches, names),
            absent: self.templates(&spec.absent, names),
            empty: spec.empty,
            lines: spec.lines,
        };
        for template in &expectation.matches {
            self.check_pattern(Some(template));
        }
        for part in expectation.contains.iter().chain(&expectation.absent) {
            self.check_part(Some(part), "empty text is in every output");
        }
        expectation
    }

    /// A pattern that is written out can be read.
    pub(super) fn check_pattern(&mut self, pattern: Option<&Template>) {
        if let Some(template) = pattern.filter(|template| template.is_literal())
            && let Err(error) = matcher::pattern(template.source())
        {
            self.diagnostics
                .push(Diagnostic::new(error.to_string(), template.place.clone()));
        }
    }

    /// Nothing is somewhere in everything.
    pub(super) fn check_part(&mut self, part: Option<&Template>, problem: &str) {
        if let Some(template) = part.filter(|template| template.source().is_empty()) {
            self.diagnostics
                .push(Diagnostic::new(problem, template.place.clone()));
        }
    }
}
