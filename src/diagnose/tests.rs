use super::*;
use crate::source::{Place, SourceFile, Span};
use crate::template::{Condition, Template, Tree};
use Outcome::{Errored, Failed, Passed};

fn place(text: &str) -> Place {
    Place {
        file: SourceFile::new("a.yaml", text),
        span: Span::new(0, text.len()),
    }
}

fn template(text: &str) -> Template {
    Template::parse(text, place(text)).unwrap()
}

fn condition(text: &str) -> Condition {
    Condition::parse(text, place(text)).unwrap()
}

/// A rule about cells off the diagonal.
fn rule(by: Option<&str>, when: &str) -> DiagnosisRule {
    DiagnosisRule {
        case: 0,
        cells: Some(condition("source.node != target.node")),
        each: None,
        grouping: match by {
            Some(by) => Grouping::By(Tree::Template(template(by))),
            None => Grouping::All,
        },
        when: condition(when),
        steps: Vec::new(),
        message: template("x"),
        remedy: None,
        url: None,
        place: place("x"),
    }
}

const NODE: &str = "{{ [source.node, target.node] }}";
const PAIR: &str = "{{ [source.node, target.node] | sort | join('-') }}";

fn everywhere() -> DiagnosisRule {
    rule(None, "tally.passed == 0 and tally.failed > 2")
}

fn node() -> DiagnosisRule {
    rule(Some(NODE), "tally.passed == 0 and tally.failed > 2")
}

fn pair() -> DiagnosisRule {
    rule(Some(PAIR), "tally.failed > 0")
}

/// Sets of nodes, as the suite `overlay` looks for them.
fn blocks() -> DiagnosisRule {
    DiagnosisRule {
        grouping: Grouping::Blocks(Tree::Template(template("{{ [source.node, target.node] }}"))),
        ..rule(
            None,
            "(block.members | length) + (block.others | length) > 3",
        )
    }
}

fn no_names() -> Scope {
    Scope::from_pairs(Vec::<(String, Scope)>::new())
}

/// Nodes 1 and 2 in zone a, the others in b.
fn zone(node: usize) -> &'static str {
    if node <= 2 { "a" } else { "b" }
}

fn split() -> DiagnosisRule {
    let by = "{{ 'within' if source.nodeLabels[label] | default('') == \
              target.nodeLabels[label] | default('') else 'across' }}";
    DiagnosisRule {
        each: Some((
            "label".to_owned(),
            Tree::List(vec![
                Tree::Scalar("rack".into()),
                Tree::Scalar("zone".into()),
            ]),
        )),
        ..rule(
            Some(by),
            "key == 'across' and tally.passed == 0 and rest.failed == 0 and rest.passed > 0",
        )
    }
}

/// What rules find, one after another, in a matrix of so many nodes by so many.
fn found(
    rules: &[DiagnosisRule],
    nodes: usize,
    how: impl Fn(usize, usize) -> Outcome,
) -> Vec<(usize, String, usize)> {
    let outcomes: Vec<_> = (0..nodes * nodes)
        .map(|cell| how(cell / nodes + 1, cell % nodes + 1))
        .collect();
    let end = |node: usize| {
        scope_value(&json!({
            "node": format!("node{node}"),
            "nodeLabels": {"zone": zone(node)},
        }))
    };
    let axes = |cell: usize| {
        vec![
            ("source".to_owned(), end(cell / nodes + 1)),
            ("target".to_owned(), end(cell % nodes + 1)),
        ]
    };
    let cells = Cells {
        outcomes: &outcomes,
        axes: &axes,
    };
    let mut explained = vec![false; outcomes.len()];
    let mut all = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let findings = find(rule, &no_names(), &cells, &mut explained).unwrap();
        all.extend(
            findings
                .into_iter()
                .map(|finding| (number, finding.key, finding.cells.len())),
        );
    }
    all
}

fn failed_if(fails: bool) -> Outcome {
    if fails { Failed } else { Passed }
}

fn rules() -> [DiagnosisRule; 5] {
    [everywhere(), node(), split(), blocks(), pair()]
}

#[test]
fn nothing_failed_is_nothing_to_find() {
    assert_eq!(found(&rules(), 3, |_, _| Passed), []);
    assert_eq!(found(&rules(), 3, |_, _| Errored), []);
}

