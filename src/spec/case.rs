//! The cases of a suite. `matrix` reads what they are repeated over.

use crate::spec::decode::{Decoder, Field};
use crate::spec::schema::{CaseSpec, MatrixSpec};
use crate::yaml::NodeKind;

impl Decoder<'_> {
    pub(super) fn cases(&mut self, field: Field<'_>) -> Vec<CaseSpec> {
        let Some(items) = self.items(field, Some("each case begins with `- name: …`")) else {
            return Vec::new();
        };
        if items.is_empty() {
            self.report(field.key, "a suite without cases tests nothing");
        }
        items
            .into_iter()
            .filter_map(|item| self.case(item))
            .collect()
    }

    fn case(&mut self, field: Field<'_>) -> Option<CaseSpec> {
        let mut fields = self.fields(field, "a case")?;
        let mut case = CaseSpec {
            span: fields.span,
            name: self.required_text(&mut fields, "name"),
            matrix: MatrixSpec::Axes(Vec::new()),
            cells: None,
            when: self.optional_text(&mut fields, "if"),
            requires: Vec::new(),
            needs: self.optional_texts(&mut fields, "needs"),
            serial: self.flag(&mut fields, "serial"),
            retries: None,
            severity: None,
            cluster: self.optional_text(&mut fields, "cluster"),
            properties: Vec::new(),
            steps: Vec::new(),
            on_failure: Vec::new(),
            finally: Vec::new(),
            timeout: self.optional_text(&mut fields, "timeout"),
        };
        if let Some(matrix) = fields.optional("matrix") {
            (case.matrix, case.cells) = self.matrix(matrix);
        }
        if let Some(requires) = fields.optional("requires") {
            case.requires = self.requirements(requires);
        }
        if let Some(properties) = fields.optional("properties") {
            case.properties = self.strings(properties);
        }
        case.retries = fields
            .optional("retries")
            .and_then(|retries| self.number(retries, 0));
        case.severity = fields
            .optional("severity")
            .and_then(|severity| self.severity(severity));
        if let Some(steps) = fields.required(self, "steps") {
            case.steps = self.steps(steps);
            if matches!(&steps.node.kind, NodeKind::List(items) if items.is_empty()) {
                self.report(steps.key, "a case without steps tests nothing");
            }
        }
        if let Some(collectors) = fields.optional("onFailure") {
            case.on_failure = self.collectors(collectors);
        }
        if let Some(finally) = fields.optional("finally") {
            case.finally = self.steps(finally);
        }
        fields.finish(self);
        Some(case)
    }
}
