//! The blocks of a matrix that is taken for traffic between ends: sets of ends that fail with
//! each other throughout. Three nodes cut off from sixty are one block, not 180 pairs.
//!
//! Ends that fail with the same others are of one class, so a block stays whole whatever else
//! fails beside it. What this costs grows with the failed cells, not with the sets there may be.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};

use crate::event::Outcome;

/// The ends of the cells that count.
#[derive(Debug, Default)]
pub struct Ends {
    /// The names, in the order in which they were met: an end is its place here.
    names: IndexSet<String>,
    /// Cell, from, to.
    of_cells: Vec<(usize, usize, usize)>,
}

impl Ends {
    /// Adds a cell.
    pub fn add(&mut self, cell: usize, from: String, to: String) {
        let from = self.names.insert_full(from).0;
        let to = self.names.insert_full(to).0;
        self.of_cells.push((cell, from, to));
    }

    /// The names of ends, in their order.
    pub fn names<'a>(&'a self, ends: &'a [usize]) -> impl ExactSizeIterator<Item = &'a str> {
        ends.iter().map(|end| self.names[*end].as_str())
    }
}

/// Which way fails between the members of a block and the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Both,
    /// Only from the members to the others.
    From,
    /// Only from the others to the members.
    To,
}

impl Direction {
    /// As suites see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::From => "from",
            Self::To => "to",
        }
    }
}

/// Two sets of ends, of which every pair failed and none passed.
#[derive(Clone, Debug)]
pub struct Block {
    /// The ends that have this in common, as a rule the smaller set.
    pub members: Vec<usize>,
    /// With whom they fail.
    pub others: Vec<usize>,
    /// With whom at least one member passes.
    pub outside: Vec<usize>,
    /// Which way fails.
    pub direction: Direction,
    /// Whether the members fail with each other too.
    pub inside: bool,
    /// Its failed cells, in their order.
    pub cells: Vec<usize>,
}

/// Every block, those of the most cells first. Each failed pair is in at least one.
pub fn blocks(ends: &Ends, outcomes: &[Outcome]) -> Vec<Block> {
    let pairs = Pairs::of(ends, outcomes);
    let mut blocks: Vec<Block> = pairs
        .classes()
        .iter()
        .flat_map(|class| pairs.blocks_of(class))
        .collect();
    blocks.sort_by_key(|block| (usize::MAX - block.cells.len(), block.members[0]));
    blocks
}

/// What became of the pairs of ends. A pair is failed where a cell of it failed and none passed.
struct Pairs {
    ends: usize,
    failed: HashMap<(usize, usize), Vec<usize>>,
    /// A bit for each pair.
    passed: Vec<u64>,
    /// Of each end, those that it fails to reach, and those that fail to reach it; sorted.
    to: Vec<Vec<usize>>,
    from: Vec<Vec<usize>>,
}

/// Ends that fail with the same others.
struct Class {
    members: Vec<usize>,
    /// Whether they fail with each other too.
    inside: bool,
}

impl Pairs {
    fn of(ends: &Ends, outcomes: &[Outcome]) -> Self {
        let count = ends.names.len();
        let mut pairs = Self {
            ends: count,
            failed: HashMap::new(),
            passed: vec![0; (count * count).div_ceil(64)],
            to: vec![Vec::new(); count],
            from: vec![Vec::new(); count],
        };
        for &(cell, from, to) in &ends.of_cells {
            match outcomes[cell] {
                Outcome::Passed => {
                    let bit = from * count + to;
                    pairs.passed[bit / 64] |= 1 << (bit % 64);
                }
                // an end has nothing in common with itself
                Outcome::Failed if from != to => {
                    pairs.failed.entry((from, to)).or_default().push(cell);
                }
                Outcome::Failed | Outcome::Errored | Outcome::Skipped | Outcome::Cancelled => {}
            }
        }
        let mut failed = std::mem::take(&mut pairs.failed);
        failed.retain(|&(from, to), _| !pairs.has_passed(from, to));
        let mut keys: Vec<_> = failed.keys().copied().collect();
        keys.sort_unstable();
        for (from, to) in keys {
            pairs.to[from].push(to);
            pairs.from[to].push(from);
        }
        pairs.failed = failed;
        pairs
    }