#[test]
fn one_node_that_fails_with_everyone_is_found_alone() {
    let blocked = |source, target| failed_if(source != target && (source == 1 || target == 1));
    assert_eq!(found(&rules(), 3, blocked), [(1, "node1".to_owned(), 4)]);
}

#[test]
fn two_such_nodes_share_their_pair() {
    let blocked = |source, target| failed_if(source != target && (source <= 2 || target <= 2));
    assert_eq!(
        found(&rules(), 5, blocked),
        [(1, "node1".to_owned(), 8), (1, "node2".to_owned(), 6)]
    );
}

#[test]
fn every_pair_is_everywhere() {
    let down = |source, target| failed_if(source != target);
    assert_eq!(found(&rules(), 3, down), [(0, String::new(), 6)]);
}

#[test]
fn one_pair_is_a_pair_even_of_two_nodes() {
    let pair = |source: usize, target: usize| failed_if(source + target == 5 && source != target);
    assert_eq!(found(&rules(), 3, pair), [(4, "node2-node3".to_owned(), 2)]);
    let only = |source, target| failed_if(source != target);
    assert_eq!(found(&rules(), 2, only), [(4, "node1-node2".to_owned(), 2)]);
}

#[test]
fn a_split_along_a_label_is_told_from_single_nodes() {
    let across = |source, target| failed_if(zone(source) != zone(target));
    assert_eq!(found(&rules(), 4, across), [(2, "across".to_owned(), 8)]);
}

#[test]
fn a_node_that_could_not_be_tested_is_in_nobodys_way() {
    let blocked = |source, target| match (source, target) {
        (3, _) | (_, 3) => Errored,
        (source, target) => failed_if(source != target && (source == 1 || target == 1)),
    };
    assert_eq!(found(&rules(), 4, blocked), [(1, "node1".to_owned(), 4)]);
}

/// A set of nodes that cannot reach the others; within it and among the others all is well.
fn cut_off(nodes: usize, set: &[usize]) -> Vec<(usize, String, usize)> {
    let across = |source, target| failed_if(set.contains(&source) != set.contains(&target));
    found(&rules(), nodes, across)
}

#[test]
fn a_set_of_nodes_that_is_cut_off_is_one_finding() {
    let three = "node20, node41 and node63".to_owned();
    assert_eq!(cut_off(63, &[20, 41, 63]), [(3, three, 360)]);
    // whichever side is the smaller one
    let most: Vec<_> = (1..=60).collect();
    let rest = "node61, node62 and node63".to_owned();
    assert_eq!(cut_off(63, &most), [(3, rest, 360)]);
    let ten: Vec<_> = (41..=50).collect();
    let named = "node41, node42, node43 and 7 more".to_owned();
    assert_eq!(cut_off(63, &ten), [(3, named, 1060)]);
}

#[test]
fn one_node_of_many_is_a_node() {
    assert_eq!(cut_off(63, &[7]), [(1, "node7".to_owned(), 124)]);
}

#[test]
fn two_sets_that_are_cut_off_are_two_findings() {
    let group = |node| match node {
        11..=13 => 1,
        21..=24 => 2,
        _ => 0,
    };
    let apart = |source, target| failed_if(group(source) != group(target));
    assert_eq!(
        found(&rules(), 30, apart),
        [
            (3, "node21, node22, node23 and node24".to_owned(), 208),
            (3, "node11, node12 and node13".to_owned(), 138),
        ]
    );
    // what they are cut off from need not be all others
    let only =
        |source, target| failed_if(matches!((group(source), group(target)), (1, 2) | (2, 1)));
    let rows = found(&rules(), 30, only);
    assert_eq!(rows, [(3, "node11, node12 and node13".to_owned(), 24)]);
}

#[test]
fn a_set_stays_whole_beside_other_failures() {
    let fails = |source: usize, target: usize| {
        let across = (source <= 3) != (target <= 3);
        let single = source + target == 41 && source.abs_diff(target) == 1;
        failed_if(across || single)
    };
    assert_eq!(
        found(&rules(), 30, fails),
        [
            (3, "node1, node2 and node3".to_owned(), 162),
            (4, "node20-node21".to_owned(), 2),
        ]
    );
    // and beside a node that fails with everybody
    let and_node = |source, target| match source != target && (source == 9 || target == 9) {
        true => Failed,
        false => fails(source, target),
    };
    let rows = found(&rules(), 30, and_node);
    let keys: Vec<_> = rows
        .iter()
        .map(|(rule, key, _)| (*rule, key.as_str()))
        .collect();
    assert_eq!(
        keys,
        [
            (1, "node9"),
            (3, "node1, node2 and node3"),
            (4, "node20-node21")
        ]
    );
}

