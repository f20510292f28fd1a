//! `diagnose`: which case each rule is about, and the names that its parts see.

use crate::plan::lower::lowering::{Lowering, Position};
use crate::plan::lower::names::{Members, Names};
use crate::plan::model::{DiagnosisRule, Grouping};
use crate::spec::schema::{DiagnosisSpec, MatrixSpec};

/// What rules may do: anything that looks. They come after the verdict of their cases
/// and must not change what later suites see.
const LOOKS: [&str; 8] = [
    "get", "logs", "events", "exec", "run", "http", "assert", "can",
];

impl Lowering<'_> {
    pub(super) fn diagnosis_rules(&mut self, names: &Names) -> Vec<DiagnosisRule> {
        let spec = self.spec;
        self.position = Position::Around("diagnose");
        spec.diagnose
            .iter()
            .filter_map(|rule| self.diagnosis_rule(rule, names))
            .collect()
    }

    fn diagnosis_rule(&mut self, spec: &DiagnosisSpec, names: &Names) -> Option<DiagnosisRule> {
        let case = self.diagnosed_case(spec);
        let mut outer = names.clone();
        let mut each = None;
        if let Some((name, list)) = &spec.each {
            each = Some((name.value.clone(), self.tree(list, names)));
            self.name(name, "item", Members::Any, false, &mut outer);
        }
        if let (Some(case), Some((name, _))) = (case, &spec.each)
            && axis_names(&self.spec.cases[case].matrix).any(|axis| axis == name.value)
        {
            self.push(
                name.span,
                format!("the item `{}` hides an axis of the case", name.value),
                None,
            );
        }
        // the axes are lowered with their case: what is wrong with them is told there
        let axes = match case {
            Some(case) => {
                let told = self.diagnostics.len();
                let matrix = &self.spec.cases[case].matrix;
                let (_, axes) = self.matrix(matrix, &outer);
                self.diagnostics.truncate(told);
                Some(axes)
            }
            None => None,
        };
        let (mut cells, mut grouping) = (None, Grouping::All);
        if let Some(axes) = &axes {
            cells = self.condition(spec.cells.as_ref(), axes);
            if let Some(by) = &spec.by {
                grouping = Grouping::By(self.tree(by, axes));
            }
            if let Some(ends) = &spec.blocks {
                grouping = Grouping::Blocks(self.tree(ends, axes));
            }
        }
        let group = match &spec.blocks {
            Some(_) => outer.with_block(),
            None => outer.with_group(),
        };
        let when = self.condition(spec.when.as_ref(), &group);
        let mut inner = group.with("cells", Members::Any);
        let steps = self.steps(&spec.steps, &mut inner);
        for step in &steps {
            let verb = step.verb.name();
            if !LOOKS.contains(&verb) {
                self.diagnostics.push(
                    crate::diagnostic::Diagnostic::new(
                        format!("`diagnose` only looks: `{verb}` is not for it"),
                        step.place.clone(),
                    )
                    .help(format!("what looks: {}", LOOKS.join(", "))),
                );
            }
        }
        let message = self.template(spec.message.as_ref(), &inner);
        let remedy = self.template(spec.remedy.as_ref(), &inner);
        let url = self.template(spec.url.as_ref(), &inner);
        Some(DiagnosisRule {
            case: case?,
            cells,
            each,
            grouping,
            when: when?,
            steps,
            message: message?,
            remedy,
            url,
            place: self.place(spec.span),
        })
    }

    /// The place of the case that a rule is about.
    fn diagnosed_case(&mut self, spec: &DiagnosisSpec) -> Option<usize> {
        if let Some(case) = &spec.case {
            return self.case_named(case);
        }
        if self.spec.cases.len() == 1 {
            return Some(0);
        }
        self.push(
            spec.span,
            "the suite has several cases, and this rule names none".to_owned(),
            Some("write `case:` and the name as it stands in the file".to_owned()),
        );
        None
    }
}

fn axis_names(matrix: &MatrixSpec) -> Box<dyn Iterator<Item = &str> + '_> {
    match matrix {
        MatrixSpec::Axes(axes) => Box::new(axes.iter().map(|axis| axis.name.value.as_str())),
        MatrixSpec::Rows(rows) => {
            let names = rows.first().into_iter().flatten();
            Box::new(names.map(|(name, _)| name.value.as_str()))
        }
    }
}
