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
        by: by.map(|by| Tree::Template(template(by))),
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
        let findings = find(rule, &BTreeMap::new(), &cells, &mut explained).unwrap();
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

fn rules() -> [DiagnosisRule; 4] {
    [everywhere(), node(), split(), pair()]
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
    assert_eq!(found(&rules(), 3, pair), [(3, "node2-node3".to_owned(), 2)]);
    let only = |source, target| failed_if(source != target);
    assert_eq!(found(&rules(), 2, only), [(3, "node1-node2".to_owned(), 2)]);
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
    let findings = find(&rule, &BTreeMap::new(), &cells, &mut [false]).unwrap();
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
        &BTreeMap::new(),
        &cells,
        &mut [false],
    )
    .unwrap_err();
    assert!(error.message.contains("nothing"), "{}", error.message);
}