#[test]
fn nodes_that_reach_nobody_but_some_are_a_set() {
    // 1, 2, 3 reach 4 only, not even each other
    let fails = |source: usize, target: usize| {
        let alone = |one: usize, other: usize| one <= 3 && other != 4;
        failed_if(source != target && (alone(source, target) || alone(target, source)))
    };
    let sets = found(&[blocks()], 9, fails);
    assert_eq!(sets, [(0, "node1, node2 and node3".to_owned(), 36)]);
}

/// What the rule sees as `block`, of each finding.
fn seen_of_blocks(nodes: usize, how: impl Fn(usize, usize) -> Outcome) -> Vec<String> {
    let outcomes: Vec<_> = (0..nodes * nodes)
        .map(|cell| how(cell / nodes + 1, cell % nodes + 1))
        .collect();
    let end = |node: usize| scope_value(&json!({"node": format!("{node}")}));
    let axes = |cell: usize| {
        vec![
            ("source".to_owned(), end(cell / nodes + 1)),
            ("target".to_owned(), end(cell % nodes + 1)),
        ]
    };
    let cells = Cells {
        outcomes: &outcomes,
        axes: &axes,
    };
    let rule = DiagnosisRule {
        when: condition("tally.passed == 0"),
        ..blocks()
    };
    let mut explained = vec![false; outcomes.len()];
    let findings = find(&rule, &no_names(), &cells, &mut explained).unwrap();
    let told = template(
        "{{ block.members | join }} {{ block.direction }} {{ block.others | join }}, \
         inside {{ block.inside }}, outside {{ block.outside | join }}, {{ tally.failed }} and {{ rest.failed }}",
    );
    findings
        .iter()
        .map(|finding| {
            let scope = Scope::from_pairs(finding.names(&rule));
            told.render_text(&scope).unwrap()
        })
        .collect()
}

#[test]
fn a_block_tells_its_sides() {
    let both = |source, target| failed_if((source <= 2) != (target <= 2));
    assert_eq!(
        seen_of_blocks(5, both),
        ["12 both 345, inside false, outside , 12 and 0"]
    );
    let from = |source, target| failed_if(source <= 2 && target > 2);
    assert_eq!(
        seen_of_blocks(5, from),
        ["12 from 345, inside false, outside , 6 and 0"]
    );
    let to = |source, target| failed_if(source > 2 && target <= 2);
    assert_eq!(
        seen_of_blocks(5, to),
        ["12 to 345, inside false, outside , 6 and 0"]
    );
    // those that could not be tested are on no side
    let some = |source: usize, target: usize| match source.max(target) {
        6 => Errored,
        _ => failed_if(source.min(target) == 1 && source.max(target) > 3),
    };
    assert_eq!(
        seen_of_blocks(6, some),
        ["1 both 45, inside false, outside 23, 4 and 0"]
    );
    let all = |source, target| failed_if(source != target);
    assert_eq!(
        seen_of_blocks(3, all),
        ["123 both , inside true, outside , 6 and 0"]
    );
}

#[test]
fn one_cell_that_passes_makes_a_pair_pass() {
    // two cells for each pair, as with two ports: of 1 and 2 each has one that passes
    let outcomes = [Passed, Failed, Failed, Passed, Failed, Failed];
    let ends = [
        ("1", "2"),
        ("1", "2"),
        ("2", "1"),
        ("2", "1"),
        ("1", "3"),
        ("1", "3"),
    ];
    let axes = |cell: usize| {
        let (from, to) = ends[cell];
        vec![
            ("source".to_owned(), scope_value(&json!({"node": from}))),
            ("target".to_owned(), scope_value(&json!({"node": to}))),
        ]
    };
    let cells = Cells {
        outcomes: &outcomes,
        axes: &axes,
    };
    let rule = DiagnosisRule {
        when: condition("true"),
        ..blocks()
    };
    let found = find(&rule, &no_names(), &cells, &mut [false; 6]).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|it| (it.key.as_str(), &it.cells[..]))
        .collect();
    assert_eq!(found, [("1", &[4, 5][..])]);
}

