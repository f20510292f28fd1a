//! How many testcases ended how.

use crate::event::Outcome;

/// How many testcases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Every expectation held, the flaky ones among them.
    pub passed: usize,
    /// The cluster answered, and not as expected.
    pub failed: usize,
    /// It could not be found out.
    pub errored: usize,
    /// Not tried.
    pub skipped: usize,
    /// Not finished.
    pub cancelled: usize,
    /// Of the passed: not at the first attempt.
    pub flaky: usize,
    /// Of the passed: with a warning.
    pub warned: usize,
}

impl Counts {
    /// All testcases that have an outcome.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.errored + self.skipped + self.cancelled
    }

    /// How many are neither passed nor merely not tried.
    pub fn bad(&self) -> usize {
        self.failed + self.errored + self.cancelled
    }

    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Errored => self.errored += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Cancelled => self.cancelled += 1,
        }
    }
}

impl std::ops::Sub for Counts {
    type Output = Self;

    /// The rest; `other` must be a part of these.
    fn sub(self, other: Self) -> Self {
        Self {
            passed: self.passed - other.passed,
            failed: self.failed - other.failed,
            errored: self.errored - other.errored,
            skipped: self.skipped - other.skipped,
            cancelled: self.cancelled - other.cancelled,
            flaky: self.flaky - other.flaky,
            warned: self.warned - other.warned,
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.errored += other.errored;
        self.skipped += other.skipped;
        self.cancelled += other.cancelled;
        self.flaky += other.flaky;
        self.warned += other.warned;
    }
}
