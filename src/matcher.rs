//! Expectations on text, and whether they hold: pure.

/// What is expected of the output of a process. `T` is a template in a plan, and
/// text once it is rendered. Every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputExpectation<T> {
    /// The whole output, a final newline aside.
    pub equals: Option<T>,
    /// Each of these is somewhere in it.
    pub contains: Vec<T>,
    /// Each of these regular expressions matches somewhere in it.
    pub matches: Vec<T>,
    /// None of these is in it.
    pub absent: Vec<T>,
    /// Whether it is empty.
    pub empty: Option<bool>,
    /// How many lines it has.
    pub lines: Option<usize>,
}