    fn has_passed(&self, from: usize, to: usize) -> bool {
        let bit = from * self.ends + to;
        self.passed[bit / 64] & (1 << (bit % 64)) != 0
    }

    /// The classes of the ends that fail at all.
    fn classes(&self) -> Vec<Class> {
        let failing = || {
            (0..self.ends).filter(|end| !self.to[*end].is_empty() || !self.from[*end].is_empty())
        };
        // with itself among those it fails with, an end is like one that it fails with
        let with_itself = |set: &[usize], end: usize| {
            let mut set = set.to_vec();
            if let Err(at) = set.binary_search(&end) {
                set.insert(at, end);
            }
            set
        };
        let mut inside: IndexMap<_, Vec<usize>> = IndexMap::new();
        for end in failing() {
            let profile = (
                with_itself(&self.to[end], end),
                with_itself(&self.from[end], end),
            );
            inside.entry(profile).or_default().push(end);
        }
        inside.retain(|_, members| members.len() > 1);
        let mut is_known = vec![false; self.ends];
        for end in inside.values().flatten() {
            is_known[*end] = true;
        }
        let mut apart: IndexMap<_, Vec<usize>> = IndexMap::new();
        for end in failing().filter(|end| !is_known[*end]) {
            let profile = (self.to[end].as_slice(), self.from[end].as_slice());
            apart.entry(profile).or_default().push(end);
        }
        let class = |inside| move |members| Class { members, inside };
        let inside = inside.into_values().map(class(true));
        inside
            .chain(apart.into_values().map(class(false)))
            .collect()
    }

    /// The blocks that a class is a side of; of two sides the smaller one names a block.
    fn blocks_of(&self, class: &Class) -> Vec<Block> {
        let first = class.members[0];
        let (to, from) = (&self.to[first], &self.from[first]);
        let among = |sorted: &[usize], end: &usize| sorted.binary_search(end).is_ok();
        let others = |direction| -> Vec<usize> {
            let (set, other, both) = match direction {
                Direction::Both => (to, from, true),
                Direction::From => (to, from, false),
                Direction::To => (from, to, false),
            };
            set.iter()
                .filter(|end| among(other, end) == both && !among(&class.members, end))
                .copied()
                .collect()
        };
        [Direction::Both, Direction::From, Direction::To]
            .into_iter()
            .filter_map(|direction| {
                let others = others(direction);
                let inside = class.inside && direction == Direction::Both;
                let is_named = !others.is_empty() && class.members.len() <= others.len();
                (is_named || inside).then(|| self.block(class, others, direction, inside))
            })
            .collect()
    }

    fn block(
        &self,
        class: &Class,
        others: Vec<usize>,
        direction: Direction,
        inside: bool,
    ) -> Block {
        let members = &class.members;
        let mut cells = Vec::new();
        let mut add = |from: usize, to: usize| {
            cells.extend(self.failed.get(&(from, to)).into_iter().flatten());
        };
        for &member in members {
            for &other in &others {
                if direction != Direction::To {
                    add(member, other);
                }
                if direction != Direction::From {
                    add(other, member);
                }
            }
            if inside {
                for &other in members {
                    add(member, other);
                }
            }
        }
        cells.sort_unstable();
        let mut is_within = vec![false; self.ends];
        for end in members.iter().chain(&others) {
            is_within[*end] = true;
        }
        let passes = |member: usize, end: usize| {
            self.has_passed(member, end) || self.has_passed(end, member)
        };
        let outside = (0..self.ends)
            .filter(|end| !is_within[*end] && members.iter().any(|member| passes(*member, *end)))
            .collect();
        Block {
            members: members.clone(),
            others,
            outside,
            direction,
            inside,
            cells,
        }
    }
}
