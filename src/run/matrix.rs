//! The cells of a case: axes times index, made when they are needed. Where the
//! values come from is `axis`'s job.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::scope::Names;
use crate::template::{Condition, Scope, Template, TemplateError, with_names};

/// A value of an axis.
#[derive(Clone, Debug)]
pub struct AxisValue {
    /// What templates see.
    pub value: Scope,
    /// What tells it from others in a name: a node, a pod, the value itself.
    pub label: String,
    /// Why nothing can be tested with it; then its cells are errored.
    pub error: Option<String>,
}

/// What a case is repeated over, with all values known.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// Every combination of these, the first the slowest to change.
    Axes(Vec<(String, Vec<AxisValue>)>),
    /// These combinations.
    Rows(Vec<Vec<(String, AxisValue)>>),
}

/// One combination of the axes' values.
#[derive(Clone, Debug)]
pub struct Cell<'m> {
    values: Vec<(&'m str, &'m AxisValue)>,
}

impl Matrix {
    /// How many cells there are; one where there are no axes.
    pub fn len(&self) -> usize {
        match self {
            Self::Axes(axes) => axes.iter().map(|(_, values)| values.len()).product(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// The cell with this index, in the order of the axes.
    pub fn cell(&self, index: usize) -> Cell<'_> {
        let axes = match self {
            Self::Rows(rows) => {
                return Cell {
                    values: rows[index]
                        .iter()
                        .map(|(name, value)| (name.as_str(), value))
                        .collect(),
                };
            }
            Self::Axes(axes) => axes,
        };
        let mut rest = index;
        let mut values: Vec<_> = axes
            .iter()
            .rev()
            .map(|(name, values)| {
                let value = &values[rest % values.len()];
                rest /= values.len();
                (name.as_str(), value)
            })
            .collect();
        values.reverse();
        Cell { values }
    }

    /// The combinations of which a condition holds, by their indices; all without one.
    ///
    /// # Errors
    /// Where the condition cannot be evaluated for one of them.
    pub fn cells(
        &self,
        condition: Option<&Condition>,
        names: &Names,
    ) -> Result<Vec<usize>, TemplateError> {
        let Some(condition) = condition else {
            return Ok((0..self.len()).collect());
        };
        let scope = names.scope();
        let mut cells = Vec::new();
        for index in 0..self.len() {
            if condition.holds(&with_names(&scope, self.cell(index).named()))? {
                cells.push(index);
            }
        }
        Ok(cells)
    }
}

/// The names of the cells of a case, unique: equal ones get ` [axis=value]`. A name is rendered
/// when it is asked for; what is kept of all of them is which are equal.
#[derive(Debug)]
pub struct CellNames {
    template: Template,
    scope: Scope,
    /// The hashes of names that several cells have.
    shared: HashSet<u64>,
}

impl CellNames {
    /// Renders each name once, and keeps none.
    ///
    /// # Errors
    /// Where the name's template asks for what a value does not have.
    pub fn new(
        matrix: &Matrix,
        cells: &[usize],
        template: &Template,
        names: &Names,
    ) -> Result<Self, TemplateError> {
        let mut this = Self {
            template: template.clone(),
            scope: names.scope(),
            shared: HashSet::new(),
        };
        let mut hashes = Vec::with_capacity(cells.len());
        for index in cells {
            hashes.push(hash(&this.rendered(&matrix.cell(*index))?));
        }
        hashes.sort_unstable();
        let equal = hashes.windows(2).filter(|pair| pair[0] == pair[1]);
        this.shared = equal.map(|pair| pair[0]).collect();
        Ok(this)
    }

    /// The name of one of these cells.
    pub fn of(&self, matrix: &Matrix, index: usize) -> String {
        let cell = matrix.cell(index);
        // it could be rendered before, and is the same but for the time in it
        let name = self.rendered(&cell).unwrap_or_default();
        match self.is_unique(&name) {
            true => name,
            false => format!("{name} [{}]", cell.coordinates()),
        }
    }

    fn is_unique(&self, name: &str) -> bool {
        let is_steady = !self.template.source().contains("now(");
        is_steady && !name.is_empty() && !self.shared.contains(&hash(name))
    }

    fn rendered(&self, cell: &Cell<'_>) -> Result<String, TemplateError> {
        self.template
            .render_text(&with_names(&self.scope, cell.named()))
    }
}

/// Two names with the same hash count as equal: both then have their coordinates.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Cell<'_> {
    /// The names with the axes' values.
    pub fn extend(&self, names: Names) -> Names {
        self.values.iter().fold(names, |names, (axis, value)| {
            names.with(axis, value.value.clone())
        })
    }

    /// The axes with the values.
    pub fn named(&self) -> Vec<(String, Scope)> {
        self.values
            .iter()
            .map(|(axis, value)| ((*axis).to_owned(), value.value.clone()))
            .collect()
    }

    /// Why this cell cannot be tested: of the first axis whose value cannot be used.
    pub fn error(&self) -> Option<&str> {
        self.values
            .iter()
            .find_map(|(_, value)| value.error.as_deref())
    }

    fn coordinates(&self) -> String {
        let coordinates: Vec<_> = self
            .values
            .iter()
            .map(|(axis, value)| format!("{axis}={}", value.label))
            .collect();
        coordinates.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Place, SourceFile, Span};

    fn axis(name: &str, labels: &[&str]) -> (String, Vec<AxisValue>) {
        let values = labels
            .iter()
            .map(|label| AxisValue {
                value: (*label).into(),
                label: (*label).to_owned(),
                error: None,
            })
            .collect();
        (name.to_owned(), values)
    }

    fn names(matrix: &Matrix, source: &str) -> Vec<String> {
        let place = Place {
            file: SourceFile::new("a.yaml", source),
            span: Span::default(),
        };
        let template = Template::parse(source, place).unwrap();
        let all = matrix.cells(None, &Names::default()).unwrap();
        let names = CellNames::new(matrix, &all, &template, &Names::default()).unwrap();
        let of = |index| names.of(matrix, index);
        all.into_iter().map(of).collect()
    }

    #[test]
    fn the_first_axis_is_the_slowest() {
        let matrix = Matrix::Axes(vec![axis("a", &["1", "2"]), axis("b", &["x", "y", "z"])]);
        assert_eq!(
            names(&matrix, "{{ a }}{{ b }}"),
            ["1x", "1y", "1z", "2x", "2y", "2z"]
        );
    }

    #[test]
    fn no_axes_make_one_cell_and_an_empty_axis_none() {
        assert_eq!(names(&Matrix::Axes(Vec::new()), "one"), ["one"]);
        assert_eq!(Matrix::Axes(vec![axis("a", &[])]).len(), 0);
    }

    #[test]
    fn rows_are_as_they_are_written() {
        let row = |a: &str, b: &str| {
            [("a", a), ("b", b)]
                .map(|(name, label)| {
                    let (name, mut values) = axis(name, &[label]);
                    (name, values.remove(0))
                })
                .to_vec()
        };
        let matrix = Matrix::Rows(vec![row("1", "x"), row("2", "y")]);
        assert_eq!(names(&matrix, "{{ a }}{{ b }}"), ["1x", "2y"]);
    }

    #[test]
    fn a_condition_chooses_among_the_combinations() {
        let matrix = Matrix::Axes(vec![axis("a", &["1", "2"]), axis("b", &["1", "2"])]);
        let place = Place {
            file: SourceFile::new("a.yaml", "a != b"),
            span: Span::default(),
        };
        let condition = Condition::parse("a != b", place).unwrap();
        let cells = matrix.cells(Some(&condition), &Names::default()).unwrap();
        assert_eq!(cells, [1, 2]);
    }

    #[test]
    fn equal_names_are_told_apart() {
        let matrix = Matrix::Axes(vec![axis("a", &["1", "2"]), axis("b", &["x"])]);
        assert_eq!(
            names(&matrix, "same"),
            ["same [a=1, b=x]", "same [a=2, b=x]"]
        );
        let matrix = Matrix::Axes(vec![axis("a", &["1", "2"]), axis("b", &["x", "yx"])]);
        assert_eq!(
            names(
                &matrix,
                "{{ a }}{{ b | last }}{{ b | length if a == '1' else '' }}"
            ),
            ["1x1", "1x2", "2x [a=2, b=x]", "2x [a=2, b=yx]"]
        );
    }
}