#[test]
fn failures_without_a_pattern_stay_few() {
    // one of twenty pairs, the same in both directions, by a small generator
    let fails = |source: usize, target: usize| {
        let (low, high) = (source.min(target), source.max(target));
        let mut state = (low * 64 + high) as u64;
        for _ in 0..3 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state ^= state >> 29;
        }
        failed_if(source != target && state.is_multiple_of(20))
    };
    let rows = found(&rules(), 63, fails);
    let failed = (0..63 * 63).filter(|cell| fails(cell / 63 + 1, cell % 63 + 1) == Failed);
    let failed = failed.count();
    let explained: usize = rows.iter().map(|(_, _, cells)| cells).sum();
    // each is explained, once
    assert_eq!(failed, explained);
    assert!(failed > 100, "{failed}");
    // never more sets than nodes, and fewer findings than pairs
    let sets = rows.iter().filter(|(rule, ..)| *rule == 3).count();
    assert!(sets > 0 && sets <= 63, "{rows:?}");
    assert!(rows.len() * 2 < failed, "{} of {failed}", rows.len());
}

/// Matrices of so many nodes that have little in common, or much.
fn hard_cases(nodes: usize) -> [Vec<Outcome>; 4] {
    let chance = |source: usize, target: usize| {
        let state = (source * nodes + target) as u64;
        let state = (state ^ (state >> 7)).wrapping_mul(6_364_136_223_846_793_005);
        (state ^ (state >> 33)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
    };
    let matrix = |fails: &dyn Fn(usize, usize) -> bool| {
        let cells = (0..nodes * nodes).map(|cell| (cell / nodes, cell % nodes));
        cells
            .map(|(source, target)| failed_if(source != target && fails(source, target)))
            .collect()
    };
    [
        // half of all pairs, by chance: hardly two nodes fail with the same others
        matrix(&|source, target| chance(source, target).is_multiple_of(2)),
        // each node fails with more of the others than the one before it
        matrix(&|source, target| source + target >= nodes),
        // every tenth node is cut off, and everything fails beside that
        matrix(&|source, target| source.is_multiple_of(10) != target.is_multiple_of(10)),
        matrix(&|_, _| true),
    ]
}

/// The ends of each cell, as the rule of a suite names them.
fn ends_of(nodes: usize) -> Ends {
    let mut ends = Ends::default();
    for cell in 0..nodes * nodes {
        let end = |node: usize| format!("node{node}");
        ends.add(cell, end(cell / nodes), end(cell % nodes));
    }
    ends
}

#[test]
fn blocks_of_many_nodes_take_no_more_room_than_their_pairs() {
    let nodes = 500;
    let ends = ends_of(nodes);
    for outcomes in hard_cases(nodes) {
        let blocks = blocks::blocks(&ends, &outcomes);
        let failed = outcomes.iter().filter(|outcome| **outcome == Failed);
        let failed = failed.count();
        // a node is a member of blocks of one class only, in one direction each
        assert!(blocks.len() <= 3 * nodes, "{}", blocks.len());
        let members: usize = blocks.iter().map(|block| block.members.len()).sum();
        assert!(members <= 3 * nodes, "{members}");
        // a failed pair is seen from its two ends
        let cells: usize = blocks.iter().map(|block| block.cells.len()).sum();
        assert!(failed <= cells && cells <= 2 * failed, "{cells} {failed}");
        let mut is_explained = vec![false; outcomes.len()];
        for block in &blocks {
            for cell in &block.cells {
                assert_eq!(outcomes[*cell], Failed);
                is_explained[*cell] = true;
            }
        }
        let explained = is_explained.iter().filter(|is| **is).count();
        assert_eq!(explained, failed);
    }
}

#[test]
fn blocks_of_ten_times_as_many_nodes_take_some_hundred_times_the_work() {
    let work = |nodes: usize| {
        let (ends, cases) = (ends_of(nodes), hard_cases(nodes));
        cases.map(|outcomes| {
            let before = crate::fuzz::thread_time();
            let blocks = blocks::blocks(&ends, &outcomes);
            assert!(!blocks.is_empty());
            crate::fuzz::thread_time() - before
        })
    };
    let (few, many) = (work(50), work(500));
    for (few, many) in few.into_iter().zip(many) {
        let times = many.as_secs_f64() / few.as_secs_f64().max(0.0001);
        // a thousand times would be the nodes' number to the third
        assert!(times < 500.0, "{few:?} {many:?}");
    }
}

#[test]
fn a_rule_is_asked_once_for_each_cell_of_many_nodes() {
    let nodes = 120;
    let [_, _, outcomes, _] = hard_cases(nodes);
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let ends: Vec<_> = (0..nodes)
        .map(|node| scope_value(&json!({"node": format!("node{node}")})))
        .collect();
    let axes = |cell: usize| {
        asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        vec![
            ("source".to_owned(), ends[cell / nodes].clone()),
            ("target".to_owned(), ends[cell % nodes].clone()),
        ]
    };
    let cells = Cells {
        outcomes: &outcomes,
        axes: &axes,
    };
    let mut explained = vec![false; outcomes.len()];
    let found = find(&blocks(), &no_names(), &cells, &mut explained).unwrap();
    let keys: Vec<_> = found.iter().map(|finding| finding.key.as_str()).collect();
    assert_eq!(keys, ["node0, node10, node20 and 9 more"]);
    assert_eq!(found[0].cells.len(), 2 * 12 * 108);
    assert_eq!(asked.into_inner(), nodes * nodes);
}

#[test]
fn blocks_need_two_ends() {
    let rule = DiagnosisRule {
        grouping: Grouping::Blocks(Tree::Template(template("{{ source.node }}"))),
        ..blocks()
    };
    let axes = |_| {
        vec![
            ("source".to_owned(), scope_value(&json!({"node": "a"}))),
            ("target".to_owned(), scope_value(&json!({"node": "b"}))),
        ]
    };
    let cells = Cells {
        outcomes: &[Failed],
        axes: &axes,
    };
    let error = find(&rule, &no_names(), &cells, &mut [false]).unwrap_err();
    assert_eq!(
        error.message,
        "`blocks` takes the two ends of a cell, not \"a\""
    );
}

#[test]
fn what_a_rule_sees_of_a_finding() {
    let rule = node();
    let finding = Finding {
        item: None,
        key: "node1".to_owned(),
        tally: Counts {
            failed: 4,
            ..Counts::default()
        },
        rest: Counts {
            passed: 2,
            ..Counts::default()
        },
        cells: vec![1, 2, 3, 6],
        block: None,
    };
    let scope = Scope::from_pairs(finding.names(&rule));
    let text = template("{{ key }} {{ tally.failed }}/{{ tally.total }} {{ rest.passed }}");
    assert_eq!(text.render_text(&scope).unwrap(), "node1 4/4 2");
    let fields = to_value(&finding.tally);
    let known: Vec<_> = fields.as_object().unwrap().keys().collect();
    assert_eq!(known, crate::plan::model::TALLY_FIELDS);
}

#[test]
fn an_object_is_grouped_by_its_name() {
    let rule = DiagnosisRule {
        cells: None,
        ..rule(Some("{{ node }}"), "tally.failed > 0")
    };
    let node = crate::template::Named::scope_value("node1", [("ip", "10.0.0.1".into())]);
    let axes = |_| vec![("node".to_owned(), node.clone())];
    let cells = Cells {
        outcomes: &[Failed],
        axes: &axes,
    };
    let findings = find(&rule, &no_names(), &cells, &mut [false]).unwrap();
    assert_eq!(findings[0].key, "node1");
}

#[test]
fn a_rule_that_cannot_be_evaluated_says_so() {
    let rule = rule(Some("{{ source.nothing }}"), "tally.failed > 0");
    let axes = |_| vec![("source".to_owned(), scope_value(&json!({"node": "a"})))];
    let cells = Cells {
        outcomes: &[Failed],
        axes: &axes,
    };
    let error = find(
        &DiagnosisRule {
            cells: None,
            ..rule
        },
        &no_names(),
        &cells,
        &mut [false],
    )
    .unwrap_err();
    assert!(error.message.contains("nothing"), "{}", error.message);
}
